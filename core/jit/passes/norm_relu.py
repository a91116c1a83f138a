"""Batch norm with relu in training: its backward pass reads a bit an element, not the result.

oneDNN's forward norm can leave a workspace that says where relu let through; with it the backward
norm cuts the gradient itself, so the pass of ``relu_backward`` over memory goes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ...backends.cpu import constants as c
from ...backends.cpu.library import EngineError
from ...backends.cpu.memory import PrimitiveDesc
from ...ops.activation import _relu_backward
from ...ops.batch_norms import _batch_norm_backward
from ...ops.norm_relu import _batch_norm_relu
from ..fused import FusedOp
from ..graph import Graph, Node, Value
from ..kernels.base import Desc
from ..kernels.gradients import descriptors, takes_batch, takes_batch_backward


def _forward(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    y, mean, var = _batch_norm_relu.op.hot(x, weight, bias, eps)
    return y, mean, var, np.packbits(y > 0)


def _backward(g: Any, x: Any, weight: Any, mean: Any, var: Any, eps: float, through: Any) -> Any:
    bits = np.unpackbits(through, count=g.size).reshape(g.shape)
    return _batch_norm_backward.op.hot(g * bits.astype(g.dtype), x, weight, mean, var, eps)


NORM_RELU = FusedOp("norm_relu", _forward)
NORM_RELU_BACKWARD = FusedOp("norm_relu_backward", _backward)


def workspace(x: Value, eps: float) -> Desc | None:
    """The descriptor of the bits for x; None where the engine has none."""
    data, _ = descriptors(x)
    flags = c.USE_SCALE | c.USE_SHIFT | c.FUSE_RELU
    try:
        desc = PrimitiveDesc(
            "batch_normalization_forward", str(x.shape), c.TRAINING, data, data, eps, flags
        )
    except EngineError:
        return None
    return desc.desc(c.QUERY_WORKSPACE)


def fuse_norm_relu(graph: Graph) -> None:
    """Exchange every such pair of norms; the relu_backward between them goes."""
    users = graph.users()
    for node in list(graph.nodes):
        if node.op is not _batch_norm_relu.op or not takes_batch(node):
            continue
        found = _pair(node, users, graph)
        space = workspace(node.args[0], node.args[3]) if found else None
        if found is None or space is None or space.size() != -(-node.out.size // 8):
            continue
        cut, back = found
        through = Value(
            SimpleNamespace(shape=(space.size(),), dtype=np.dtype(np.uint8), strides=(1,))
        )
        through.maker = node
        node.op, node.outs = NORM_RELU, (*node.outs, through)
        back.op, back.args = NORM_RELU_BACKWARD, (cut.args[0], *back.args[1:], through)
        graph.nodes.remove(cut)


def _pair(node: Node, users: dict[Value, list[Node]], graph: Graph) -> tuple[Node, Node] | None:
    """The relu_backward of a norm's result, and the backward norm that alone reads that."""
    for cut in users.get(node.out, ()):
        if cut.op is not _relu_backward.op or cut.args[1] is not node.out:
            continue
        readers = users.get(cut.out, [])
        if len(readers) != 1 or cut.out in graph.kept():
            continue
        back = readers[0]
        same = back.op is _batch_norm_backward.op and back.args[0] is cut.out
        if same and back.args[1] is node.args[0] and takes_batch_backward(back):
            return cut, back
    return None
