"""A profile as a flame picture: SVG of its own, no script, no font to fetch.

After Gregg, "The Flame Graph" (2016): a box is a call under its caller, as wide as its share of the
time; calls with the same callers are one box. Its tooltip says time, share and calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from .._svg import DARK, INK, LETTER, caption, cut, document
from ._table import micro
from .events import FunctionEvent

WIDTH, ROW, TOP, LEFT = 1200, 18, 46, 10
_LEAST = 0.3  # pixels; narrower boxes are not drawn
_COLOURS = {
    "primitive": "#c9632f", "op": "#e9a23b", "backward": "#5f8fb4", "autograd": "#86aac6",
    "optimizer": "#8f7ab8", "module": "#a9bf8f", "user": "#b9b3a7",
}  # fmt: skip


class _Box:
    """Calls with the same callers: their name and kind, their time (ns), what was called inside."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.ns = self.calls = 0
        self.inside: dict[tuple[str, str], _Box] = {}

    def under(self, name: str, kind: str) -> _Box:
        found = self.inside.get((name, kind))
        if found is None:
            found = self.inside[name, kind] = _Box(name, kind)
        return found

    def add(self, ns: int) -> None:
        self.ns += ns
        self.calls += 1


class _Placed(NamedTuple):
    box: _Box
    x: float
    row: int
    width: float


def tree(events: Sequence[FunctionEvent]) -> _Box:
    """The boxes, in a root of all threads. Events come by start: a caller before what it calls."""
    root = _Box("all", "user")
    own: dict[int, _Box] = {}
    for event in events:
        above = root if event.cpu_parent is None else own[id(event.cpu_parent)]
        box = own[id(event)] = above.under(event.name, event.kind)
        box.add(event.end_ns - event.start_ns)
        if event.cpu_parent is None:
            root.ns += event.end_ns - event.start_ns
        for kernel in event.kernels:
            box.under(f"{kernel.name} {kernel.implementation}", "primitive").add(kernel.duration_ns)
    return root


def _place(box: _Box, x: float, row: int, scale: float) -> Iterator[_Placed]:
    """The box, and above it those inside, the widest first."""
    stack = [(box, x, row)]
    while stack:
        box, x, row = stack.pop()
        width = box.ns * scale
        if width < _LEAST:
            continue
        yield _Placed(box, x, row, width)
        for inner in sorted(box.inside.values(), key=lambda inner: -inner.ns):
            stack.append((inner, x, row + 1))
            x += inner.ns * scale


def flame(events: Sequence[FunctionEvent], title: str = "Time by operation") -> str:
    """The picture as the text of an SVG document."""
    root = tree(events)
    scale = (WIDTH - 2 * LEFT) / max(root.ns, 1)
    placed = list(_place(root, LEFT, 0, scale))
    rows = 1 + max((p.row for p in placed), default=0)
    height = TOP + rows * ROW + 40
    boxes = [_drawn(p, rows, root.ns) for p in placed]
    top = caption(LEFT, f"{title}: {micro(root.ns / 1000)}")
    return document(WIDTH, height, title, [top, *boxes, *_legend(height - 14)])


def _drawn(placed: _Placed, rows: int, whole: int) -> str:
    """A rectangle with its tooltip, and its name where there is room."""
    box, x, row, width = placed
    y = TOP + (rows - 1 - row) * ROW  # callers below, as flames rise
    share = 100 * box.ns / max(whole, 1)
    calls = f", {box.calls} calls" if box.calls else ""
    tip = escape(f"{box.name}: {micro(box.ns / 1000)}, {share:.1f}%{calls}")
    letters = int((width - 4) / LETTER)
    name = escape(cut(box.name, letters))
    text = f'<text x="{x + 3:.1f}" y="{y + 13}" fill="{DARK}">{name}</text>'
    return (
        f'<g><title>{tip}</title><rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{ROW - 1}" '
        f'rx="1" fill="{_COLOURS[box.kind]}"/>{text if letters > 3 else ""}</g>'
    )


def _legend(y: int) -> Iterator[str]:
    x = LEFT
    for kind, colour in _COLOURS.items():
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 14}" y="{y}" fill="{INK}">{kind}</text>'
        x += 24 + int(len(kind) * LETTER) + 10
