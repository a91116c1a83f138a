"""What a pass starts from: outputs, gradients to start with, and inputs; checked, and as edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import AutogradError, DTypeError, ShapeError
from ..tensor import Tensor, wrap
from .node import GradientEdge


def listed(op: str, what: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, Tensor):
        return [value]
    many = isinstance(value, (list, tuple, Iterator)) and not isinstance(value, GradientEdge)
    values = value if many else [value]
    return [v if isinstance(v, Tensor) else _stand_in(op, what, v) for v in values]


def _stand_in(op: str, what: str, place: Any) -> Any:
    """A tensor at that place of the graph: the leaf, or one without values of its own."""
    if place is None:
        return place
    if not isinstance(place, GradientEdge):
        raise DTypeError(f"{op}: {what} must be tensors, got {type(place).__name__}")
    edge = place.edge()
    if isinstance(edge, Tensor):
        return edge
    out = wrap(np.broadcast_to(np.zeros((), edge.dtype), edge.shape))
    out.node, out.needs_grad = edge, True
    return out


def edge_of(tensor: Tensor) -> Any:
    return tensor.node or tensor


def check_wanted(op: str, wanted: list[Tensor] | None) -> None:
    if wanted is not None and not wanted:
        raise AutogradError(f"{op}: inputs is empty")
    for i, tensor in enumerate(wanted or ()):
        if tensor is None:
            raise DTypeError(f"{op}: input {i} must be a tensor, got None")
        if not tensor.needs_grad:
            raise AutogradError(
                f"{op}: input {i} (shape {tuple(tensor.shape)}) requires no gradient"
            )


def roots_of(op: str, tensors: list[Tensor], grads: list[Any]) -> list[tuple[Any, Tensor]]:
    """Pairs of an edge and the gradient that starts there."""
    if grads and len(grads) != len(tensors):
        raise AutogradError(f"{op}: {len(tensors)} tensors but {len(grads)} gradients")
    grads = grads or [None] * len(tensors)
    return [(edge_of(t), _start(op, i, t, g)) for i, (t, g) in enumerate(zip(tensors, grads))]


def _start(op: str, i: int, tensor: Tensor, g: Tensor | None) -> Tensor:
    if tensor is None:
        raise DTypeError(f"{op}: tensor {i} must be a tensor, got None")
    if not tensor.needs_grad:
        raise AutogradError(
            f"{op}: tensor {i} (shape {tuple(tensor.shape)}) does not require a gradient "
            "and has no grad_fn"
        )
    if g is None:
        if tensor.array.size != 1:
            raise AutogradError(
                f"{op}: a gradient can start by itself only from one value, tensor {i} has shape "
                f"{tuple(tensor.shape)}; give the gradient to start with"
            )
        if tensor.dtype.kind == "c":
            raise AutogradError(
                f"{op}: a gradient can start by itself only from a real value, tensor {i} is "
                f"{tensor.dtype}; give the gradient to start with, or take real, imag or abs"
            )
        return wrap(np.ones_like(tensor.array))
    if g.shape != tensor.shape:
        raise ShapeError(
            f"{op}: gradient {i} has shape {tuple(g.shape)}, its tensor {tuple(tensor.shape)}"
        )
    if (g.dtype.kind == "c") != (tensor.dtype.kind == "c"):
        raise DTypeError(f"{op}: gradient {i} is {g.dtype}, its tensor {tensor.dtype}")
    return g
