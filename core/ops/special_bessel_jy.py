"""Bessel functions: J and Y of orders 0 and 1, and the spherical j of order 0.

Values are computed in float64 and cast. Sources: NIST Digital Library of Mathematical Functions,
10.2.2 and 10.8.1 (ascending series) to 2, Miller's backward recurrence (3.6(iii)) with the sums
10.12.4 and 10.23.16 to 25, Hankel's expansions 10.17.3 and 10.17.4 beyond. Near its zeros a value
is precise absolutely, as its argument is. At infinity the functions are nan, as in PyTorch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from ._out import with_out
from ._samples import any_sign, each, positive
from .special_bessel import _over
from .special_error import double, horner
from .trigonometry import cos

_NEAR, _FAR = 2.0, 25.0
_TOP = 72  # J of this order is below 1e-23 for every x that the recurrence is used for
_EULER = 0.5772156649015328606


# -- arrays of float64 -----------------------------------------------------------------------------
def _ascending(x: Any) -> tuple[Any, Any, Any, Any]:
    """J0, J1, Y0, Y1 for 0 < x <= 2, by powers of -x**2 / 4."""
    z, harmonic = -x * x / 4, [0.0]
    for k in range(1, 16):
        harmonic.append(harmonic[-1] + 1 / k)
    even = [1 / math.factorial(k) ** 2 for k in range(15)]
    odd = [1 / (math.factorial(k) * math.factorial(k + 1)) for k in range(15)]
    sum0 = horner(z, [a * harmonic[k] for k, a in enumerate(even)][::-1])
    sum1 = horner(z, [a * (harmonic[k] + harmonic[k + 1]) for k, a in enumerate(odd)][::-1])
    j0, j1 = horner(z, even[::-1]), horner(z, odd[::-1]) * x / 2
    pull = np.log(x / 2) + _EULER
    y0 = (pull * j0 - sum0) * (2 / math.pi)
    y1 = (pull * j1 - 1 / x - x / 4 * sum1) * (2 / math.pi)
    return j0, j1, y0, y1


def _recurrence(x: Any) -> tuple[Any, Any, Any, Any]:
    """J0, J1, Y0, Y1 for 2 <= x <= 25, from J of all orders at once, but for a factor."""
    above, here = x * 0, x * 0 + 1e-250
    total, sum0, sum1 = x * 0, x * 0, x * 0
    for n in range(_TOP, 0, -1):
        k, sign = n // 2, -1 if n // 2 % 2 else 1
        if n % 2 == 0:
            total = total + 2 * here
            sum0 = sum0 + here * (2 * sign / k)
        elif k:
            sum1 = sum1 + here * (sign * n / (k * (k + 1)))
        above, here = here, 2 * n / x * here - above
    total = total + here  # J0 + 2 (J2 + J4 + ...) = 1
    j0, j1, pull = here / total, above / total, np.log(x / 2) + _EULER
    y0 = (pull * j0 - sum0 / total) * (2 / math.pi)
    y1 = ((pull - 1) * j1 - j0 / x - sum1 / total) * (2 / math.pi)
    return j0, j1, y0, y1


def _hankel(x: Any) -> tuple[Any, Any, Any, Any]:
    """J0, J1, Y0, Y1 for x >= 25."""
    c, s, values = np.cos(x), np.sin(x), []
    waves = [(c + s, s - c), (s - c, -c - s)]  # sqrt(2) times cos and sin of x - (2 order + 1) pi/4
    for order, (wave, shifted) in enumerate(waves):
        terms = [1.0]
        for k in range(1, 22):
            terms.append(terms[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8 * k))
        signs = [(-1) ** (k // 2) * term for k, term in enumerate(terms)]
        z = 1 / (x * x)
        p, q = horner(z, signs[::2][::-1]), horner(z, signs[1::2][::-1]) / x
        values.append((p * wave - q * shifted, p * shifted + q * wave))
    scale = 1 / (np.sqrt(x) * math.sqrt(math.pi))
    (j0, y0), (j1, y1) = values
    return j0 * scale, j1 * scale, y0 * scale, y1 * scale


def _bessel(which: int, x: Any) -> Any:
    """J0, J1, Y0 or Y1 (0 to 3) of x > 0, each element by the way that serves it; else nan."""
    flat = x.reshape(-1)
    value = np.full_like(flat, np.nan)
    ways = (
        ((flat > 0) & (flat <= _NEAR), _ascending),
        ((flat > _NEAR) & (flat < _FAR), _recurrence),
        ((flat >= _FAR) & (flat < np.inf), _hankel),
    )
    for where, way in ways:
        if where.any():
            value[where] = way(flat[where])[which]
    return value.reshape(x.shape)


def _first(order: int, input: Any) -> Any:
    """J of the order in the type of input."""
    x = double(input)
    value = _bessel(order, np.absolute(x))
    value = np.where(x == 0, x if order else 1.0, np.where((x < 0) & bool(order), -value, value))
    return value.astype(input.dtype, copy=False)


def _second(order: int, input: Any) -> Any:
    """Y of the order in the type of input."""
    x = double(input)
    return np.where(x == 0, -np.inf, _bessel(2 + order, x)).astype(input.dtype, copy=False)


# -- references ------------------------------------------------------------------------------------
def _slow_j(order: int, x: float) -> float:
    """The mean of cos(order t - x sin t) over a circle (DLMF 10.9.2)."""
    t = np.arange(200) * (2 * math.pi / 200)
    return float(np.cos(order * t - x * np.sin(t)).mean())


def _slow_y(order: int, x: float) -> float:
    """The integrals of DLMF 10.9.7 by Gauss and Legendre's rule."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    t = (nodes + 1) * (math.pi / 2)
    around = (np.sin(x * np.sin(t) - order * t) * weights).sum() * (math.pi / 2)
    far = np.arcsinh(800 / x)
    t = (nodes + 1) * (far / 2)
    tails = np.exp(order * t) + (-1) ** order * np.exp(-order * t)
    return float((around - (tails * np.exp(-x * np.sinh(t)) * weights).sum() * (far / 2)) / math.pi)


