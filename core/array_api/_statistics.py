"""Sums, means, extremes and their kin along axes: the array API's reductions.

A sum or product of small integers is taken in the default integer (uint64 for unsigned ones), as the
standard asks; ``axis`` may be several dimensions everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import create, ops
from ..dtypes import as_dtype, bool_, int64, uint64
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor
from ._base import dim_of, dims_of, sized, tensor_of, together


def _merged(name: str, x: Tensor, axis: Any) -> tuple[Tensor, tuple[int, ...]]:
    """x with the dimensions of axis moved last and made one, and the shape it leaves with keepdims."""
    dims = dims_of(name, axis, tensor_of(name, x).ndim)
    rest = [d for d in range(x.ndim) if d not in dims]
    shape = [x.shape[d] for d in rest]
    count = int(np.prod([x.shape[d] for d in dims]))
    merged = ops.permute(x, (*rest, *dims)).reshape((*shape, count))
    return merged, tuple(1 if d in dims else n for d, n in enumerate(x.shape))


def _along(
    name: str, x: Tensor, axis: Any, keepdims: bool, compute: Callable[[Tensor], Tensor]
) -> Tensor:
    """compute, a reduction of the last dimension, applied along axis."""
    merged, kept = _merged(name, x, axis)
    out = compute(merged)
    return sized(out, kept) if keepdims else out


def _summed_type(x: Tensor, dtype: Any) -> Any:
    if dtype is not None:
        return as_dtype(dtype)
    return uint64 if x.dtype.kind == "u" else int64 if x.dtype.kind in "ib" else x.dtype


def sum(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum along axis."""
    x = tensor_of("sum", x).to(_summed_type(x, dtype))
    dims = dims_of("sum", axis, x.ndim)
    return ops.sum(x, dims, keepdims, dtype=x.dtype) if dims else x.clone()


def prod(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product along axis."""
    x = tensor_of("prod", x).to(_summed_type(x, dtype))
    return _along("prod", x, axis, keepdims, lambda m: ops.prod(m, -1, dtype=x.dtype))


def mean(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean along axis, of a float or complex tensor."""
    return _along("mean", x, axis, keepdims, lambda m: ops.mean(m, -1))


def var(
    x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """sum((x - mean)^2) / (n - correction) along axis."""
    if tensor_of("var", x).dtype.kind not in "fV":
        raise DTypeError(f"var: want a real float type, got {x.dtype}")
    return _along("var", x, axis, keepdims, lambda m: ops.var(m, -1, correction=correction))


def std(
    x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The square root of ``var``."""
    return ops.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _extreme(name: str, op: Any, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    if tensor_of(name, x).is_complex():
        raise DTypeError(f"{name}: complex numbers have no order, got {x.dtype}")
    if axis is not None and not dims_of(name, axis, x.ndim):
        return x.clone()
    return _along(name, x, axis, keepdims, lambda m: op(m, -1))


def max(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest element along axis; NaN where there is one."""
    return _extreme("max", ops.amax, x, axis, keepdims)


def min(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest element along axis; NaN where there is one."""
    return _extreme("min", ops.amin, x, axis, keepdims)


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest element along axis, or among all in row-major order."""
    return _along("argmax", x, axis, keepdims, lambda m: ops.argmax(m, -1))


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest element along axis, or among all in row-major order."""
    return _along("argmin", x, axis, keepdims, lambda m: ops.argmin(m, -1))


def all(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether every element along axis is true (not zero)."""
    x = tensor_of("all", x).to(bool_)
    return _along("all", x, axis, keepdims, lambda m: ops.all(m, -1))


def any(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether some element along axis is true (not zero)."""
    x = tensor_of("any", x).to(bool_)
    return _along("any", x, axis, keepdims, lambda m: ops.any(m, -1))


def count_nonzero(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many elements along axis are not zero."""
    x = tensor_of("count_nonzero", x).to(bool_)
    return _along("count_nonzero", x, axis, keepdims, lambda m: ops.sum(m, -1, dtype=int64))


def _cumulative(
    name: str, op: Any, start: int, x: Tensor, axis: Any, dtype: Any, include_initial: bool
) -> Tensor:
    x = tensor_of(name, x)
    if axis is None:
        if x.ndim != 1:
            raise ShapeError(f"{name}: a tensor of shape {tuple(x.shape)} wants axis=")
        axis = 0
    axis = dim_of(name, axis, x.ndim)
    x = x.to(_summed_type(x, dtype))
    out = op(x, axis, dtype=x.dtype)
    if not include_initial:
        return out
    edge = [1 if d == axis else n for d, n in enumerate(x.shape)]
    return ops.cat([create.full(edge, start, dtype=x.dtype, device=x.device), out], axis)


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """The sums of the first 1, 2, ... elements along axis; of the first 0 too with include_initial."""
    return _cumulative("cumulative_sum", ops.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """The products of the first 1, 2, ... elements along axis; of the first 0 too with include_initial."""
    return _cumulative("cumulative_prod", ops.cumprod, 1, x, axis, dtype, include_initial)


def diff(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The differences of neighbours along axis, taken n times."""
    axis = dim_of("diff", axis, tensor_of("diff", x).ndim)
    parts = [p for p in (prepend, x, append) if p is not None]
    whole = ops.cat(together("diff", *parts), axis) if len(parts) > 1 else x
    if n < 0:
        raise ShapeError(f"diff: n must not be negative, got {n}")
    return ops.diff(whole, n, axis) if n else whole.clone()
