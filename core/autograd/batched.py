"""Several gradients of the same outputs at once: ``grad`` with is_grads_batched."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor
from .engine import grad


def grads_of_slices(
    outputs: Any,
    inputs: list[Tensor],
    starts: list[Any],
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool | None,
    zeros: bool,
) -> tuple[Tensor | None, ...]:
    """``grad`` for every slice of the starts along their first dimension, stacked."""
    from ..ops import stack

    size = _size(starts)
    retain = create_graph if retain_graph is None else retain_graph
    rows = []
    for i in range(size):
        slices = [None if s is None else s[i] for s in starts]
        more = retain or i < size - 1
        rows.append(
            grad(outputs, inputs, slices, more, create_graph, allow_unused, materialize_grads=zeros)
        )
    columns = [[g for g in column if g is not None] for column in zip(*rows)]
    return tuple(stack(column) if column else None for column in columns)


def _size(starts: list[Any]) -> int:
    sizes = [s.shape[0] if s.ndim else None for s in starts if s is not None]
    if not sizes or None in sizes or len(set(sizes)) > 1 or sizes[0] == 0:
        raise ShapeError(
            "grad: with is_grads_batched the grad_outputs must have one first dimension, not empty, "
            f"got {[None if s is None else tuple(s.shape) for s in starts]}"
        )
    return sizes[0]  # type: ignore[return-value]
