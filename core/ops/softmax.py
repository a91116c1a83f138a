"""Softmax, softmin and log_softmax along a dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..dtypes import as_dtype
from ..errors import DTypeError
from . import _small
from ._declare import Array, op
from ._dims import one_dim
from ._out import with_out
from .cast import to_dtype
from .exponential import exp, neg
from .reduce import _sum


# -- softmax ---------------------------------------------------------------------------------------
@op(promote="float")
def _softmax(input: Array, dim: int) -> Array:
    """exp(input) / sum(exp(input)) along dim."""
    if _small.takes(input, dim) and (shift := _small.common_shift(input)) is not None:
        e = np.exp(input - shift)
        return np.divide(e, _small.row_sums(e), e)
    if input.size == 0:
        return input.copy()
    e = np.exp(input - input.max(axis=dim, keepdims=True))
    return np.divide(e, np.add.reduce(e, axis=dim, keepdims=True), out=e)


@_softmax.grad
def _(g, y, dim):
    return _softmax_backward(g, y, dim)


@_softmax.fast("onednn", when=onednn.takes_softmax, least=1024)
def _(input, dim):
    return onednn.softmax(input, dim)


def _by_row(function: Any) -> Any:
    return lambda x, dim: np.apply_along_axis(
        lambda row: np.array([function(v, row) for v in row]), dim, x
    )


def _rows(rng: Any) -> Any:
    yield rng.normal(size=(3, 4)), 1
    yield rng.normal(size=(3, 4, 2)), 0
    yield rng.normal(size=(64, 256)), 1


@_softmax.samples(reference=_by_row(lambda v, row: math.exp(v) / math.fsum(map(math.exp, row))))
def _(rng):
    yield from _rows(rng)


@op
def _softmax_backward(g: Array, y: Array, dim: int) -> Array:
    """y * (g - sum(g * y) along dim)."""
    gy = np.multiply(g, y)
    if _small.takes(gy, dim):
        return np.subtract(gy, y * _small.row_sums(gy), gy)
    return np.subtract(gy, y * np.add.reduce(gy, axis=dim, keepdims=True), out=gy)


@_softmax_backward.grad
def _(h, g, y, dim):
    hy = _sum(h * y, (dim,), True)
    gy = _sum(g * y, (dim,), True)
    return y * (h - hy), h * (g - gy) - g * hy


@_softmax_backward.fast("onednn", when=onednn.takes_softmax_backward, least=1024)
def _(g, y, dim):
    return onednn.softmax_backward(g, y, dim)


@_softmax_backward.samples(reference=lambda g, y, dim: y * g - y * (g * y).sum(dim, keepdims=True))
def _(rng):
    for x, dim in _rows(rng):
        yield rng.normal(size=x.shape), x, dim


@op(promote="float")
def _log_softmax(input: Array, dim: int) -> Array:
    """input - log(sum(exp(input))) along dim."""
    if _small.takes(input, dim) and (shift := _small.common_shift(input)) is not None:
        off = input - shift
        return np.subtract(off, np.log(_small.row_sums(np.exp(off))), off)
    if input.size == 0:
        return input.copy()
    off = input - input.max(axis=dim, keepdims=True)
    return off - np.log(np.add.reduce(np.exp(off), axis=dim, keepdims=True))


@_log_softmax.grad
def _(g, y, dim):
    return g - exp(y) * _sum(g, (dim,), True)


@_log_softmax.fast("onednn", when=onednn.takes_softmax, least=1024)
def _(input, dim):
    return onednn.softmax(input, dim, log=True)


@_log_softmax.samples(reference=_by_row(lambda v, row: v - math.log(math.fsum(map(math.exp, row)))))
def _(rng):
    yield from _rows(rng)


def _with_dim(name: str, function: Any, input: Any, dim: int | None, dtype: Any) -> Any:
    if dtype is not None:
        input = to_dtype(input, as_dtype(dtype))
    if dim is None:
        raise DTypeError(f"{name}: say along which dim (input has shape {tuple(input.shape)})")
    if input.array.ndim == 0:
        return function(input.reshape(1), 0).reshape(())
    return function(input, one_dim(name, dim, input.array.ndim))


@with_out
def softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """exp(input) / sum(exp(input)) along dim, without overflow.

    >>> import sensorium as sn
    >>> sn.softmax(sn.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    return _with_dim("softmax", _softmax, input, dim, dtype)


def softmin(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """exp(-input) / sum(exp(-input)) along dim, without overflow.

    >>> import sensorium as sn
    >>> sn.nn.functional.softmin(sn.tensor([0.0, 1000.0]), 0)
    tensor([1., 0.])
    """
    return _with_dim("softmin", _softmax, neg(input), dim, dtype)


@with_out
def log_softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """log(softmax(input)) along dim, exact also for very small probabilities.

    >>> import sensorium as sn
    >>> sn.log_softmax(sn.tensor([0.0, -1000.0]), 0)
    tensor([    0., -1000.])
    """
    return _with_dim("log_softmax", _log_softmax, input, dim, dtype)
