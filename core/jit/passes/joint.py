"""Several products of one operand as one: the queries, keys and values of an attention.

Their constant weights are put side by side once; each result is a view of some columns. One large
product keeps both cores busier than three small ones.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ...backends.cpu.memory import c_strides
from ...ops.index import _view_index
from ...ops.join import cat
from ..fused import PRODUCT
from ..graph import Graph, Node, Value
from .tidy import constant_values


def join_products(graph: Graph) -> None:
    """Join the products that read the same value and are read through views only."""
    constants, users, kept = constant_values(graph), graph.users(), graph.kept()
    groups: dict[Any, list[Node]] = {}
    for node in graph.nodes:
        if _joinable(node, constants) and node.out not in kept and _viewed(node.out, users):
            groups.setdefault((node.args[0], node.args[2] is None), []).append(node)
    for group in groups.values():
        if len(group) > 1:
            _join(graph, group)


def _joinable(node: Node, constants: set[Value]) -> bool:
    if node.op is not PRODUCT or node.args[3]:
        return False
    x, weight, bias, _ = node.args
    fixed = weight in constants and (bias is None or bias in constants)
    return fixed and x not in constants and len(weight.shape) == 2 and len(x.shape) > 1


def _viewed(value: Value, users: dict[Value, list[Node]]) -> bool:
    readers = users.get(value, [])
    return bool(readers) and all(out.base is value for node in readers for out in node.made())


def _join(graph: Graph, group: list[Node]) -> None:
    """One product before the first of the group, and views in the place of each."""
    first, outs = group[0], [node.out for node in group]
    x, line = first.args[0], first.line
    new: list[Node] = []
    weight = _side_by_side([node.args[1] for node in group], 1, new)
    biases = [node.args[2] for node in group]
    bias = None if biases[0] is None else _side_by_side(biases, 0, new)
    shape = (*outs[0].shape[:-1], weight.shape[1])
    joined = _value(shape, outs[0].dtype)
    new.append(Node(PRODUCT, (x, weight, bias, ()), (joined,), line))
    at = graph.nodes.index(first)
    # constants may be made later in the list: what makes them moves up with the product
    graph.nodes[at:at] = new
    start = 0
    for node, out in zip(group, outs):
        end = start + out.shape[-1]
        index = (*(slice(None),) * (len(shape) - 1), slice(start, end))
        node.op, node.args, out.base = _view_index.op, (joined, index), joined
        start = end
    _order(graph)


def _side_by_side(values: list[Value], dim: int, new: list[Node]) -> Value:
    shape = list(values[0].shape)
    shape[dim] = sum(value.shape[dim] for value in values)
    made = _value(tuple(shape), values[0].dtype)
    new.append(Node(cat.op, (list(values), dim), (made,)))
    return made


def _value(shape: tuple[int, ...], dtype: Any) -> Value:
    strides = tuple(s * dtype.itemsize for s in c_strides(shape))
    return Value(SimpleNamespace(shape=shape, dtype=dtype, strides=strides))


def _order(graph: Graph) -> None:
    """Every node after those that make what it reads; else the order stays."""
    made: set[Value] = {*graph.inputs, *graph.constants}
    waiting, nodes = graph.nodes, []
    while waiting:
        later = []
        for node in waiting:
            if all(value in made for value in node.uses()):
                nodes.append(node)
                made.update(node.made())
            else:
                later.append(node)
        waiting = later
    graph.nodes = nodes
