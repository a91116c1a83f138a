"""Drawing a graph: SVG of its own, and the text that Graphviz takes.

A layered layout after Sugiyama, Tagawa and Toda (1981), made simple by what graphs of models look like:
one long path, which is a column, and short branches, which stand beside it. An arrow goes down its own
column where that is free; else it runs down a lane left of all boxes, which all arrows of that value
share. No arrow crosses a box.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape
from itertools import groupby

from .._svg import DARK, INK, LETTER, caption, document
from ..profiler._table import amount
from .boxes import LINE, PAD, Box, arrange, boxes_of, quantity
from .graph import Graph

TOP, SIDE, GAP, BETWEEN, LANE = 62, 18, 28, 26, 11  # pixels: margins, between rows, columns, lanes
_COLOURS = {
    "input": "#c4d8ae", "heavy": "#f0b76a", "light": "#f7e7c6", "view": "#e6e2da", "result": "#a9c6dc",
}  # fmt: skip
_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" '
    f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
)


def draw(graph: Graph) -> str:
    """The graph as the text of an SVG document.

    Boxes say what a node is, what follows it on the way to memory, its result, arithmetic and bytes;
    their tooltips say the whole of it and the line that led to it. Views are small and grey.

    >>> import sensorium as sn
    >>> graph = sn.compile(lambda x: sn.relu(x @ x)).graph(sn.ones(2, 2))
    >>> picture = draw(graph)
    >>> "product" in picture, "16 FLOP" in picture
    (True, True)
    """
    boxes = boxes_of(graph)
    arrange(boxes)
    lanes = _lanes(boxes)
    left = SIDE + LANE * (1 + max(lanes.values(), default=-1)) + GAP
    right, bottom = _place(boxes, left)
    heading = f"{graph.name}: {_facts(graph, boxes)}"
    width = int(max(right + SIDE, 1.5 * len(heading) * LETTER + 2 * SIDE))
    most = max((box.work for box in boxes), default=0)
    edges = _edges(boxes, lanes, left)
    parts = [_ARROW, caption(SIDE, heading), *edges, *(_drawn(box, most) for box in boxes)]
    return document(width, int(bottom + SIDE), f"Graph of {graph.name}", parts)


def _facts(graph: Graph, boxes: list[Box]) -> str:
    """The graph in numbers."""
    size = sum(value.size * value.dtype.itemsize for value in graph.constants)
    facts = [f"{len(graph)} nodes", f"{len(graph.constants)} constants of {amount(size)}"]
    return ", ".join([*facts, f"{quantity(sum(box.work for box in boxes))}FLOP"])


# -- places --------------------------------------------------------------------------------------
def _place(boxes: list[Box], left: float) -> tuple[float, float]:
    """Set x and y of every box; how far they reach."""
    by_column = sorted(boxes, key=lambda box: box.column)
    for _, members in groupby(by_column, lambda box: box.column):
        column = list(members)
        widest = max(box.width for box in column)
        for box in column:
            box.x = left + widest / 2
        left += widest + BETWEEN
    y = float(TOP)
    for row in _rows(boxes):
        for box in row:
            box.y = y
        y += max(box.height for box in row) + GAP
    return left - BETWEEN, y - GAP


def _rows(boxes: list[Box]) -> list[list[Box]]:
    ordered = sorted(boxes, key=lambda box: box.row)
    return [list(row) for _, row in groupby(ordered, lambda box: box.row)]


# -- arrows --------------------------------------------------------------------------------------
def _near(source: Box, box: Box, taken: set[tuple[int, int]]) -> bool:
    """Whether the column below a source is free as far as the box that reads it."""
    return all((row, source.column) not in taken for row in range(source.row + 1, box.row))


def _lanes(boxes: list[Box]) -> dict[Box, int]:
    """The lane of every box that something far below reads; short ones are next to the boxes."""
    taken = {(box.row, box.column) for box in boxes}
    last: dict[Box, int] = {}
    for box in boxes:
        for source in box.sources:
            if not _near(source, box, taken):
                last[source] = max(box.row, last.get(source, 0))
    lanes: dict[Box, int] = {}
    for source in sorted(last, key=lambda box: last[box] - box.row):
        others = {
            lane for other, lane in lanes.items()
            if other.row < last[source] and source.row < last[other]
        }  # fmt: skip
        lanes[source] = next(n for n in range(len(lanes) + 1) if n not in others)
    return lanes


def _edges(boxes: list[Box], lanes: dict[Box, int], left: float) -> Iterator[str]:
    """A path for every arrow, from the bottom of a box to the top of another."""
    taken = {(box.row, box.column) for box in boxes}
    floors = {row[0].row: max(box.y + box.height for box in row) for row in _rows(boxes)}
    for box in boxes:
        ways = [
            (source, None if _near(source, box, taken) else left - GAP - LANE * lanes[source])
            for source in box.sources
        ]
        ways.sort(key=lambda way: way[0].x if way[1] is None else way[1])
        for i, (source, lane) in enumerate(ways):
            x = box.x + box.width * 0.6 * ((i + 0.5) / len(ways) - 0.5)
            floor = floors[box.row - 1 if lane is None else source.row]
            yield _path(source, lane, (x, box.y), floor)


def _path(source: Box, lane: float | None, end: tuple[float, float], floor: float) -> str:
    """Down to the end of a row, over to the lane if there is one, down, over to the place and in."""
    (x, y), half = end, GAP / 2
    way = f"M{source.x:.1f} {source.y + source.height:.1f}V{floor:.1f}"
    if lane is not None:
        down = floor + GAP
        way += f"C{source.x:.1f} {floor + half:.1f} {lane:.1f} {floor + half:.1f} {lane:.1f} {down:.1f}"
        floor = y - GAP
        way += f"V{floor:.1f}"
    start = source.x if lane is None else lane
    way += f"C{start:.1f} {floor + half:.1f} {x:.1f} {y - half:.1f} {x:.1f} {y:.1f}"
    return f'<path d="{way}" fill="none" stroke="{INK}" marker-end="url(#arrow)"/>'


# -- boxes ---------------------------------------------------------------------------------------
def _drawn(box: Box, most: int) -> str:
    """A box with its text; a bar at its foot shows its arithmetic beside the largest."""
    x, view = box.x - box.width / 2, box.kind == "view"
    rect = (
        f'<rect class="box" x="{x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="4" fill="{_COLOURS[box.kind]}"/>'
    )
    bar = ""
    if box.work:
        bar = (
            f'<rect x="{x:.1f}" y="{box.y + box.height - 3:.1f}" height="3" fill="#c9632f" '
            f'width="{box.width * box.work / most:.1f}"/>'
        )
    y = box.y + LINE + (PAD / 2 if view else PAD) - 3
    texts = [
        f'<text x="{box.x:.1f}" y="{y + i * LINE:.1f}" text-anchor="middle" '
        f'fill="{"#7d7788" if view else DARK}"{_weight(i, view)}>{escape(line)}</text>'
        for i, line in enumerate(box.lines)
    ]
    return f"<g><title>{escape(box.tip)}</title>{rect}{bar}{''.join(texts)}</g>"


def _weight(line: int, view: bool) -> str:
    return ' font-weight="bold"' if line == 0 and not view else ""


# -- Graphviz ------------------------------------------------------------------------------------
def dot(graph: Graph) -> str:
    """The graph in Graphviz's language, with the same boxes.

    >>> import sensorium as sn
    >>> print(dot(sn.compile(sn.exp).graph(sn.ones(2))))
    digraph "exp" {
      node [shape=box style=filled fontname=monospace fontsize=10]
      n0 [label="%x\\nfloat32[2]" fillcolor="#c4d8ae"]
      n1 [label="exp\\n%1: float32[2]\\n16 B" fillcolor="#f7e7c6"]
      n2 [label="return\\n%1: float32[2]" fillcolor="#a9c6dc"]
      n0 -> n1
      n1 -> n2
    }
    """
    boxes = boxes_of(graph)
    numbers = {box: i for i, box in enumerate(boxes)}
    lines = [f"digraph {_quoted([graph.name])} {{"]
    lines.append("  node [shape=box style=filled fontname=monospace fontsize=10]")
    for box, i in numbers.items():
        lines.append(f'  n{i} [label={_quoted(box.lines)} fillcolor="{_COLOURS[box.kind]}"]')
    for box, i in numbers.items():
        lines += [f"  n{numbers[source]} -> n{i}" for source in box.sources]
    return "\n".join([*lines, "}"])


def _quoted(lines: list[str]) -> str:
    """Lines as one string of Graphviz's."""
    text = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return f'"{text}"'


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a picture: Graphviz's text where the name ends in .dot or .gv, else SVG."""
    graphviz = os.fspath(path).endswith((".dot", ".gv"))
    with open(path, "w", encoding="utf-8") as file:
        file.write(dot(graph) + "\n" if graphviz else draw(graph))
