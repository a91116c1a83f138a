"""The rest of trigonometry: inverse functions, hyperbolic functions, the angle of a pair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from ._out import with_out
from ._samples import any_sign, each, inside_one
from .exponential import conjugate, rsqrt
from .trigonometry import atan


# -- inverse functions -----------------------------------------------------------------------------
@with_out
@op(kernel=np.arcsin, promote="float")
def asin(input: Array) -> Array:
    """The angle whose sine is input, in radians, elementwise; nan outside [-1, 1].

    >>> import sensorium as sn
    >>> sn.asin(sn.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """


@asin.grad
def _(g, input):
    return g * conjugate(rsqrt(1 - input * input))


@asin.samples(reference=each(math.asin))
def _(rng):
    yield from inside_one(rng)


@with_out
@op(kernel=np.arccos, promote="float")
def acos(input: Array) -> Array:
    """The angle whose cosine is input, in radians, elementwise; nan outside [-1, 1].

    >>> import sensorium as sn
    >>> sn.acos(sn.tensor([1.0]))
    tensor([0.])
    """


@acos.grad
def _(g, input):
    return -(g * conjugate(rsqrt(1 - input * input)))


@acos.samples(reference=each(math.acos))
def _(rng):
    yield from inside_one(rng)


@op(promote="common")
def _atan2(input: Array, other: Array) -> Array:
    """The angle of the point (other, input), from -pi to pi."""
    return np.arctan2(input, other)


@_atan2.grad("input")
def _(g, input, other):
    return g * (other / (input * input + other * other))


@_atan2.grad("other")
def _(g, input, other):
    return g * (-input / (input * input + other * other))


@_atan2.samples(reference=np.vectorize(math.atan2, otypes="d"))
def _(rng):
    yield rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    yield rng.normal(size=(3, 1)), rng.normal(size=(4,))


# -- hyperbolic functions --------------------------------------------------------------------------
@with_out
@op(kernel=np.sinh, promote="float")
def sinh(input: Array) -> Array:
    """The hyperbolic sine, elementwise: (exp(x) - exp(-x)) / 2.

    >>> import sensorium as sn
    >>> sn.sinh(sn.tensor([0.0]))
    tensor([0.])
    """


@sinh.grad
def _(g, input):
    return g * conjugate(cosh(input))


@sinh.samples(reference=each(math.sinh))
def _(rng):
    yield from any_sign(rng)


@with_out
@op(kernel=np.cosh, promote="float")
def cosh(input: Array) -> Array:
    """The hyperbolic cosine, elementwise: (exp(x) + exp(-x)) / 2.

    >>> import sensorium as sn
    >>> sn.cosh(sn.tensor([0.0]))
    tensor([1.])
    """


@cosh.grad
def _(g, input):
    return g * conjugate(sinh(input))


@cosh.samples(reference=each(math.cosh))
def _(rng):
    yield from any_sign(rng)


@with_out
@op(kernel=np.arcsinh, promote="float")
def asinh(input: Array) -> Array:
    """The inverse of sinh, elementwise.

    >>> import sensorium as sn
    >>> sn.asinh(sn.tensor([0.0]))
    tensor([0.])
    """


@asinh.grad
def _(g, input):
    return g * conjugate(rsqrt(input * input + 1))


@asinh.samples(reference=each(math.asinh))
def _(rng):
    yield from any_sign(rng)


def _above_one(rng: Any) -> Any:
    for (x,) in any_sign(rng):
        yield (1.5 + np.abs(x),)


@with_out
@op(kernel=np.arccosh, promote="float")
def acosh(input: Array) -> Array:
    """The inverse of cosh for values of at least 1, elementwise; nan below.

    >>> import sensorium as sn
    >>> sn.acosh(sn.tensor([1.0]))
    tensor([0.])
    """


@acosh.grad
def _(g, input):
    return g * conjugate(rsqrt(input - 1) * rsqrt(input + 1))


@acosh.samples(reference=each(math.acosh))
def _(rng):
    yield from _above_one(rng)


@with_out
@op(kernel=np.arctanh, promote="float")
def atanh(input: Array) -> Array:
    """The inverse of tanh for values in (-1, 1), elementwise; nan outside.

    >>> import sensorium as sn
    >>> sn.atanh(sn.tensor([0.0]))
    tensor([0.])
    """


@atanh.grad
def _(g, input):
    return g / conjugate(1 - input * input)


@atanh.samples(reference=each(math.atanh))
def _(rng):
    yield from inside_one(rng)


# -- what users call -------------------------------------------------------------------------------
@with_out
def atan2(input: Any, other: Any) -> Any:
    """The angle of the point (other, input) in radians, from -pi to pi, elementwise.

    >>> import sensorium as sn
    >>> sn.atan2(sn.tensor([1.0, -1.0]), sn.tensor([0.0, 0.0]))
    tensor([ 1.5708, -1.5708])
    """
    return _atan2(_as_float(input), _as_float(other))


def _as_float(x: Any) -> Any:
    from ..dtypes import default_of
    from .cast import to_dtype

    return to_dtype(x, default_of(2)) if x.dtype.kind in "biu" else x


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
