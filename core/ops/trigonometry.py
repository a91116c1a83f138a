"""Angles and hyperbolic functions, elementwise; angles are in radians."""

from __future__ import annotations

import math

import numpy as np

from ..backends.cpu import onednn
from ._declare import Array, op
from ._out import with_out
from ._samples import any_sign, each, inside_one
from .exponential import conjugate


# -- trigonometry ----------------------------------------------------------------------------------
@with_out
@op(kernel=np.sin, promote="float")
def sin(input: Array) -> Array:
    """The sine of an angle in radians, elementwise.

    >>> import sensorium as sn
    >>> sn.sin(sn.tensor([0.0]))
    tensor([0.])
    """


@sin.grad
def _(g, input):
    return g * conjugate(cos(input))


@sin.samples(reference=each(math.sin))
def _(rng):
    yield from any_sign(rng)


@with_out
@op(kernel=np.cos, promote="float")
def cos(input: Array) -> Array:
    """The cosine of an angle in radians, elementwise.

    >>> import sensorium as sn
    >>> sn.cos(sn.tensor([0.0]))
    tensor([1.])
    """


@cos.grad
def _(g, input):
    return -g * conjugate(sin(input))


@cos.samples(reference=each(math.cos))
def _(rng):
    yield from any_sign(rng)


@with_out
@op(kernel=np.tan, promote="float")
def tan(input: Array) -> Array:
    """The tangent of an angle in radians, elementwise.

    >>> import sensorium as sn
    >>> sn.tan(sn.tensor([0.0]))
    tensor([0.])
    """


@tan.grad
def _(g, y):
    return g * conjugate(y * y + 1)


@tan.samples(reference=each(math.tan), tolerance=1e-11)
def _(rng):
    yield from inside_one(rng)


@with_out
@op(kernel=np.arctan, promote="float")
def atan(input: Array) -> Array:
    """The angle whose tangent is input, in radians, elementwise.

    >>> import sensorium as sn
    >>> sn.atan(sn.tensor([0.0]))
    tensor([0.])
    """


@atan.grad
def _(g, input):
    return g / conjugate(input * input + 1)


@atan.samples(reference=each(math.atan))
def _(rng):
    yield from any_sign(rng)


@with_out
@op(kernel=np.tanh, promote="float")
def tanh(input: Array) -> Array:
    """The hyperbolic tangent, elementwise: (exp(2x) - 1) / (exp(2x) + 1).

    >>> import sensorium as sn
    >>> sn.tanh(sn.tensor([0.0, 100.0]))
    tensor([0., 1.])
    """


@tanh.grad
def _(g, y):
    y = conjugate(y)
    return g - g * y * y


@tanh.fast("onednn", when=onednn.takes_costly_eltwise, least=1024)
def _(input):
    return onednn.eltwise("tanh", input)


@tanh.samples(reference=each(math.tanh))
def _(rng):
    yield from any_sign(rng)
    yield (rng.normal(size=(64, 1024)),)
