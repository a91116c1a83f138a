"""Strides as they will be: what is computed lies densely, and a view as its op makes it of that.

While tracing, a result may be a part of something larger, or be written into memory of another order.
A program gives every value memory of its own, dense, with the axes in the order that was seen; so what
looks at that memory is looked up anew. What is no view of dense memory is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Graph, Node, Value, replaced


def axes_in_memory(value: Any) -> list[int]:
    """The axes from the outermost to the innermost; those of size 1 stand last."""
    order = sorted(range(len(value.shape)), key=lambda i: (-abs(value.strides[i]), i))
    return [i for i in order if value.shape[i] != 1] + [i for i in order if value.shape[i] == 1]


def packed(value: Any) -> tuple[int, ...]:
    """The strides of a dense array with this order of axes.

    >>> packed(np.ones((2, 8, 3))[:, ::2].swapaxes(0, 1))
    (24, 96, 8)
    """
    strides, step = [0] * len(value.shape), value.dtype.itemsize
    for axis in reversed(axes_in_memory(value)):
        strides[axis] = step
        step *= max(value.shape[axis], 1)
    return tuple(strides)


def settle(graph: Graph) -> None:
    """Set the strides of everything that is computed."""
    for value in graph.inputs:
        value.strides = packed(value)
    for node in graph.nodes:
        for value in node.made():
            seen = None if value.base is None else _looked_at(node)
            value.base, value.strides = seen or (None, packed(value))


def _looked_at(node: Node) -> tuple[Value, tuple[int, ...]] | None:
    """Whose memory a view shows, and its strides; None if the op has to copy."""
    stands = {value: _stand_in(value) for value in node.uses()}
    made = node.op.hot(*replaced(node.args, stands.__getitem__))
    for value, array in stands.items():
        if np.may_share_memory(made, array):
            return value, made.strides
    return None


def _stand_in(value: Value) -> np.ndarray:
    """An array of that layout, whose elements nobody reads."""
    if value.kind != "temp" and value.tensor is not None:
        return value.tensor.array
    size = value.dtype.itemsize
    ends = [(n - 1) * s for n, s in zip(value.shape, value.strides) if n]
    below, above = -sum(e for e in ends if e < 0), sum(e for e in ends if e > 0)
    memory = np.empty(below + above + size, np.uint8)
    return np.ndarray(value.shape, value.dtype, memory, below, value.strides)
