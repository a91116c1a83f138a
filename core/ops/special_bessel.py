"""Modified Bessel functions: i0, i0e, i1, i1e, and K of orders 0 and 1, plain and scaled.

Values are computed in float64 and cast. Sources: NIST Digital Library of Mathematical Functions,
10.25.2 (power series, all of whose terms have one sign), 10.40.1 and 10.40.2 (asymptotic series,
exact to double precision above 24), 10.32.9 (an integral that the trapezoidal rule gives to double
precision). The ordinary Bessel functions are in ``special_bessel_jy.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from ._out import with_out
from ._samples import any_sign, each, positive
from .exponential import sign
from .select import where
from .special_error import double, horner

_FAR = 24.0


# -- arrays of float64 -----------------------------------------------------------------------------
def _series(order: int, x: Any) -> Any:
    """I of the order, 0 <= x <= 24: (x/2)**order times the sum of (x/2)**2k / (k! (k + order)!)."""
    z = x * x / 4
    terms = [1 / (math.factorial(k) * math.factorial(k + order)) for k in range(56)]
    total = horner(z, terms[::-1])
    return total * x / 2 if order else total


def _asymptotic(order: int, x: Any, sign: int) -> Any:
    """The series in 1/x of sqrt(x) exp(-x) I (sign -1) or sqrt(x) exp(x) K (1), but for a factor."""
    terms, term = [1.0], 1.0
    for k in range(1, 26):
        term *= sign * (4 * order * order - (2 * k - 1) ** 2) / (8 * k)
        terms.append(term)
    return horner(1 / x, terms[::-1]) / np.sqrt(x)


def _i_scaled(order: int, x: Any) -> Any:
    """exp(-|x|) I of the order."""
    y = np.absolute(x)
    low = np.minimum(y, _FAR)
    near = _series(order, low) * np.exp(-low)
    far = _asymptotic(order, np.maximum(y, _FAR), -1) / math.sqrt(2 * math.pi)
    value = np.where(y <= _FAR, near, far)
    return np.copysign(value, x) if order else value


def _i_plain(order: int, x: Any) -> Any:
    """I of the order."""
    y = np.absolute(x)
    near = _series(order, np.minimum(y, _FAR))
    half = np.exp(np.maximum(y, _FAR) / 2)  # in two factors: exp(x) overflows before I does
    far = _asymptotic(order, np.maximum(y, _FAR), -1) / math.sqrt(2 * math.pi) * half * half
    value = np.where(y == np.inf, np.inf, np.where(y <= _FAR, near, far))
    return np.copysign(value, x) if order else value


def _k_near(order: int, x: Any) -> Any:
    """K of the order for 0 < x <= 1 (DLMF 10.31.1, 10.31.2)."""
    z = x * x / 4
    harmonic = [0.0]
    for k in range(1, 20):
        harmonic.append(harmonic[-1] + 1 / k)
    pull = np.log(x / 2) + 0.5772156649015328606
    if order == 0:
        terms = [h / math.factorial(k) ** 2 for k, h in enumerate(harmonic[:18])]
        return horner(z, terms[::-1]) - pull * _series(0, x)
    terms = [
        (harmonic[k] + harmonic[k + 1]) / (math.factorial(k) * math.factorial(k + 1))
        for k in range(18)
    ]
    return 1 / x + pull * _series(1, x) - x / 4 * horner(z, terms[::-1])


def _k_middle(order: int, x: Any) -> Any:
    """exp(x) K of the order for 1 <= x <= 24: the integral of exp(-x (cosh t - 1)) cosh(order t)."""
    step = 0.0625
    total = x * 0 + 0.5
    for i in range(1, 75):
        t = i * step
        total = total + np.exp(-2 * x * math.sinh(t / 2) ** 2) * (math.cosh(t) if order else 1.0)
    return total * step


def _k_scaled(order: int, x: Any) -> Any:
    """exp(x) K of the order: inf at 0, nan below."""
    small, middle = np.clip(x, 1e-300, 1.0), np.clip(x, 1.0, _FAR)
    far = _asymptotic(order, np.maximum(x, _FAR), 1) * math.sqrt(math.pi / 2)
    value = np.where(x <= _FAR, _k_middle(order, middle), far)
    value = np.where(x < 1, _k_near(order, small) * np.exp(small), value)
    return _k_edges(x, value)


def _k_plain(order: int, x: Any) -> Any:
    value = np.exp(-np.maximum(x, 1.0)) * _k_scaled(order, np.maximum(x, 1.0))
    value = np.where(x < 1, _k_near(order, np.clip(x, 1e-300, 1.0)), value)
    return _k_edges(x, value)


def _k_edges(x: Any, value: Any) -> Any:
    value = np.where(x == 0, np.inf, np.where(x < 0, np.nan, value))
    return np.where(np.isnan(x), x, np.where(x == np.inf, 0.0, value))


# -- references ------------------------------------------------------------------------------------
def _slow_i(order: int, x: float) -> float:
    """The mean of exp(x cos t) cos(order t) over a circle (DLMF 10.32.3)."""
    t = np.arange(200) * (2 * math.pi / 200)
    return float((np.exp(x * np.cos(t)) * np.cos(order * t)).mean())


def _slow_k(order: int, x: float) -> float:
    """The integral of exp(-x cosh t) cosh(order t) by Simpson's rule (DLMF 10.32.9)."""
    t = np.linspace(0, 8, 4001)
    f = np.exp(-x * np.cosh(t)) * np.cosh(order * t)
    weights = np.ones(4001)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return float((f * weights).sum() * (t[1] / 3))


