"""Functions of two values, elementwise, that few programs need: copysign, hypot, gcd, nextafter, ...

Operands broadcast and come to their common type. The slopes at ties and at 0 are PyTorch's.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import FLOATING
from ..errors import DTypeError
from ..tensor import Tensor
from . import _promote
from ._declare import Array, op
from ._out import with_out
from .arithmetic import _pairs, mul
from .cast import to_dtype
from .compare import isnan, logical_or
from .exponential import exp2, reciprocal
from .power import pow
from .select import clamp, where


def _kinds(name: str, wanted: str, words: str, *arrays: Any) -> None:
    """Refuse element types whose kind is none of wanted."""
    for a in arrays:
        found = getattr(a, "dtype", np.dtype(type(a)))
        if found.kind not in wanted:
            raise DTypeError(f"{name}: want {words}, got {found}")


def _floats(name: str, *arrays: Any) -> None:
    """At least one operand is floating-point, none complex."""
    _kinds(name, "fVbiu", "real floating-point values", *arrays)
    if not any(getattr(a, "dtype", None) in FLOATING for a in arrays):
        _kinds(name, "fV", "floating-point values", *arrays)


# -- magnitude and sign ----------------------------------------------------------------------------
@with_out
@op(numbers="other")
def copysign(input: Array, other: Array) -> Array:
    """|input| with the sign of other, elementwise; the sign of -0.0 counts.

    >>> import sensorium as sn
    >>> sn.copysign(sn.tensor([1.0, -2.0]), sn.tensor([-1.0, 1.0]))
    tensor([-1.,  2.])
    """
    _kinds("copysign", "fVbiu", "real values", input, other)
    return np.copysign(*_promote.to_float(_promote.to_float(input), other))


@copysign.grad("input")
def _(g, input, y):
    return g * where(input == 0, 0.0, y / where(input == 0, 1.0, input))


@copysign.samples(
    reference=np.vectorize(lambda a, b: -abs(a) if math.copysign(1, b) < 0 else abs(a), otypes="d")
)
def _(rng):
    yield from _pairs(rng)


@with_out
@op(promote="common", numbers="none")
def hypot(input: Array, other: Array) -> Array:
    """sqrt(input**2 + other**2) without overflow, elementwise.

    >>> import sensorium as sn
    >>> sn.hypot(sn.tensor([3.0]), sn.tensor([4.0]))
    tensor([5.])
    """
    _floats("hypot", input, other)
    return np.hypot(input, other)


@hypot.grad("input")
def _(g, input, y):
    return g * (input / y)


@hypot.grad("other")
def _(g, other, y):
    return g * (other / y)


@hypot.samples(reference=np.vectorize(math.hypot, otypes="d"))
def _(rng):
    yield from _pairs(rng)


# -- the larger or smaller that is a number --------------------------------------------------------
def _first_wins(more: Any, other: Any) -> Any:
    return logical_or(more, isnan(other))


@with_out
@op(promote="common", numbers="none")
def fmax(input: Array, other: Array) -> Array:
    """The larger of both, elementwise; where one is nan, the other.

    Of two equal values the gradient is input's.

    >>> import sensorium as sn
    >>> sn.fmax(sn.tensor([1.0, float("nan")]), sn.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    _kinds("fmax", "fVbiu", "real values", input, other)
    return np.fmax(input, other)


@fmax.grad("input")
def _(g, input, other):
    return where(_first_wins(input >= other, other), g, 0.0)


@fmax.grad("other")
def _(g, input, other):
    return where(_first_wins(input >= other, other), 0.0, g)


@fmax.samples(reference=np.vectorize(max, otypes="d"))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(promote="common", numbers="none")
def fmin(input: Array, other: Array) -> Array:
    """The smaller of both, elementwise; where one is nan, the other.

    Of two equal values the gradient is input's.

    >>> import sensorium as sn
    >>> sn.fmin(sn.tensor([1.0, float("nan")]), sn.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    _kinds("fmin", "fVbiu", "real values", input, other)
    return np.fmin(input, other)


@fmin.grad("input")
def _(g, input, other):
    return where(_first_wins(input <= other, other), g, 0.0)


@fmin.grad("other")
def _(g, input, other):
    return where(_first_wins(input <= other, other), 0.0, g)


@fmin.samples(reference=np.vectorize(min, otypes="d"))
def _(rng):
    yield from _pairs(rng)


@with_out
def clamp_max(input: Any, max: Any) -> Any:
    """input, but at most max, elementwise.

    >>> import sensorium as sn
    >>> sn.clamp_max(sn.tensor([1, 5]), 3)
    tensor([1, 3])
    """
    _kinds("clamp_max", "fVbiu", "real values", input, max)
    return clamp(input, None, max)


@with_out
def clamp_min(input: Any, min: Any) -> Any:
    """input, but at least min, elementwise.

    >>> import sensorium as sn
    >>> sn.clamp_min(sn.tensor([1, 5]), 3)
    tensor([3, 5])
    """
    _kinds("clamp_min", "fVbiu", "real values", input, min)
    return clamp(input, min)


# -- integers --------------------------------------------------------------------------------------
def _whole(rng: Any) -> Any:
    yield rng.integers(-50, 50, size=(3, 4)), rng.integers(-50, 50, size=(4,))


@with_out
@op(promote="common", differentiable=0, numbers="none")
def gcd(input: Array, other: Array) -> Array:
    """The greatest common divisor, never negative, elementwise; gcd(0, 0) is 0.

    >>> import sensorium as sn
    >>> sn.gcd(sn.tensor([12, -8]), sn.tensor([18, 12]))
    tensor([6, 4])
    """
    _kinds("gcd", "iu", "integers", input, other)
    return np.gcd(input, other)


@gcd.samples(reference=np.vectorize(math.gcd, otypes="q"))
def _(rng):
    yield from _whole(rng)


@with_out
@op(promote="common", differentiable=0, numbers="none")
def lcm(input: Array, other: Array) -> Array:
    """The least common multiple, never negative, elementwise; 0 where either is 0.

    >>> import sensorium as sn
    >>> sn.lcm(sn.tensor([4, 0]), sn.tensor([6, 5]))
    tensor([12,  0])
    """
    _kinds("lcm", "iu", "integers", input, other)
    return np.lcm(input, other)


@lcm.samples(reference=np.vectorize(math.lcm, otypes="q"))
def _(rng):
    yield from _whole(rng)


# -- steps, neighbours, powers of two --------------------------------------------------------------
@with_out
@op(differentiable=0)
def heaviside(input: Array, values: Array) -> Array:
    """0 where input < 0, values where it is 0, 1 where it is larger, elementwise; 0 for nan.

    Both must have one element type.

    >>> import sensorium as sn
    >>> sn.heaviside(sn.tensor([-1.0, 0.0, 2.0]), sn.tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    _kinds("heaviside", "fVbiu", "real tensors", input, values)
    found = getattr(values, "dtype", type(values).__name__)
    if isinstance(found, str) or found != input.dtype:
        raise DTypeError(f"heaviside: input is {input.dtype} but values {found}")
    return np.where(input == 0, values, (input > 0).astype(input.dtype))


@heaviside.samples(reference=lambda x, v: np.maximum(np.sign(x), 0) + np.where(x == 0, v, 0))
def _(rng):
    yield rng.integers(-1, 2, size=(3, 4)).astype(float), rng.normal(size=(4,))


@with_out
@op(promote="common", numbers="none")
def nextafter(input: Array, other: Array) -> Array:
    """The number that follows input on the way to other, elementwise.

    The slope is 1 where the two differ and 0 where they are equal.

    >>> import sensorium as sn
    >>> sn.nextafter(sn.tensor([1.0]), sn.tensor([2.0])) - 1
    tensor([1.1921e-07])
    """
    _floats("nextafter", input, other)
    return np.nextafter(input, other)


@nextafter.grad("input")
def _(g, input, other):
    return where(input != other, g, 0.0)


@nextafter.grad("other")
def _(g, other):
    return g * 0


@nextafter.samples(reference=np.vectorize(math.nextafter, otypes="d"), smooth=False)
def _(rng):
    yield from _pairs(rng)


class MantissaExponent(NamedTuple):
    """What ``frexp`` returns."""

    mantissa: Any
    exponent: Any


@op(outputs=("mantissa", "exponent"))
def _frexp(input: Array) -> Array:
    """m and e with input = m 2**e and 0.5 <= |m| < 1; 0 and 0 for 0."""
    _floats("frexp", input)
    return np.frexp(input)


@_frexp.grad
def _(g, exponent):
    return g / exp2(to_dtype(exponent, g.dtype))


@_frexp.samples(reference=np.vectorize(math.frexp, otypes="di"))
def _(rng):
    yield (rng.normal(size=(3, 4)) * 10,)


@with_out
def frexp(input: Any) -> MantissaExponent:
    """mantissa and exponent (int32) with input = mantissa 2**exponent and 0.5 <= |mantissa| < 1.

    >>> import sensorium as sn
    >>> sn.frexp(sn.tensor([6.0])).mantissa
    tensor([0.7500])
    """
    return MantissaExponent(*_frexp(input))


@with_out
def ldexp(input: Any, other: Any) -> Any:
    """input * 2**other, elementwise.

    >>> import sensorium as sn
    >>> sn.ldexp(sn.tensor([1.0]), sn.tensor([3]))
    tensor([8.])
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise DTypeError(f"ldexp: want tensors, got {input!r:.40} and {other!r:.40}")
    return mul(input, pow(2.0, other))


@with_out
@op(promote="common", numbers="none")
def logaddexp2(input: Array, other: Array) -> Array:
    """log2(2**input + 2**other) without overflow, elementwise.

    >>> import sensorium as sn
    >>> sn.logaddexp2(sn.tensor([3.0]), sn.tensor([3.0]))
    tensor([4.])
    """
    _floats("logaddexp2", input, other)
    return np.logaddexp2(input, other)


@logaddexp2.grad("input")
def _(g, input, other):
    return g / (1 + exp2(other - input))


@logaddexp2.grad("other")
def _(g, input, other):
    return g / (1 + exp2(input - other))


@logaddexp2.samples(reference=np.vectorize(lambda a, b: math.log2(2**a + 2**b), otypes="d"))
def _(rng):
    yield from _pairs(rng)


# -- powers ----------------------------------------------------------------------------------------
def _is_complex(x: Any) -> bool:
    return x.dtype.kind == "c" if isinstance(x, Tensor) else isinstance(x, complex)


@with_out
def float_power(input: Any, exponent: Any) -> Any:
    """input to the power exponent in float64, or complex128 where one of them is complex.

    >>> import sensorium as sn
    >>> sn.float_power(sn.tensor([2]), -1)
    tensor([0.5000], dtype=float64)
    """
    if not isinstance(input, Tensor) and not isinstance(exponent, Tensor):
        raise DTypeError(f"float_power: want a tensor, got the numbers {input!r} and {exponent!r}")
    wide = np.dtype("c16" if _is_complex(input) or _is_complex(exponent) else "f8")
    return pow(*(_wide(x, wide) for x in (input, exponent)))


def _wide(x: Any, dtype: Any) -> Any:
    return to_dtype(x, dtype) if isinstance(x, Tensor) else dtype.type(x).item()


def __rdiv__(self: Any, other: Any) -> Any:
    """other / self, as ``reciprocal(self) * other``.

    >>> import sensorium as sn
    >>> sn.tensor([4.0]).__rdiv__(2)
    tensor([0.5000])
    """
    return reciprocal(self) * other
