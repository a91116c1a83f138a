"""Running extremes and running log-sums along a dimension: cummax, cummin, logcumsumexp.

The scans take log2(n) whole-array steps, each element meeting the one 1, 2, 4, ... places before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import FLOATING
from ..errors import DTypeError
from ._declare import Array, op
from ._dims import one_dim
from ._out import with_out
from .complex import conj
from .exponential import exp, log
from .gather import gather
from .join import _flip
from .order import ValuesIndices
from .select import where
from .shape import reshape


def _scan(x: Any, dim: int, combine: Callable[[Any, Any], Any]) -> Any:
    """y[i] = combine(x[0], ..., x[i]) along dim, for a combine that may be nested in any way."""
    y = np.moveaxis(x.copy(), dim, 0)
    step = 1
    while step < len(y):
        y[step:] = combine(y[step:], y[:-step])
        step *= 2
    return np.moveaxis(y, 0, dim)


# -- cummax and cummin -----------------------------------------------------------------------------
@op(differentiable=0)
def _running_extreme(input: Array, dim: int, largest: bool) -> Array:
    """Where along dim the largest (or smallest) value so far stands: the last of equals, or nan."""
    best = _scan(input, dim, np.maximum if largest else np.minimum)
    here = (input == best) | np.isnan(input)
    shape = [-1 if i == dim else 1 for i in range(input.ndim)]
    places = np.asarray(np.arange(input.shape[dim]).reshape(shape), like=input)
    return _scan(np.where(here, places, 0), dim, np.maximum)


def _slow_extreme(x: Any, dim: int, largest: bool) -> Any:
    def places(row: Any) -> Any:
        best, found = 0, []
        for i, v in enumerate(row):
            best = i if (v >= row[best] if largest else v <= row[best]) else best
            found.append(best)
        return found

    return np.apply_along_axis(places, dim, x)


@_running_extreme.samples(reference=_slow_extreme)
def _(rng):
    yield rng.integers(0, 4, size=(3, 9)).astype(float), 1, True
    yield rng.integers(0, 4, size=(5, 2)).astype(float), 0, False


def _running(name: str, input: Any, dim: int, largest: bool) -> ValuesIndices:
    d = one_dim(name, dim, input.ndim)
    if input.dtype.kind == "c":
        raise DTypeError(f"{name}: complex values have no order, got {input.dtype}")
    x = input if input.ndim else reshape(input, (1,))
    indices = _running_extreme(x.detach(), d, largest)
    values = gather(x, d, indices) if x.numel() else x.clone()
    shape = tuple(input.shape)
    return ValuesIndices(reshape(values, shape), reshape(indices, shape))


@with_out
def cummax(input: Any, dim: int) -> ValuesIndices:
    """The largest value so far along dim, and where it stood; of equals the last. nan stays.

    >>> import sensorium as sn
    >>> sn.cummax(sn.tensor([1, 3, 2, 3]), 0)
    ValuesIndices(values=tensor([1, 3, 3, 3]), indices=tensor([0, 1, 1, 3]))
    """
    return _running("cummax", input, dim, True)


@with_out
def cummin(input: Any, dim: int) -> ValuesIndices:
    """The smallest value so far along dim, and where it stood; of equals the last. nan stays.

    >>> import sensorium as sn
    >>> sn.cummin(sn.tensor([3, 1, 2]), 0).values
    tensor([3, 1, 1])
    """
    return _running("cummin", input, dim, False)


# -- logcumsumexp ----------------------------------------------------------------------------------
def _complex_logaddexp(later: Any, before: Any) -> Any:
    """log(exp(later) + exp(before)); a nan in one is a nan in both parts, inf meets inf as numbers."""
    swap = later.real < before.real
    low, high = np.where(swap, later, before), np.where(swap, before, later)
    y = np.log1p(np.exp(low - high)) + high
    tied = (low.real == high.real) & ~np.isfinite(high.real)
    y = np.where(tied & (high.real < 0), low, y)
    y = np.where(tied & (high.real > 0), np.log(np.exp(low) + np.exp(high)), y)
    return np.where(np.isnan(later) | np.isnan(before), complex(np.nan, np.nan), y)


@op
def _logcumsumexp(input: Array, dim: int) -> Array:
    """log of the running sum of exp(input) along dim."""
    if input.dtype.kind != "c":
        return _scan(input, dim, np.logaddexp)
    y = np.moveaxis(input.copy(), dim, 0)  # the phase depends on the order: one after another
    for i in range(1, len(y)):
        y[i] = _complex_logaddexp(y[i], y[i - 1])
    return np.moveaxis(y, 0, dim)


@_logcumsumexp.grad
def _(g, input, y, dim):
    # sum over j >= i of g_j exp(x_i - y_j), the sum as a running log-sum from the end
    if input.dtype.kind == "c":
        weight = conj(g)
        sums = _from_end(log(where(weight == 0, 1e-300, weight)) - y, dim)
        return conj(exp(sums + input))
    return exp(_from_end(_log(g, g > 0) - y, dim) + input) - exp(
        _from_end(_log(-g, g < 0) - y, dim) + input
    )


def _log(g: Any, positive: Any) -> Any:
    """log(g) where it is positive, elsewhere the lowest number: -inf would leave nan behind."""
    import ml_dtypes

    return where(positive, log(where(positive, g, 1.0)), float(ml_dtypes.finfo(g.dtype).min))


def _from_end(x: Any, dim: int) -> Any:
    return _flip(_logcumsumexp(_flip(x, (dim,)), dim), (dim,))


@_logcumsumexp.samples(
    reference=lambda x, dim: np.log(np.cumsum(np.exp(x), axis=dim)), tolerance=1e-11
)
def _(rng):
    yield rng.normal(size=(3, 5)), 1
    yield rng.normal(size=(4, 2)), 0


@with_out
def logcumsumexp(input: Any, dim: int) -> Any:
    """log of the running sum of exp(input) along dim, without overflow.

    >>> import sensorium as sn
    >>> sn.logcumsumexp(sn.tensor([1000.0, 1000.0]), 0)
    tensor([1000.0000, 1000.6932])
    """
    d = one_dim("logcumsumexp", dim, input.ndim)
    if input.dtype not in FLOATING:
        raise DTypeError(f"logcumsumexp: want floating-point values, got {input.dtype}")
    x = input if input.ndim else reshape(input, (1,))
    return reshape(_logcumsumexp(x, d), tuple(input.shape)) if x.numel() else input.clone()
