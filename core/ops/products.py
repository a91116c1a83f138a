"""Products over dimensions, and running sums and products: prod, cumsum, cumprod."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import FLOATING, as_dtype, int64
from ._declare import Array, op
from ._dims import many_dims, one_dim
from ._out import with_out
from .cast import to_dtype
from .reduce import _dims, _loop, _sum, _wide, spread
from .select import where


# -- prod ------------------------------------------------------------------------------------------
@op
def _prod(input: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """The product over axes."""
    multiply: Any = np.multiply  # NumPy's stubs know keepdims only as a literal
    y = multiply.reduce(input, axis=axes, dtype=_wide(input.dtype), keepdims=keepdim)
    return y.astype(input.dtype, copy=False)


@_prod.grad
def _(g, input, axes, keepdim):
    shape = tuple(input.shape)
    return spread(g, shape, axes, keepdim) * _others_product(input, axes)


def _others_product(x: Any, axes: tuple[int, ...]) -> Any:
    """For every element the product of the others in its cell; right also where some are 0."""
    from .join import cat
    from .shape import _permute, _reshape

    kept = tuple(i for i in range(x.ndim) if i not in axes)
    order = kept + axes
    rows = _reshape(_permute(x, order), (math.prod(x.shape[i] for i in kept), -1))
    ones = rows[:, :1] * 0 + 1
    before = cumprod(cat([ones, rows[:, :-1]], 1), 1)
    after = _flip_rows(cumprod(cat([ones, _flip_rows(rows)[:, :-1]], 1), 1))
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    return _permute(_reshape(before * after, tuple(x.shape[i] for i in order)), back)


def _flip_rows(x: Any) -> Any:
    from .join import _flip

    return _flip(x, (1,))


@_prod.samples(reference=_loop(math.prod), tolerance=1e-11)
def _(rng):
    yield from _dims(rng)
    yield np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]]), (1,), False


def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product over dim (all dimensions if None); integers and booleans as int64.

    >>> import sensorium as sn
    >>> sn.prod(sn.tensor([2, 3, 4]))
    tensor(24)
    """
    if dtype is not None or input.dtype not in FLOATING:
        input = to_dtype(input, as_dtype(dtype) if dtype is not None else int64)
    return _prod(input, many_dims("prod", dim, input.ndim), keepdim)


# -- cumulative ------------------------------------------------------------------------------------
@op
def _cumsum(input: Array, dim: int) -> Array:
    """The running sum along dim."""
    if not input.ndim:
        return input.copy()
    return np.cumsum(input, axis=dim, dtype=_wide(input.dtype)).astype(input.dtype, copy=False)


@_cumsum.grad
def _(g, dim):
    from .join import _flip

    return _flip(_cumsum(_flip(g, (dim,)), dim), (dim,)) if g.ndim else g


@_cumsum.samples(
    reference=lambda x, dim: (
        np.tensordot(np.tril(np.ones((x.shape[dim],) * 2)), x, (1, dim)).swapaxes(0, dim)
        if dim == 0
        else np.stack([x[:, : i + 1].sum(1) for i in range(x.shape[1])], 1)
    ),
    tolerance=1e-11,
)
def _(rng):
    yield rng.normal(size=(3, 4)), 0
    yield rng.normal(size=(3, 4)), 1


@with_out
def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """The running sum along dim.

    >>> import sensorium as sn
    >>> sn.cumsum(sn.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    if dtype is not None or input.dtype not in FLOATING:
        input = to_dtype(input, as_dtype(dtype) if dtype is not None else int64)
    return _cumsum(input, one_dim("cumsum", dim, input.ndim))


@op
def _cumprod(input: Array, dim: int) -> Array:
    """The running product along dim."""
    if not input.ndim:
        return input.copy()
    return np.cumprod(input, axis=dim, dtype=_wide(input.dtype)).astype(input.dtype, copy=False)


@_cumprod.grad
def _(g, input, dim):
    # d y_j / d x_i = (prod of x_k, k <= j, k != i) for j >= i: exact also where some x are 0
    from .join import stack

    if not input.ndim or not input.shape[dim]:
        return g
    parts = []
    for i in range(input.shape[dim]):
        before = input * 0 + 1
        index = np.arange(input.shape[dim]).reshape([-1] + [1] * (input.ndim - 1 - dim))
        others = where(_like(index == i, input), before, input)
        later = where(_like(index >= i, input), _cumprod(others, dim), 0.0)
        parts.append(_sum(g * later, (dim,), False))
    return stack(parts, dim)


def _like(mask: Any, x: Any) -> Any:
    array = getattr(x, "array", x)
    return np.asarray(np.broadcast_to(mask, array.shape), like=array)


@_cumprod.samples(
    reference=lambda x, dim: np.stack(
        [np.moveaxis(x, dim, 0)[: i + 1].prod(0) for i in range(x.shape[dim])], dim
    ),
    tolerance=1e-11,
)
def _(rng):
    yield rng.normal(size=(3, 4)), 1
    yield np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]]), 1


@with_out
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """The running product along dim.

    >>> import sensorium as sn
    >>> sn.cumprod(sn.tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    if dtype is not None or input.dtype not in FLOATING:
        input = to_dtype(input, as_dtype(dtype) if dtype is not None else int64)
    return _cumprod(input, one_dim("cumprod", dim, input.ndim))
