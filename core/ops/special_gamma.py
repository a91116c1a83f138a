"""The gamma function's family: gammaln, digamma, polygamma, zeta, multigammaln.

Values are computed in float64 and cast. Sources: NIST Digital Library of Mathematical Functions,
chapters 5 (gamma) and 25 (zeta). Stirling's series above 10; below, the Taylor series of log gamma
at 2, recurrences and reflection; zeta by Euler's and Maclaurin's sum. Left out, as in PyTorch: the
slope of zeta in its exponent. The incomplete functions are in ``special_gammainc.py``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ..errors import DTypeError, OptionError
from ._declare import Array, op
from ._out import with_out
from ._samples import each, positive
from .special_error import double, horner

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510,
              43867 / 798, -174611 / 330, 854513 / 138)  # fmt: skip
"""B(2), B(4), ..., B(22)."""
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_EULER = 0.5772156649015328606


# -- arrays of float64 -----------------------------------------------------------------------------
@cache
def _zeta_tails() -> tuple[float, ...]:
    """zeta(k) - 1 for k = 2 ... 40."""
    n = 12

    def tail(k: int) -> float:
        rest = [n ** (1 - k) / (k - 1), n**-k / 2, k * n ** (-k - 1) / 12]
        rest.append(-k * (k + 1) * (k + 2) * n ** (-k - 3) / 720)
        rest.append(k * (k + 1) * (k + 2) * (k + 3) * (k + 4) * n ** (-k - 5) / 30240)
        product = math.prod(range(k, k + 7))
        rest.append(-product * n ** (-k - 7) / 1209600)
        rest.append(math.prod(range(k, k + 9)) * n ** (-k - 9) / 47900160)
        return math.fsum([*(i**-k for i in range(2, n)), *rest])

    return tuple(tail(k) for k in range(2, 41))


@cache
def _taylor() -> tuple[float, ...]:
    """Coefficients of log gamma(2 + z), the highest first, 0 for z**0 (DLMF 5.7.3)."""
    high = [(-1) ** k * c / k for k, c in enumerate(_zeta_tails(), 2)]
    return (*reversed(high), 1 - _EULER, 0.0)


def stirling_tail(x: Any) -> Any:
    """log gamma(x) - ((x - 1/2) log x - x + log(2 pi) / 2) for x >= 10 (DLMF 5.11.1)."""
    terms = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI[:9], 1)]
    return horner(1 / (x * x), terms[::-1]) / x


def _stirling(x: Any) -> Any:
    return (x - 0.5) * (np.log(x) - 1) + (_HALF_LOG_2PI - 0.5) + stirling_tail(x)


def _log_gamma_middle(x: Any) -> Any:
    """log gamma for 0.5 <= x < 10.5."""
    first = x < 1.5
    down = np.where(first, 0.0, np.floor(x - 1.5))  # steps to [1.5, 2.5)
    product = x * 0 + 1
    for i in range(1, 10):
        product = np.where(down >= i, product * (x - i), product)
    z = np.where(first, x - 1, x - down - 2)
    series = horner(z, _taylor())
    return np.where(first, series - np.log1p(np.where(first, z, 0.0)), series + np.log(product))


def _sin_pi(x: Any) -> Any:
    """|sin(pi x)|, exactly 0 at integers."""
    return np.absolute(np.sin(math.pi * (x - np.rint(x))))


def gammaln_array(x: Any) -> Any:
    """log |gamma(x)|."""
    reflected = x < 0.5
    y = np.where(reflected, 1 - x, x)
    high = _stirling(np.maximum(y, 10.0))
    value = np.where(y < 10, _log_gamma_middle(np.clip(y, 0.5, 10.0)), high)
    tiny = np.absolute(x) < 1e-5  # where 1 - x would lose digits of x
    value = np.where(reflected, math.log(math.pi) - np.log(_sin_pi(x)) - value, value)
    small = np.where(tiny, x, 1.0)
    series = small * (math.pi**2 / 12 * small - _EULER)
    value = np.where(tiny, series - np.log(np.absolute(small)), value)
    value = np.where((x <= 0) & (x == np.rint(x)), np.inf, value)
    return np.where(np.isinf(x), np.inf, np.where(np.isnan(x), x, value))


def digamma_array(x: Any) -> Any:
    """The slope of log gamma: -inf at +0, inf at -0, nan at negative integers."""
    reflected = x < 0
    y = np.where(reflected, 1 - x, x)
    total = y * 0
    for _ in range(10):
        small = y < 10
        total = np.where(small, total - 1 / np.where(small, y, 1.0), total)
        y = np.where(small, y + 1, y)
    terms = [b / (2 * k) for k, b in enumerate(_BERNOULLI[:9], 1)]
    z = 1 / (y * y)
    value = total + np.log(y) - 0.5 / y - horner(z, terms[::-1]) * z
    off = x - np.rint(x)
    turn = math.pi / np.tan(math.pi * np.where(off == 0, 0.25, off))
    value = np.where(reflected, np.where(off == 0, np.nan, value - turn), value)
    value = np.where(x == 0, np.copysign(np.inf, -x), value)
    return np.where(x == np.inf, np.inf, np.where(np.isnan(x), x, value))


_MOST_STEPS = 10_000
"""Terms added for a negative q: beyond that zeta is nan."""


def zeta_array(s: Any, q: Any) -> Any:
    """The sum of (q + k)**-s over k >= 0 (DLMF 25.11.5): inf at s = 1, nan below."""
    total, a = s * 0 + q * 0, q + s * 0
    steps = 0
    while steps < 10 or (steps < _MOST_STEPS and bool((a <= 9).any())):
        more = (a <= 9) | (steps < 10)
        total = np.where(more, total + np.where(more, a, 1.0) ** -s, total)
        a = np.where(more, a + 1, a)
        steps += 1
    power = a**-s
    total = total + power * a / np.where(s == 1, 2.0, s - 1) + power / 2
    factor, power = s, power / a
    for k, b in enumerate(_BERNOULLI, 1):
        total = total + b / math.factorial(2 * k) * factor * power
        factor = factor * (s + (2 * k - 1)) * (s + 2 * k)
        power = power / (a * a)
    total = np.where((q <= 0) & (s != np.rint(s)), np.nan, total)
    total = np.where((q <= 0) & (q == np.rint(q)), np.inf, total)
    total = np.where(np.isinf(s) & (q > 1), 0.0, total)
    total = np.where((s < 1) | (a <= 9), np.nan, total)
    return np.where(s == 1, np.inf, total)


# -- log gamma and its slopes ----------------------------------------------------------------------
@with_out
@op(promote="float")
def gammaln(input: Array) -> Array:
    """log |gamma(input)|, elementwise: inf at 0, -1, -2, ...

    >>> import sensorium as sn
    >>> sn.special.gammaln(sn.tensor([1.0, 5.0]))
    tensor([0.0000, 3.1781])
    """
    return gammaln_array(double(input)).astype(input.dtype, copy=False)


@gammaln.grad
def _(g, input):
    return g * digamma(input)


@gammaln.samples(reference=each(math.lgamma))
def _(rng):
    yield from positive(rng)
    yield (np.array([0.01, 3.7, 30.0, -0.5, -3.3]),)


@with_out
@op(promote="float")
def digamma(input: Array) -> Array:
    """The slope of log gamma, elementwise: -inf at 0, nan at negative integers.

    >>> import sensorium as sn
    >>> sn.special.digamma(sn.tensor([1.0, 2.0]))
    tensor([-0.5772,  0.4228])
    """
    return digamma_array(double(input)).astype(input.dtype, copy=False)


@digamma.grad
def _(g, input):
    return g * _polygamma(input, 1)


def _slow_digamma(x: float) -> float:
    """Differences of log gamma, extrapolated."""
    d = [(math.lgamma(x + h) - math.lgamma(x - h)) / (2 * h) for h in (1e-2, 5e-3, 2.5e-3)]
    a, b = (4 * d[1] - d[0]) / 3, (4 * d[2] - d[1]) / 3
    return (16 * b - a) / 15


@digamma.samples(reference=each(_slow_digamma), tolerance=1e-7)
def _(rng):
    yield from positive(rng)


@op(promote="float")
def _polygamma(input: Array, n: int) -> Array:
    """The n-th slope of digamma, n >= 1: (-1)**(n + 1) n! zeta(n + 1, input)."""
    x = double(input)
    if n == 1:  # by reflection below 0.5 (DLMF 5.15.6)
        low = x < 0.5
        value = zeta_array(np.asarray(2.0, like=x), np.where(low, 1 - x, x))
        value = np.where(low, (math.pi / _sin_pi(x)) ** 2 - value, value)
    else:
        value = (-1) ** (n + 1) * math.factorial(n) * zeta_array(np.asarray(n + 1.0, like=x), x)
    return value.astype(input.dtype, copy=False)


@_polygamma.grad
def _(g, input, n):
    return g * _polygamma(input, n + 1)


def _slow_zeta(s: float, q: float) -> float:
    """2000 terms and the integral of the rest by the midpoint rule with its first correction."""
    n = 2000
    a = q + n - 0.5
    return math.fsum([*((q + k) ** -s for k in range(n)), a ** (1 - s) / (s - 1),
                      -s * a ** (-s - 1) / 24])  # fmt: skip


@_polygamma.samples(
    reference=lambda x, n: each(
        lambda v: (-1) ** (n + 1) * math.factorial(n) * _slow_zeta(n + 1, v)
    )(x),
    tolerance=1e-10,
)
def _(rng):
    for n in (1, 2, 3):
        for (x,) in positive(rng):
            yield x, n


@with_out
def polygamma(n: int, input: Any) -> Any:
    """The n-th slope of digamma, elementwise.

    >>> import sensorium as sn
    >>> sn.special.polygamma(1, sn.tensor([1.0]))
    tensor([1.6449])
    """
    if not isinstance(n, int) or n < 0:
        raise OptionError(f"polygamma: n must be an integer of at least 0, got {n!r}")
    return _polygamma(input, n) if n else digamma(input)


@with_out
@op(promote="float")
def zeta(input: Array, other: Array) -> Array:
    """The sum of (other + k)**-input over k = 0, 1, ...: Hurwitz's zeta function, elementwise.

    >>> import sensorium as sn
    >>> sn.special.zeta(sn.tensor([2.0]), 1.0)
    tensor([1.6449])
    """
    s, q, like = two_arrays("zeta", input, other)
    return zeta_array(s, q).astype(like.dtype, copy=False)


def two_arrays(name: str, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Both operands as float64 arrays, one of which may be a number, and the one that is an array."""
    like = a if hasattr(a, "dtype") else b
    if like.dtype.kind == "c":
        raise DTypeError(f"{name}: not defined for complex values, got {like.dtype}")
    both = [
        double(v) if hasattr(v, "dtype") else np.asarray(v, np.float64, like=like) for v in (a, b)
    ]
    return both[0], both[1], like


@zeta.grad("other")
def _(g, input, other):
    return -g * input * zeta(input + 1, other)


@zeta.samples(reference=np.vectorize(_slow_zeta, otypes="d"), tolerance=1e-10)
def _(rng):
    yield np.abs(rng.normal(size=(3, 4))) + 2, np.abs(rng.normal(size=(4,))) + 0.5


@with_out
def multigammaln(a: Any, p: int) -> Any:
    """The logarithm of the p-variate gamma function, for a > (p - 1) / 2, elementwise.

    >>> import sensorium as sn
    >>> sn.special.multigammaln(sn.tensor([2.0]), 2)
    tensor([0.4516])
    """
    if p < 1:
        raise OptionError(f"multigammaln: p must be at least 1, got {p}")
    total = gammaln(a)
    for i in range(1, p):
        total = total + gammaln(a - i / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)


lgamma = gammaln
mvlgamma = multigammaln
