"""Functions of one value, elementwise: sign, roots, exponentials, logarithms, trigonometry, rounding.

Integers are computed in the default float type where the result is no integer. Gradients conjugate
the slope, as complex values want. Activations of neural networks are in ``activation.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ._declare import Array, op


def _any_sign(rng: Any) -> Any:
    yield (rng.normal(size=(3, 4)),)
    yield (rng.normal(size=()),)
    yield (rng.normal(size=(0, 2)),)
    yield (rng.normal(size=(4, 6))[::2, ::-1],)


def _positive(rng: Any) -> Any:
    for (x,) in _any_sign(rng):
        yield (np.abs(x) + 0.5,)


def _inside_one(rng: Any) -> Any:
    for (x,) in _any_sign(rng):
        yield (np.tanh(x) * 0.9,)


def _each(function: Any) -> Any:
    """A reference that applies a function of Python's math module to every element."""
    return np.vectorize(function, otypes="d")


def conjugate(x: Any) -> Any:
    """The complex conjugate; a real value, array, Tensor or number as it is."""
    if getattr(x, "dtype", None) is None or x.dtype.kind != "c":
        return x
    from .complex import conj

    return conj(x)


# -- sign ----------------------------------------------------------------------------------------
@op(kernel=np.negative, warns=False)
def neg(input: Array) -> Array:
    """-input, elementwise.

    >>> import sensorium as sn
    >>> sn.neg(sn.tensor([1, -2]))
    tensor([-1,  2])
    """


@neg.grad
def _(g):
    return -g


@neg.samples(reference=lambda x: 0.0 - x)
def _(rng):
    yield from _any_sign(rng)


@op(kernel=np.absolute)
def abs(input: Array) -> Array:
    """|input|, elementwise; its slope at 0 is taken as 0.

    >>> import sensorium as sn
    >>> sn.abs(sn.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """


@abs.grad
def _(g, input):
    if input.dtype.kind == "c":
        return g * sgn(input)
    return g * sign(input)


@abs.samples(reference=_each(math.fabs))
def _(rng):
    yield from _any_sign(rng)


