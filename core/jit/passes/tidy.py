"""Leaving out what need not be computed: unused nodes, and the same thing a second time."""

from __future__ import annotations

from typing import Any

from ...backends.cpu.eltwise import without_gaps
from ..graph import Graph, Node, Value, root_of

RANDOM = frozenset(("_noise",))
"""Ops that give something else every time: never merged, never folded."""


def drop_unused(graph: Graph) -> None:
    """Remove nodes whose results nobody reads."""
    needed, nodes = graph.kept(), []
    for node in reversed(graph.nodes):
        if any(value in needed for value in node.made()):
            more = (value if value in needed else None for value in node.outs[1:])
            node.outs = (node.outs[0], *more)
            nodes.append(node)
            needed.update(node.uses())
    graph.nodes = nodes[::-1]
    graph.constants = [value for value in graph.constants if value in needed]


def merge_equal(graph: Graph) -> None:
    """Compute equal things once: the same op on the same values with the same options."""
    seen: dict[Any, Node] = {}
    same: dict[Value, Value] = {}
    results = set(map(root_of, graph.kept()))
    nodes = []
    for node in graph.nodes:
        node.args = _replaced(node.args, same)
        key = None if node.name in RANDOM else _key(node)
        twin = seen.get(key) if key is not None else None
        if twin is not None and twin.op is node.op and not _both(twin, node, results):
            same.update({b: a for a, b in zip(twin.outs, node.outs) if a and b})
            continue
        if key is not None:
            seen[key] = node
        nodes.append(node)
    graph.nodes = nodes
    graph.outputs = [same.get(value, value) for value in graph.outputs]
    graph.writes = [(target, same.get(value, value)) for target, value in graph.writes]


def _both(a: Node, b: Node, results: set[Value]) -> bool:
    """Whether both make results: those of a caller must not share memory for being equal."""
    return all(any(v.base is None and v in results for v in node.made()) for node in (a, b))


def _replaced(argument: Any, same: dict[Value, Value]) -> Any:
    if isinstance(argument, Value):
        return same.get(argument, argument)
    if type(argument) in (list, tuple):
        return type(argument)(_replaced(item, same) for item in argument)
    return argument


def _key(node: Node) -> Any:
    try:
        key = (id(node.op), _hashable(node.args))
        hash(key)
    except TypeError:
        return None
    return key


def _hashable(argument: Any) -> Any:
    if isinstance(argument, (list, tuple)):
        return tuple(map(_hashable, argument))
    if isinstance(argument, slice):
        return ("slice", argument.start, argument.stop, argument.step)
    return (type(argument), argument)  # 1, 1.0 and True are different arguments


def constant_values(graph: Graph) -> set[Value]:
    """The constants, and everything computed from constants only."""
    found = {value for value in graph.constants if value.kind == "constant"}
    written = {target for target, _ in graph.writes}
    found -= written
    for node in graph.nodes:
        if node.name not in RANDOM and all(value in found for value in node.uses()):
            found.update(node.made())
    return found


def dense(value: Value) -> bool:
    """Whether the elements, of which there are some, fill one stretch of memory in whatever order."""
    return value.size > 0 and without_gaps(value)
