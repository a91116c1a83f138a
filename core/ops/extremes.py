"""Extremes and tests over dimensions: amax, amin, any, all.

Ties of ``amax`` and ``amin`` share the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ._declare import Array, op
from ._dims import many_dims
from ._out import with_out
from .cast import to_dtype
from .reduce import _dims, _loop, _sum, spread

builtin_any = any  # this module defines an any of its own


# -- extremes --------------------------------------------------------------------------------------
def _ties_share(g: Any, input: Any, y: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    shape = tuple(input.shape)
    ties = input == spread(y, shape, axes, keepdim)
    ones = to_dtype(ties, input.dtype) if hasattr(ties, "array") else ties.astype(input.dtype)
    count = _sum(ones, axes, True)
    return ones * (spread(g, shape, axes, keepdim) / count)


def _refuse_empty(name: str, input: Any, axes: tuple[int, ...]) -> None:
    if 0 in [input.shape[a] for a in axes]:
        raise ShapeError(f"{name}: no extreme of an empty dimension (shape {tuple(input.shape)})")


@op
def _amax(input: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """The largest value over axes."""
    _refuse_empty("amax", input, axes)
    return input.max(axis=axes, keepdims=keepdim)


@_amax.grad
def _(g, input, y, axes, keepdim):
    return _ties_share(g, input, y, axes, keepdim)


@_amax.samples(reference=_loop(max))
def _(rng):
    yield from _dims(rng)


@op
def _amin(input: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """The smallest value over axes."""
    _refuse_empty("amin", input, axes)
    return input.min(axis=axes, keepdims=keepdim)


@_amin.grad
def _(g, input, y, axes, keepdim):
    return _ties_share(g, input, y, axes, keepdim)


@_amin.samples(reference=_loop(min))
def _(rng):
    yield from _dims(rng)


@with_out
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The largest value over dim (all dimensions if empty); nan if any is.

    >>> import sensorium as sn
    >>> sn.amax(sn.tensor([[1, 5], [7, 2]]), dim=1)
    tensor([5, 7])
    """
    return _amax(input, many_dims("amax", dim, input.ndim), keepdim)


@with_out
def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The smallest value over dim (all dimensions if empty); nan if any is.

    >>> import sensorium as sn
    >>> sn.amin(sn.tensor([[1, 5], [7, 2]]), dim=1)
    tensor([1, 2])
    """
    return _amin(input, many_dims("amin", dim, input.ndim), keepdim)


# -- any and all -----------------------------------------------------------------------------------
@op(differentiable=0)
def _any(input: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """Whether some element over axes is nonzero."""
    return input.any(axis=axes, keepdims=keepdim)


@_any.samples(reference=_loop(lambda v: builtin_any(e != 0 for e in v)))
def _(rng):
    yield from ((np.round(x), a, k) for x, a, k in _dims(rng))


@op(differentiable=0)
def _all(input: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """Whether every element over axes is nonzero."""
    return input.all(axis=axes, keepdims=keepdim)


@_all.samples(reference=_loop(lambda v: not builtin_any(e == 0 for e in v)))
def _(rng):
    yield from ((np.round(x), a, k) for x, a, k in _dims(rng))


@with_out
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether some element over dim (all dimensions if None) is nonzero; bool, also for uint8.

    >>> import sensorium as sn
    >>> sn.any(sn.tensor([False, True]))
    tensor(True)
    """
    return _any(input, many_dims("any", dim, input.ndim), keepdim)


@with_out
def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether every element over dim (all dimensions if None) is nonzero; bool, also for uint8.

    >>> import sensorium as sn
    >>> sn.all(sn.tensor([False, True]))
    tensor(False)
    """
    return _all(input, many_dims("all", dim, input.ndim), keepdim)
