"""The Airy function Ai.

Values are computed in float64 and cast. Sources: NIST Digital Library of Mathematical Functions,
9.4.1 (Maclaurin series) for |x| <= 2; else the integral 9.5.7 of a Gaussian and a cosine, which the
trapezoidal rule gives to double precision, below 0 in the direction that 9.2.14 leads to. At
infinity Ai is nan, as in PyTorch.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from ._declare import Array, op
from ._out import with_out
from ._samples import any_sign, each
from .special_error import double, horner

_AT_0 = 0.355028053887817239  # DLMF 9.2.3: Ai(0)
_SLOPE_0 = 0.258819403792806798  # DLMF 9.2.4: -Ai'(0)
_TWO_THIRDS_REST = 3.700743415417188e-17  # what 2 / 3 lacks in float64
_STEP, _NODES = 0.1, 66
_FAR = 104.0  # exp(-2/3 x**1.5) is below the smallest double


# -- arrays of float64 -----------------------------------------------------------------------------
def _maclaurin(x: Any, slope: bool) -> Any:
    """Ai or Ai' for |x| <= 2."""
    even, odd = [1.0], [1.0]  # of x**3k and of x**(3k + 1)
    for k in range(1, 13):
        even.append(even[-1] / ((3 * k - 1) * 3 * k))
        odd.append(odd[-1] / (3 * k * (3 * k + 1)))
    z = x * x * x
    if not slope:
        return _AT_0 * horner(z, even[::-1]) - _SLOPE_0 * x * horner(z, odd[::-1])
    even = [3 * k * a for k, a in enumerate(even)][1:]
    odd = [(3 * k + 1) * a for k, a in enumerate(odd)]
    return _AT_0 * x * x * horner(z, even[::-1]) - _SLOPE_0 * horner(z, odd[::-1])


def _integral(y: Any, turn: complex, slope: bool) -> Any:
    """The integral of exp(-turn s**2) cos(s**3 / (3 y**0.75)) over s >= 0, over pi y**0.25.

    slope: with the weight -(turn sqrt(y) + s**2 / (2 y turn)), which makes it that of the derivative.
    """
    root, rate = np.sqrt(y), 1 / (3 * y**0.75)
    total = np.zeros(y.shape, complex, like=y)
    for i in range(_NODES):
        s = i * _STEP
        part = np.cos(rate * s**3) * (cmath.exp(-turn * s * s) * (1.0 if i else 0.5))
        total += part * -(turn * root + s * s / (2 * turn * y)) if slope else part
    return total * (_STEP / math.pi) / np.sqrt(root)


def _halves(v: Any) -> tuple[Any, Any]:
    """v as a sum of two numbers of half as many bits, by Veltkamp's splitting."""
    wide = v * 134217729.0  # 2**27 + 1
    high = wide - (wide - v)
    return high, v - high


def _product(a: Any, b: Any) -> tuple[Any, Any]:
    """a b and its rounding error (Dekker, 1971)."""
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    c = a * b
    return c, a2 * b2 - (((c - a1 * b1) - a2 * b1) - a1 * b2)


def _zeta(y: Any) -> tuple[Any, Any]:
    """2/3 y**1.5 and its rounding error, which exp and cos of it would multiply."""
    root = np.sqrt(y)
    square, rest = _product(root, root)
    value, error = _product(y, root)
    error = error + y * ((y - square - rest) / (2 * root))
    third, last = _product(value, np.full_like(y, 2 / 3))
    return third, last + value * _TWO_THIRDS_REST + error * (2 / 3)


def _decaying(x: Any, slope: bool) -> Any:
    """Ai or Ai' for x >= 2."""
    zeta, error = _zeta(x)
    return np.exp(-zeta) * (1 - error) * _integral(x, 1.0, slope).real


def _waves(x: Any, slope: bool) -> Any:
    """Ai or Ai' for x <= -2."""
    y, sixth = -x, cmath.exp(1j * math.pi / 6)
    zeta, error = _zeta(y)
    phase = np.exp(-1j * zeta) * np.exp(-1j * error)
    if slope:
        return -2 * (phase * _integral(y, sixth, True) * sixth**4).real
    return 2 * (phase * _integral(y, sixth, False) * sixth**2).real


def _airy(x: Any, slope: bool) -> Any:
    flat = x.reshape(-1)
    value = np.where(np.isfinite(flat), 0.0, np.nan)
    ways = (
        (np.absolute(flat) <= 2, _maclaurin),
        ((flat > 2) & (flat < _FAR), _decaying),
        ((flat < -2) & (flat > -np.inf), _waves),
    )
    for where, way in ways:
        if where.any():
            value[where] = way(flat[where], slope)
    return value.reshape(x.shape)


# -- reference -------------------------------------------------------------------------------------
def _slow_airy(x: float, slope: bool = False) -> float:
    """By Bessel functions of order 1/3 or 2/3 (DLMF 9.6.2, 9.6.3, 9.6.6, 9.6.7) and their integrals."""
    order, y = (2 / 3 if slope else 1 / 3), abs(x)
    z = 2 / 3 * y**1.5
    if x > 0:
        t = np.linspace(0, 12, 20001)
        k = np.trapezoid(np.exp(-z * np.cosh(t)) * np.cosh(order * t), t)
        return float(-x * k / (math.pi * math.sqrt(3)) if slope else math.sqrt(x / 3) * k / math.pi)
    low, high = _slow_j(-order, z), _slow_j(order, z)
    return y / 3 * (high - low) if slope else math.sqrt(y) / 3 * (high + low)


def _slow_j(order: float, z: float) -> float:
    """Schlaefli's integrals (DLMF 10.9.6)."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    t = (nodes + 1) * (math.pi / 2)
    around = (np.cos(z * np.sin(t) - order * t) * weights).sum() * (math.pi / 2)
    far = math.asinh(800 / z)
    t = (nodes + 1) * (far / 2)
    tail = (np.exp(-z * np.sinh(t) - order * t) * weights).sum() * (far / 2)
    return float((around - math.sin(order * math.pi) * tail) / math.pi)


# -- the ops ---------------------------------------------------------------------------------------
@with_out
@op(promote="float")
def airy_ai(input: Array) -> Array:
    """The solution of y'' = x y that vanishes as x grows, elementwise.

    >>> import sensorium as sn
    >>> sn.special.airy_ai(sn.tensor([-2.0, 0.0, 2.0]))
    tensor([0.2274, 0.3550, 0.0349])
    """
    return _airy(double(input), False).astype(input.dtype, copy=False)


@airy_ai.grad
def _(g, input):
    return g * _airy_ai_slope(input)


@airy_ai.samples(reference=each(_slow_airy), tolerance=1e-11)
def _(rng):
    for (x,) in any_sign(rng):
        yield (x * 4 + 0.01,)


@op(promote="float")
def _airy_ai_slope(input: Array) -> Array:
    """The derivative of airy_ai."""
    return _airy(double(input), True).astype(input.dtype, copy=False)


@_airy_ai_slope.grad
def _(g, input):
    return g * input * airy_ai(input)


@_airy_ai_slope.samples(reference=each(lambda v: _slow_airy(v, True)), tolerance=1e-11)
def _(rng):
    for (x,) in any_sign(rng):
        yield (x * 4 + 0.01,)
