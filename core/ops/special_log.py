"""Elementary special functions: entr, logit, sinc, xlogy, xlog1py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..tensor import Tensor
from ._declare import Array, op
from ._out import with_out
from ._samples import any_sign, each, positive
from .exponential import conjugate, log, log1p
from .select import clamp, where
from .trigonometry import cos


def raw(x: Any) -> Any:
    """The array of a Tensor; an array as it is."""
    return x.array if isinstance(x, Tensor) else x


# -- sinc ------------------------------------------------------------------------------------------
@with_out
@op(promote="float")
def sinc(input: Array) -> Array:
    """sin(pi input) / (pi input), elementwise, and 1 at 0.

    >>> import sensorium as sn
    >>> sn.special.sinc(sn.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    zero = input == 0
    turn = np.where(zero, input.dtype.type(1), input * input.dtype.type(math.pi))
    return np.where(zero, input.dtype.type(1), np.sin(turn) / turn)


@sinc.grad
def _(g, input, y):
    zero = input == 0
    apart = where(zero, 1.0, input)
    slope = (cos(input * math.pi) - y) / apart
    near = input * (-math.pi * math.pi / 3)  # keeps the second slope at 0
    return g * conjugate(where(zero, near, slope))


@sinc.samples(reference=each(lambda v: math.sin(math.pi * v) / (math.pi * v)), tolerance=1e-12)
def _(rng):
    yield from any_sign(rng)


# -- entr ------------------------------------------------------------------------------------------
@with_out
@op(promote="float")
def entr(input: Array) -> Array:
    """-input log(input), elementwise: 0 at 0, -inf below.

    >>> import sensorium as sn
    >>> sn.special.entr(sn.tensor([0.0, 0.5]))
    tensor([0.0000, 0.3466])
    """
    kind = input.dtype.type
    value = -input * np.log(np.where(input > 0, input, kind(1)))
    value = np.where(input == 0, kind(0), value)
    below = np.where(input < 0, kind(-np.inf), value)
    return np.where(np.isnan(input), input, below)


@entr.grad
def _(g, input):
    return g * (-log(input) - 1)


@entr.samples(reference=each(lambda v: -v * math.log(v)))
def _(rng):
    yield from positive(rng)


# -- logit -----------------------------------------------------------------------------------------
@op(promote="float")
def _logit(input: Array) -> Array:
    """log(input / (1 - input))."""
    return np.log(input / (1 - input))


@_logit.grad
def _(g, input):
    return g / (input * (1 - input))


@_logit.samples(reference=each(lambda v: math.log(v) - math.log1p(-v)))
def _(rng):
    for (x,) in any_sign(rng):
        yield (0.5 + 0.4 * np.tanh(x),)


@with_out
def logit(input: Any, eps: float | None = None) -> Any:
    """log(input / (1 - input)), elementwise, of input limited to [eps, 1 - eps] if eps is given.

    >>> import sensorium as sn
    >>> sn.special.logit(sn.tensor([0.5, 0.75]))
    tensor([0.0000, 1.0986])
    """
    if input.dtype.kind == "c":
        raise DTypeError(f"logit: not defined for complex values, got {input.dtype}")
    return _logit(input if eps is None else clamp(input, eps, 1 - eps))


# -- xlogy -----------------------------------------------------------------------------------------
def _times(x: Any, value: Any, y: Any) -> Any:
    """x * value, 0 where x is 0, nan where y is nan."""
    kind = value.dtype.type
    zero = x == 0 if hasattr(x, "dtype") else np.asarray(x == 0, like=y)
    return np.where(np.isnan(y), kind(np.nan), np.where(zero, kind(0), x * value))


def _as_array(y: Any, like: Any) -> Any:
    return y if hasattr(y, "dtype") else np.asarray(y, like.dtype, like=like)


@with_out
@op(promote="float")
def xlogy(input: Array, other: Array) -> Array:
    """input log(other), elementwise, and 0 where input is 0 (nan where other is).

    >>> import sensorium as sn
    >>> sn.special.xlogy(sn.tensor([0.0, 2.0]), sn.tensor([0.0, 3.0]))
    tensor([0.0000, 2.1972])
    """
    y = _as_array(other, input)
    return _times(input, np.log(y), y)


@xlogy.grad("input")
def _(g, input, other):
    return where((input == 0) & (other <= 0), 0.0, g * log(_as_array(other, raw(g))))


@xlogy.grad("other")
def _(g, input, other):
    return g * input / other


def _pairs(rng: Any) -> Any:
    yield rng.normal(size=(3, 4)), np.abs(rng.normal(size=(4,))) + 0.5


@xlogy.samples(reference=np.vectorize(lambda a, b: a * math.log(b), otypes="d"))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(promote="float")
def xlog1py(input: Array, other: Array) -> Array:
    """input log(1 + other), elementwise, and 0 where input is 0 (nan where other is).

    >>> import sensorium as sn
    >>> sn.special.xlog1py(sn.tensor([0.0, 2.0]), sn.tensor([-1.0, 2.0]))
    tensor([0.0000, 2.1972])
    """
    y = _as_array(other, input)
    return _times(input, np.log1p(y), y)


@xlog1py.grad("input")
def _(g, input, other):
    return where((input == 0) & (other <= -1), 0.0, g * log1p(_as_array(other, raw(g))))


@xlog1py.grad("other")
def _(g, input, other):
    return g * input / (other + 1)


@xlog1py.samples(reference=np.vectorize(lambda a, b: a * math.log1p(b), otypes="d"))
def _(rng):
    yield from _pairs(rng)
