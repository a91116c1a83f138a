"""Products of matrices and vectors: the four that the array API's main namespace has."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import ShapeError
from ..tensor import Tensor
from ._base import dim_of, tensor_of, together


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The matrix product over the last two dimensions."""
    x1, x2 = together("matmul", x1, x2)
    return ops.matmul(x1, x2)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two dimensions exchanged; a view."""
    if tensor_of("matrix_transpose", x).ndim < 2:
        raise ShapeError(f"matrix_transpose: want 2 dimensions or more, got {tuple(x.shape)}")
    return ops.transpose(x, -2, -1)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Tensor:
    """The sum of products over the last axes of x1 and the first of x2, or over two lists of axes."""
    x1, x2 = together("tensordot", x1, x2)
    if isinstance(axes, int):
        first, second = range(x1.ndim - axes, x1.ndim), range(axes)
    else:
        first, second = axes
    one = [dim_of("tensordot", d, x1.ndim) for d in first]
    two = [dim_of("tensordot", d, x2.ndim) for d in second]
    sizes, others = [x1.shape[d] for d in one], [x2.shape[d] for d in two]
    if sizes != others:
        raise ShapeError(f"tensordot: summed sizes {sizes} of x1 are not {others} of x2")
    rows = [d for d in range(x1.ndim) if d not in one]
    columns = [d for d in range(x2.ndim) if d not in two]
    shape = [x1.shape[d] for d in rows] + [x2.shape[d] for d in columns]
    count = 1
    for n in sizes:
        count *= n
    left = ops.permute(x1, (*rows, *one)).reshape((_count(x1, rows), count))
    right = ops.permute(x2, (*two, *columns)).reshape((count, _count(x2, columns)))
    return ops.matmul(left, right).reshape(shape)


def _count(x: Tensor, dims: list[int]) -> int:
    count = 1
    for d in dims:
        count *= x.shape[d]
    return count


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """sum(conj(x1) x2) along axis, counted from the end, after broadcasting."""
    x1, x2 = together("vecdot", x1, x2)
    if not -min(x1.ndim, x2.ndim) <= axis < 0:
        raise ShapeError(f"vecdot: axis {axis} must be -1 to {-min(x1.ndim, x2.ndim)}")
    if x1.shape[axis] != x2.shape[axis]:
        raise ShapeError(
            f"vecdot: sizes {x1.shape[axis]} and {x2.shape[axis]} along axis {axis} differ"
        )
    x1 = ops.conj(x1) if x1.is_complex() else x1
    a, b = (ops.movedim(x, axis, -1).unsqueeze(-2) for x in (x1, x2))
    return ops.matmul(a, ops.transpose(b, -2, -1)).squeeze(-1).squeeze(-1)