def _wide(rng: Any) -> Any:
    for (x,) in any_sign(rng):
        yield (x * 15 + 0.01,)


def _wide_positive(rng: Any) -> Any:
    for (x,) in positive(rng):
        yield (x * 12,)


# -- the ops ---------------------------------------------------------------------------------------
@with_out
@op(promote="float")
def bessel_j0(input: Array) -> Array:
    """The Bessel function of the first kind of order 0, elementwise.

    >>> import sensorium as sn
    >>> sn.special.bessel_j0(sn.tensor([0.0, 1.0]))
    tensor([1.0000, 0.7652])
    """
    return _first(0, input)


@with_out
@op(promote="float")
def bessel_j1(input: Array) -> Array:
    """The Bessel function of the first kind of order 1, elementwise.

    >>> import sensorium as sn
    >>> sn.special.bessel_j1(sn.tensor([0.0, 1.0]))
    tensor([0.0000, 0.4401])
    """
    return _first(1, input)


@with_out
@op(promote="float")
def bessel_y0(input: Array) -> Array:
    """The Bessel function of the second kind of order 0, elementwise: -inf at 0, nan below.

    >>> import sensorium as sn
    >>> sn.special.bessel_y0(sn.tensor([1.0]))
    tensor([0.0883])
    """
    return _second(0, input)


@with_out
@op(promote="float")
def bessel_y1(input: Array) -> Array:
    """The Bessel function of the second kind of order 1, elementwise: -inf at 0, nan below.

    >>> import sensorium as sn
    >>> sn.special.bessel_y1(sn.tensor([1.0]))
    tensor([-0.7812])
    """
    return _second(1, input)


def _declare_slopes(zero: Any, one: Any, slow: Any, samples: Any) -> None:
    """F0' = -F1 and F1' = F0 - F1 / x (DLMF 10.6.2, 10.6.3), and the samples of both."""
    zero.grad(lambda g, input: -g * one(input))
    one.grad(lambda g, input, y: g * (zero(input) - _over(y, input)))
    for order, function in enumerate((zero, one)):
        reference = each(lambda v, order=order: slow(order, v))
        function.samples(reference=reference, tolerance=1e-11)(samples)


_declare_slopes(bessel_j0, bessel_j1, _slow_j, _wide)
_declare_slopes(bessel_y0, bessel_y1, _slow_y, _wide_positive)


# -- spherical -------------------------------------------------------------------------------------
@with_out
@op(promote="float")
def spherical_bessel_j0(input: Array) -> Array:
    """sin(input) / input, elementwise: 1 at 0, 0 at infinity.

    >>> import sensorium as sn
    >>> sn.special.spherical_bessel_j0(sn.tensor([0.0, 1.0]))
    tensor([1.0000, 0.8415])
    """
    x = double(input)
    value = np.sin(np.where(np.isinf(x), 0.0, x)) / np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, value).astype(input.dtype, copy=False)


@spherical_bessel_j0.grad
def _(g, input):
    return g * _spherical_slope(input)


def _spherical_slope(x: Any) -> Any:
    """(cos x - sin(x) / x) / x; by its Taylor polynomial where the two would cancel."""
    from .select import where

    near = abs(x) < 0.7
    low, high = where(near, x, 0.0), where(near, 1.0, x)
    z, terms = low * low, [-1.0 / 3]
    for k in range(2, 10):  # each is -1 / (2k (2k + 1)) (2k / (2k - 2)) times the one before
        terms.append(-terms[-1] / ((2 * k - 2) * (2 * k + 1)))
    series = horner(z, terms[::-1]) * low
    return where(near, series, (cos(high) - spherical_bessel_j0(high)) / high)


@spherical_bessel_j0.samples(reference=each(lambda v: math.sin(v) / v if v else 1.0))
def _(rng):
    yield from _wide(rng)
