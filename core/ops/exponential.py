"""Functions of one value, elementwise: sign, powers and roots, exponentials and logarithms.

Integers are computed in the default float type where the result is no integer. Gradients conjugate
the slope, as complex values want. See also ``trigonometry.py``, ``rounding.py``, ``activation.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from ._out import with_out
from ._samples import any_sign, each, positive


def conjugate(x: Any) -> Any:
    """The complex conjugate; a real value, array, Tensor or number as it is."""
    if x.__class__ is np.ndarray:
        return x if x.dtype.kind != "c" else np.conjugate(x)
    if getattr(x, "dtype", None) is None or x.dtype.kind != "c":
        return x
    from .complex import conj

    return conj(x)


# -- sign ------------------------------------------------------------------------------------------
@with_out
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
    yield from any_sign(rng)


@with_out
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


@abs.samples(reference=each(math.fabs))
def _(rng):
    yield from any_sign(rng)


def _signs(x: Any) -> Any:
    if x.dtype.kind not in "fV":
        return np.sign(x) if x.dtype.kind != "b" else x.copy()
    y = np.sign(x)
    return np.where(np.isnan(y), x.dtype.type(0), y)


@with_out
@op
def sign(input: Array) -> Array:
    """-1, 0 or 1 by the sign, elementwise; 0 for nan.

    >>> import sensorium as sn
    >>> sn.sign(sn.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    return _signs(input)


@sign.grad
def _(g):
    return g * 0


@sign.samples(reference=each(lambda v: (v > 0) - (v < 0)))
def _(rng):
    yield from any_sign(rng)


@with_out
@op
def sgn(input: Array) -> Array:
    """input / |input|, elementwise, and 0 at 0: ``sign`` for complex values too.

    >>> import sensorium as sn
    >>> sn.sgn(sn.tensor([3 + 4j]))
    tensor([0.6000+0.8000j])
    """
    return _signs(input)


@sgn.grad
def _(g, input, y):
    if input.dtype.kind != "c":
        return g * 0
    size = abs(input)
    from .complex import conj, real
    from .select import where

    turned = (g - y * y * conj(g)) / (2 * where(size == 0, 1.0, size))
    return where(real(size) == 0, 0.0, turned)


@sgn.samples(reference=each(lambda v: (v > 0) - (v < 0)))
def _(rng):
    yield from any_sign(rng)


# -- powers and roots ------------------------------------------------------------------------------
@with_out
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


@sqrt.samples(reference=each(math.sqrt))
def _(rng):
    yield from positive(rng)


@with_out
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


@rsqrt.samples(reference=each(lambda v: v**-0.5))
def _(rng):
    yield from positive(rng)


@with_out
@op
def square(input: Array) -> Array:
    """input * input, elementwise; int64 for bool.

    >>> import sensorium as sn
    >>> sn.square(sn.tensor([3, -2]))
    tensor([9, 4])
    """
    x = input if input.dtype.kind != "b" else input.astype(np.int64)
    return np.multiply(x, x)


@square.grad
def _(g, input):
    return g * conjugate(2 * input)


@square.samples(reference=each(lambda v: v**2))
def _(rng):
    yield from any_sign(rng)


@with_out
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


@reciprocal.samples(reference=each(lambda v: 1 / v))
def _(rng):
    yield from positive(rng)


# -- exponentials and logarithms -------------------------------------------------------------------
@with_out
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


@exp.samples(reference=each(math.exp))
def _(rng):
    yield from any_sign(rng)


@with_out
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


@exp2.samples(reference=each(lambda v: 2.0**v))
def _(rng):
    yield from any_sign(rng)


@with_out
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


@expm1.samples(reference=each(math.expm1))
def _(rng):
    yield from any_sign(rng)


@with_out
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


@log.samples(reference=each(math.log))
def _(rng):
    yield from positive(rng)


@with_out
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


@log2.samples(reference=each(math.log2))
def _(rng):
    yield from positive(rng)


@with_out
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


@log10.samples(reference=each(math.log10))
def _(rng):
    yield from positive(rng)


@with_out
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


@log1p.samples(reference=each(math.log1p))
def _(rng):
    yield from positive(rng)