@op(warns=False)
def sign(input: Array) -> Array:
    """-1, 0 or 1 by the sign, elementwise.

    >>> import sensorium as sn
    >>> sn.sign(sn.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    return np.sign(input) if input.dtype.kind != "b" else input.copy()


@sign.grad
def _(g):
    return g * 0


@sign.samples(reference=_each(lambda v: (v > 0) - (v < 0)))
def _(rng):
    yield from _any_sign(rng)


@op(kernel=np.sign)
def sgn(input: Array) -> Array:
    """input / |input|, elementwise, and 0 at 0: ``sign`` for complex values too.

    >>> import sensorium as sn
    >>> sn.sgn(sn.tensor([3 + 4j]))
    tensor([0.6000+0.8000j])
    """


@sgn.grad
def _(g, input, y):
    if input.dtype.kind != "c":
        return g * 0
    size = abs(input)
    from .complex import conj, real
    from .select import where

    turned = (g - y * y * conj(g)) / (2 * where(size == 0, 1.0, size))
    return where(real(size) == 0, 0.0, turned)


@sgn.samples(reference=_each(lambda v: (v > 0) - (v < 0)))
def _(rng):
    yield from _any_sign(rng)


# -- powers and roots ----------------------------------------------------------------------------
@op(kernel=np.sqrt, promote="float")
def sqrt(input: Array) -> Array:
    """The square root, elementwise; nan below 0.

    >>> import sensorium as sn
    >>> sn.sqrt(sn.tensor([4, 9]))
    tensor([2., 3.])
    """


@sqrt.grad
def _(g, y):
    return g / conjugate(2 * y)


@sqrt.samples(reference=_each(math.sqrt))
def _(rng):
    yield from _positive(rng)


@op(promote="float")
def rsqrt(input: Array) -> Array:
    """1 / sqrt(input), elementwise.

    >>> import sensorium as sn
    >>> sn.rsqrt(sn.tensor([4.0]))
    tensor([0.5000])
    """
    return np.reciprocal(np.sqrt(input))


@rsqrt.grad
def _(g, y):
    return g * conjugate(-0.5 * y * y * y)


@rsqrt.samples(reference=_each(lambda v: v**-0.5))
def _(rng):
    yield from _positive(rng)


@op
def square(input: Array) -> Array:
    """input * input, elementwise.

    >>> import sensorium as sn
    >>> sn.square(sn.tensor([3, -2]))
    tensor([9, 4])
    """
    return np.multiply(input, input)


@square.grad
def _(g, input):
    return g * conjugate(2 * input)


@square.samples(reference=_each(lambda v: v**2))
def _(rng):
    yield from _any_sign(rng)


@op(kernel=np.reciprocal, promote="float")
def reciprocal(input: Array) -> Array:
    """1 / input, elementwise.

    >>> import sensorium as sn
    >>> sn.reciprocal(sn.tensor([4]))
    tensor([0.2500])
    """


@reciprocal.grad
def _(g, y):
    return -g * conjugate(y * y)


@reciprocal.samples(reference=_each(lambda v: 1 / v))
def _(rng):
    yield from _positive(rng)


# -- exponentials and logarithms -----------------------------------------------------------------
@op(kernel=np.exp, promote="float")
def exp(input: Array) -> Array:
    """e to the power input, elementwise.

    >>> import sensorium as sn
    >>> sn.exp(sn.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """


@exp.grad
def _(g, y):
    return g * conjugate(y)


@exp.samples(reference=_each(math.exp))
def _(rng):
    yield from _any_sign(rng)


@op(kernel=np.exp2, promote="float")
def exp2(input: Array) -> Array:
    """2 to the power input, elementwise.

    >>> import sensorium as sn
    >>> sn.exp2(sn.tensor([3]))
    tensor([8.])
    """


@exp2.grad
def _(g, y):
    return g * conjugate(y * math.log(2))


@exp2.samples(reference=_each(lambda v: 2.0**v))
def _(rng):
    yield from _any_sign(rng)


@op(kernel=np.expm1, promote="float")
def expm1(input: Array) -> Array:
    """exp(input) - 1, elementwise, exact near 0.

    >>> import sensorium as sn
    >>> sn.expm1(sn.tensor([0.0]))
    tensor([0.])
    """


@expm1.grad
def _(g, y):
    return g * conjugate(y + 1)


@expm1.samples(reference=_each(math.expm1))
def _(rng):
    yield from _any_sign(rng)


@op(kernel=np.log, promote="float")
def log(input: Array) -> Array:
    """The natural logarithm, elementwise; -inf at 0, nan below.

    >>> import sensorium as sn
    >>> sn.log(sn.tensor([1.0, 0.0]))
    tensor([0., -inf])
    """


@log.grad
def _(g, input):
    return g / conjugate(input)


@log.samples(reference=_each(math.log))
def _(rng):
    yield from _positive(rng)


@op(kernel=np.log2, promote="float")
def log2(input: Array) -> Array:
    """The logarithm to base 2, elementwise.

    >>> import sensorium as sn
    >>> sn.log2(sn.tensor([8]))
    tensor([3.])
    """


@log2.grad
def _(g, input):
    return g / conjugate(input * math.log(2))


@log2.samples(reference=_each(math.log2))
def _(rng):
    yield from _positive(rng)


@op(kernel=np.log10, promote="float")
def log10(input: Array) -> Array:
    """The logarithm to base 10, elementwise.

    >>> import sensorium as sn
    >>> sn.log10(sn.tensor([1.0, 100.0]))
    tensor([0.0000, 2.0000])
    """


@log10.grad
def _(g, input):
    return g / conjugate(input * math.log(10))


@log10.samples(reference=_each(math.log10))
def _(rng):
    yield from _positive(rng)


@op(kernel=np.log1p, promote="float")
def log1p(input: Array) -> Array:
    """log(1 + input), elementwise, exact near 0.

    >>> import sensorium as sn
    >>> sn.log1p(sn.tensor([0.0]))
    tensor([0.])
    """


@log1p.grad
def _(g, input):
    return g / conjugate(input + 1)


@log1p.samples(reference=_each(math.log1p))
def _(rng):
    yield from _positive(rng)


# -- trigonometry --------------------------------------------------------------------------------
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


@sin.samples(reference=_each(math.sin))
def _(rng):
    yield from _any_sign(rng)


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


@cos.samples(reference=_each(math.cos))
def _(rng):
    yield from _any_sign(rng)


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


@tan.samples(reference=_each(math.tan), tolerance=1e-11)
def _(rng):
    yield from _inside_one(rng)


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


@atan.samples(reference=_each(math.atan))
def _(rng):
    yield from _any_sign(rng)


@op(kernel=np.tanh, promote="float")
def tanh(input: Array) -> Array:
    """The hyperbolic tangent, elementwise: (exp(2x) - 1) / (exp(2x) + 1).

    >>> import sensorium as sn
    >>> sn.tanh(sn.tensor([0.0, 100.0]))
    tensor([0., 1.])
    """


@tanh.grad
def _(g, y):
    return g * conjugate(1 - y * y)


@tanh.fast("onednn", when=onednn.takes_costly_eltwise, least=1024)
def _(input):
    return onednn.eltwise("tanh", input)


@tanh.samples(reference=_each(math.tanh))
def _(rng):
    yield from _any_sign(rng)
    yield (rng.normal(size=(64, 1024)),)


# -- rounding ------------------------------------------------------------------------------------
def _flat(g: Any) -> Any:
    return g * 0


@op(warns=False)
def floor(input: Array) -> Array:
    """The largest integer not above input, elementwise, in input's type.

    >>> import sensorium as sn
    >>> sn.floor(sn.tensor([1.7, -1.2]))
    tensor([ 1., -2.])
    """
    return np.floor(input) if input.dtype.kind == "f" else input.copy()


floor.grad(_flat)


@floor.samples(reference=_each(math.floor), smooth=False)
def _(rng):
    yield from _any_sign(rng)


@op(warns=False)
def ceil(input: Array) -> Array:
    """The smallest integer not below input, elementwise, in input's type.

    >>> import sensorium as sn
    >>> sn.ceil(sn.tensor([1.2, -1.7]))
    tensor([ 2., -1.])
    """
    return np.ceil(input) if input.dtype.kind == "f" else input.copy()


ceil.grad(_flat)


@ceil.samples(reference=_each(math.ceil), smooth=False)
def _(rng):
    yield from _any_sign(rng)


@op(warns=False)
def trunc(input: Array) -> Array:
    """input without its fraction, elementwise, in input's type.

    >>> import sensorium as sn
    >>> sn.trunc(sn.tensor([1.7, -1.7]))
    tensor([ 1., -1.])
    """
    return np.trunc(input) if input.dtype.kind == "f" else input.copy()


trunc.grad(_flat)


@trunc.samples(reference=_each(math.trunc), smooth=False)
def _(rng):
    yield from _any_sign(rng)


@op
def round(input: Array, decimals: int = 0) -> Array:
    """The nearest number of so many decimals, halves to even, elementwise, in input's type.

    >>> import sensorium as sn
    >>> sn.round(sn.tensor([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    """
    return np.round(input, decimals) if input.dtype.kind == "f" else input.copy()


round.grad(_flat)


@round.samples(reference=_each(lambda v: float(int(v + math.copysign(0.5, v)))), smooth=False)
def _(rng):
    yield from _any_sign(rng)
