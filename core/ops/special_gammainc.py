"""The incomplete gamma functions: gammainc and gammaincc.

Values are computed in float64 and cast. Source: NIST Digital Library of Mathematical Functions,
chapter 8: the power series below a + 1, Legendre's continued fraction above. Left out, as in PyTorch:
the slope in the first parameter.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from ._out import with_out
from .exponential import exp, log
from .special_error import horner
from .special_gamma import gammaln, gammaln_array, stirling_tail, two_arrays


# -- arrays of float64 -----------------------------------------------------------------------------
def _log_rest(x: Any, a: Any) -> Any:
    """log(x / a) - (x - a) / a without cancellation."""
    u = (x - a) / a
    near = np.absolute(u) < 0.3
    v = np.where(near, u, 0.0)
    series = horner(v, [(-1) ** (k + 1) / k for k in range(32, 1, -1)]) * v * v
    return np.where(near, series, np.log(x / a) - u)


def _density(a: Any, x: Any) -> Any:
    """x**a exp(-x) / gamma(a + 1), for large a relative to its peak (DLMF 8.11, 5.11)."""
    big = np.maximum(a, 10.0)
    far = np.exp(big * _log_rest(x, big) - stirling_tail(big))
    low = np.minimum(a, 10.0)
    near = np.exp(low * np.log(x) - x - gammaln_array(low + 1))
    return np.where(a > 10, far / np.sqrt(2 * math.pi * big), near)


def _power_series(a: Any, x: Any) -> Any:
    """The lower part over the density: the sum of x**k / ((a + 1) ... (a + k)) (DLMF 8.7.1)."""
    term = total = x * 0 + 1
    k = 0
    while k < 5000 and bool((term > total * 1e-17).any()):
        k += 1
        term = term * x / (a + k)
        total = total + term
    return total


def _fraction(a: Any, x: Any) -> Any:
    """The upper part over a times the density: Legendre's continued fraction (DLMF 8.9.2), by Lentz."""
    b = x + 1 - a
    d = 1 / b
    c, h = b * 0 + 1e300, d
    k = 0
    change = h * 0 + 2
    while k < 5000 and bool((np.absolute(change - 1) > 1e-16).any()):
        k += 1
        n = -k * (k - a)
        b = b + 2
        d = 1 / (n * d + b)
        c = b + n / c
        change = c * d
        h = h * change
    return h


def _parts(a: Any, x: Any) -> tuple[Any, Any]:
    """The shares of gamma(a) below and above x."""
    fine = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    a_, x_ = np.where(fine, a, 1.0), np.where(fine, x, 1.0)
    density = _density(a_, x_)
    low = x_ < a_ + 1
    below = density * _power_series(a_, np.where(low, x_, a_))
    above = density * a_ * _fraction(np.where(low, 1.0, a_), np.where(low, 2.0, x_))
    lower = np.where(low, below, 1 - above)
    upper = np.where(low, 1 - below, above)
    edge = np.where((x == np.inf) | (a == 0), 1.0, 0.0)
    outside = (a < 0) | (x < 0) | np.isnan(a) | np.isnan(x) | ((a == 0) & (x == 0))
    outside = outside | (np.isinf(a) & np.isinf(x))
    edge = np.where(outside, np.nan, edge)
    return np.where(fine, lower, edge), np.where(fine, upper, 1 - edge)


def _shares(name: str, input: Any, other: Any, which: int) -> Any:
    a, x, like = two_arrays(name, input, other)
    shape = np.broadcast_shapes(a.shape, x.shape)
    a, x = (np.broadcast_to(v, shape).astype(np.float64) for v in (a, x))
    return _parts(a, x)[which].astype(like.dtype, copy=False)


def _slope(g: Any, a: Any, x: Any) -> Any:
    return g * exp((a - 1) * log(x) - x - gammaln(a))


def _slow_share(a: float, x: float) -> float:
    """Simpson's rule on exp(-t) t**(a - 1) with t = u**4, which is smooth at 0 for a >= 1/2."""
    u = np.linspace(0, x**0.25, 20001)
    f = 4 * np.exp(-(u**4)) * u ** (4 * a - 1)
    weights = np.ones(20001)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return float((f * weights).sum() * (u[1] / 3) / math.gamma(a))


def _shapes(rng: Any) -> Any:
    yield np.abs(rng.normal(size=(3, 4))) + 1, np.abs(rng.normal(size=(4,))) * 3 + 0.2


@with_out
@op(promote="float", numbers="none")
def gammainc(input: Array, other: Array) -> Array:
    """The share of gamma(input) below other, elementwise: rises from 0 to 1.

    The gradient is that of other.

    >>> import sensorium as sn
    >>> sn.special.gammainc(sn.tensor([1.0]), sn.tensor([1.0]))
    tensor([0.6321])
    """
    return _shares("gammainc", input, other, 0)


@gammainc.grad("other")
def _(g, input, other):
    return _slope(g, input, other)


@gammainc.samples(reference=np.vectorize(_slow_share, otypes="d"), tolerance=1e-9)
def _(rng):
    yield from _shapes(rng)


@with_out
@op(promote="float", numbers="none")
def gammaincc(input: Array, other: Array) -> Array:
    """1 - gammainc(input, other), elementwise, precise also where it is tiny.

    The gradient is that of other.

    >>> import sensorium as sn
    >>> sn.special.gammaincc(sn.tensor([1.0]), sn.tensor([1.0]))
    tensor([0.3679])
    """
    return _shares("gammaincc", input, other, 1)


@gammaincc.grad("other")
def _(g, input, other):
    return -_slope(g, input, other)


@gammaincc.samples(
    reference=np.vectorize(lambda a, x: 1 - _slow_share(a, x), otypes="d"), tolerance=1e-9
)
def _(rng):
    yield from _shapes(rng)


igamma = gammainc
igammac = gammaincc
