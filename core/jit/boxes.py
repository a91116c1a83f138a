"""What a picture of a graph shows: a box for every input, node, write and for the results, in rows.

A box's row is the length of the longest path to it, so that every arrow points down. Constants, and
what is computed from them alone, have no box: they are known before the graph runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .._svg import LETTER, cut
from ..profiler._table import amount
from .cost import arithmetic, traffic
from .fused import BINARY, CHAIN, CONV, PRODUCT
from .graph import Graph, Node, Value
from .passes.tidy import constant_values

LETTERS, LINE, PAD = 44, 14, 6  # letters of a line at most; pixels of a line, and around the text


@dataclass(eq=False)
class Box:
    """A box: its text, its sources in their order, and where it stands (pixels)."""

    kind: str  # "input", "heavy", "light", "view" or "result"
    lines: list[str]
    tip: str
    work: int = 0  # arithmetic
    sources: list[Box] = field(default_factory=list)
    row: int = 0
    column: int = 0
    x: float = 0.0  # of the centre
    y: float = 0.0  # of the top

    def __post_init__(self) -> None:
        self.lines = [cut(line, LETTERS) for line in self.lines]

    @property
    def width(self) -> float:
        return max(map(len, self.lines)) * LETTER + 2 * PAD + 4

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + (PAD if self.kind == "view" else 2 * PAD)


def boxes_of(graph: Graph) -> list[Box]:
    """The boxes in running order, with their sources and rows."""
    graph.renumber()
    known = constant_values(graph)
    makers: dict[Value, Box] = {}
    boxes = []
    for value in graph.inputs:
        makers[value] = Box("input", [repr(value), value.type], f"input {value!r}: {value.type}")
        boxes.append(makers[value])
    for node in graph.nodes:
        if any(value not in known for value in node.made()):
            boxes.append(_linked(_node(node), node.uses(), makers))
            makers.update(dict.fromkeys(node.made(), boxes[-1]))
    for target, value in graph.writes:
        text = f"write {target!r} = {value!r}"
        boxes.append(_linked(Box("result", [text], text), [value], makers))
    results = [f"{value!r}: {value.type}" for value in graph.outputs]
    more = [f"and {len(results) - 6} more"] if len(results) > 6 else []
    last = Box("result", ["return", *results[:6], *more], f"return {', '.join(results)}")
    boxes.append(_linked(last, graph.outputs, makers))
    _lower(boxes)
    return boxes


def _linked(box: Box, uses: Iterable[Value], makers: dict[Value, Box]) -> Box:
    """With its sources, below the lowest of them."""
    box.sources = list(dict.fromkeys(makers[value] for value in uses if value in makers))
    box.row = max((source.row + 1 for source in box.sources), default=0)
    return box


def _lower(boxes: list[Box]) -> None:
    """Let what needs no input, such as a view of a trained weight, stand just above its first reader."""
    fed: set[Box] = set()
    reader: dict[Box, int] = {}
    for box in boxes:
        if box.kind == "input" or any(source in fed for source in box.sources):
            fed.add(box)
    for box in reversed(boxes):
        if box not in fed and box in reader:
            box.row = reader[box] - 1
        for source in box.sources:
            reader[source] = min(box.row, reader.get(source, box.row))


# -- text ----------------------------------------------------------------------------------------
def _node(node: Node) -> Box:
    tip = f"{node!r}\n{node.line}".strip()
    if all(value.base is not None for value in node.made()):
        return Box("view", [f"{_title(node)} {list(node.out.shape)}"], tip)
    work, steps = arithmetic(node), _steps(node)
    lines = [_title(node), *([steps] if steps else [])]
    lines += [f"{value!r}: {value.type}" for value in node.made()]
    lines.append(", ".join([f"{quantity(work)}FLOP"] * bool(work) + [amount(traffic(node))]))
    return Box("heavy" if work else "light", lines, tip, work)


def _title(node: Node) -> str:
    """The op's name and what tells it from others of that name."""
    name = node.name.strip("_")
    if node.op is CONV:
        (weight, (stride, _, dilation, groups)) = node.args[1], node.args[4]
        name += f" {_sizes(weight.shape[2:])}"
        name += f" /{_step_size(stride)}" if set(stride) != {1} else ""
        name += f" dilation {_step_size(dilation)}" if set(dilation) != {1} else ""
        name += f" groups {groups}" if groups != 1 else ""
    elif node.op is PRODUCT and len(node.args[1].shape) == 2:
        name += " {} -> {}".format(*node.args[1].shape)
    return name


def _sizes(sizes: Iterable[int]) -> str:
    return "x".join(map(str, sizes))


def _step_size(sizes: tuple[int, ...]) -> str:
    """One number where all axes have the same."""
    return str(sizes[0]) if len(set(sizes)) == 1 else _sizes(sizes)


def _steps(node: Node) -> str:
    """What is done to the result on its way to memory."""
    if node.op not in (CONV, PRODUCT, CHAIN):
        return ""
    found = []
    if node.op is not CHAIN and node.args[2] is not None:
        found.append("bias")
    if node.op is CONV and node.args[3]:
        found.append("norm")
    return ", ".join([*found, *map(_step, node.args[-1])])


def _step(step: tuple[Any, ...]) -> str:
    name, *rest = step
    if name == "linear":
        a, b = rest
        return " ".join([f"* {a:.4g}"] * (a != 1) + [f"+ {b:.4g}"] * (b != 0)) or "* 1"
    return f"{name} {rest[0]!r}" if name in BINARY else name


def quantity(count: float) -> str:
    """A large number for people.

    >>> quantity(231_211_008), quantity(12), quantity(4.1e9)
    ('231.2 M', '12 ', '4.1 G')
    """
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} "


# -- columns -------------------------------------------------------------------------------------
def spine(boxes: list[Box]) -> Iterator[Box]:
    """The longest path, from the end."""
    box = boxes[-1]
    while True:
        yield box
        if not box.sources:
            return
        box = max(box.sources, key=lambda source: source.row)


def arrange(boxes: list[Box]) -> None:
    """A column for every box: 0 for the longest path, branches beside it, one box to a place."""
    taken = {(box.row, 0) for box in spine(boxes)}
    main = set(spine(boxes))
    for box in boxes:
        if box in main:
            continue
        box.column = max((source.column for source in box.sources), default=0) or 1
        if (box.row, box.column) in taken:
            box.column = 1
            while (box.row, box.column) in taken:
                box.column += 1
        taken.add((box.row, box.column))