def _wide_range(rng: Any) -> Any:
    for (x,) in any_sign(rng):
        yield (x * 3 + 0.01,)


# -- I ----------------------------------------------------------------------------------
@with_out
@op(promote="float")
def i0(input: Array) -> Array:
    """The modified Bessel function of the first kind of order 0, elementwise.

    >>> import sensorium as sn
    >>> sn.special.i0(sn.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """
    return _i_plain(0, double(input)).astype(input.dtype, copy=False)


@with_out
@op(promote="float")
def i0e(input: Array) -> Array:
    """exp(-|input|) i0(input), elementwise.

    >>> import sensorium as sn
    >>> sn.special.i0e(sn.tensor([0.0, 100.0]))
    tensor([1.0000, 0.0399])
    """
    return _i_scaled(0, double(input)).astype(input.dtype, copy=False)


@with_out
@op(promote="float")
def i1(input: Array) -> Array:
    """The modified Bessel function of the first kind of order 1, elementwise.

    >>> import sensorium as sn
    >>> sn.special.i1(sn.tensor([0.0, 1.0]))
    tensor([0.0000, 0.5652])
    """
    return _i_plain(1, double(input)).astype(input.dtype, copy=False)


@with_out
@op(promote="float")
def i1e(input: Array) -> Array:
    """exp(-|input|) i1(input), elementwise.

    >>> import sensorium as sn
    >>> sn.special.i1e(sn.tensor([0.0, 100.0]))
    tensor([0.0000, 0.0397])
    """
    return _i_scaled(1, double(input)).astype(input.dtype, copy=False)


# -- K ---------------------------------------------------------------------------------------------
@with_out
@op(promote="float")
def modified_bessel_k0(input: Array) -> Array:
    """The modified Bessel function of the second kind of order 0, elementwise: inf at 0.

    >>> import sensorium as sn
    >>> sn.special.modified_bessel_k0(sn.tensor([1.0]))
    tensor([0.4210])
    """
    return _k_plain(0, double(input)).astype(input.dtype, copy=False)


@with_out
@op(promote="float")
def modified_bessel_k1(input: Array) -> Array:
    """The modified Bessel function of the second kind of order 1, elementwise: inf at 0.

    >>> import sensorium as sn
    >>> sn.special.modified_bessel_k1(sn.tensor([1.0]))
    tensor([0.6019])
    """
    return _k_plain(1, double(input)).astype(input.dtype, copy=False)


@with_out
@op(promote="float")
def scaled_modified_bessel_k0(input: Array) -> Array:
    """exp(input) modified_bessel_k0(input), elementwise.

    >>> import sensorium as sn
    >>> sn.special.scaled_modified_bessel_k0(sn.tensor([1.0]))
    tensor([1.1445])
    """
    return _k_scaled(0, double(input)).astype(input.dtype, copy=False)


@with_out
@op(promote="float")
def scaled_modified_bessel_k1(input: Array) -> Array:
    """exp(input) modified_bessel_k1(input), elementwise.

    >>> import sensorium as sn
    >>> sn.special.scaled_modified_bessel_k1(sn.tensor([1.0]))
    tensor([1.6362])
    """
    return _k_scaled(1, double(input)).astype(input.dtype, copy=False)


# -- slopes ----------------------------------------------------------------------------------------
def _over(y: Any, x: Any) -> Any:
    """y / x, and 1/2 at 0, where y is about x / 2."""
    zero = x == 0
    return where(zero, 0.5, y / where(zero, 1.0, x))


def _declare(zero: Any, one: Any, sense: int, slow: Any, samples: Any, shift: Any = None) -> None:
    """F0' = s F1 and F1' = s F0 - F1 / x with s = 1 for I, -1 for K (DLMF 10.29.2, 10.29.3).

    shift(x): what the exponential that scales a function adds to its slope, times the function.
    slow(order, x): the reference.
    """

    def scaled(slope: Any, x: Any, y: Any) -> Any:
        return slope if shift is None else slope + shift(x) * y

    zero.grad(lambda g, input, y: g * scaled(sense * one(input), input, y))
    one.grad(lambda g, input, y: g * scaled(sense * zero(input) - _over(y, input), input, y))
    zero.samples(reference=each(lambda v: slow(0, v)))(samples)
    one.samples(reference=each(lambda v: slow(1, v)))(samples)


def _scaled_i(order: int, v: float) -> float:
    return _slow_i(order, v) * math.exp(-math.fabs(v))


def _scaled_k(order: int, v: float) -> float:
    return _slow_k(order, v) * math.exp(v)


_declare(i0, i1, 1, _slow_i, _wide_range)
_declare(i0e, i1e, 1, _scaled_i, _wide_range, lambda x: -sign(x))
_declare(modified_bessel_k0, modified_bessel_k1, -1, _slow_k, positive)
_declare(
    scaled_modified_bessel_k0, scaled_modified_bessel_k1, -1, _scaled_k, positive, lambda x: 1.0
)
