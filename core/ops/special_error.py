"""The error function's family: erfc, erfcx, erfinv, ndtr, ndtri, log_ndtr.

Values are computed in float64 and cast. Complementary functions by W. J. Cody's rational
approximations (1969, ``_erf.py``), their exponentials split as he does so that the tails keep full
relative precision; inverses from M. Giles' single-precision approximation ("Approximating the erfinv
function", 2012), or the leading asymptotic term, refined by Halley's steps; of narrower types, by
M. J. Wichura's rational one (algorithm AS 241, 1988), thirty times sooner: weights are drawn by it.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from ._declare import Array, op
from ._erf import _C, _D, _INV_SQRT_PI, _P, _Q, _ratio, _small, erf_array
from ._out import with_out
from ._samples import any_sign, each, inside_one
from .exponential import exp

_ROOT2 = math.sqrt(2)
_ROOT_PI = math.sqrt(math.pi)


def double(x: Any) -> Any:
    """x as float64."""
    return x.astype(np.float64, copy=False)


# -- arrays of float64 -----------------------------------------------------------------------------
def _exp_square(x: Any, sign: int) -> Any:
    """exp(sign x**2) without the rounding error of the square: x = a + b, a with few bits."""
    a = np.trunc(x * 16) / 16
    return np.exp(sign * a * a) * np.exp(sign * (x - a) * (x + a))


def _scaled_tail(y: Any) -> Any:
    """exp(y**2) erfc(y) for y >= 0.46875."""
    high = np.maximum(y, 4.0)
    z = 1 / (high * high)
    far = (_INV_SQRT_PI - z * _ratio(z, _P, _Q)) / high
    return np.where(y <= 4.0, _ratio(np.minimum(y, 4.0), _C, _D), far)


def erfc_array(x: Any) -> Any:
    """1 - erf(x), precise also where it is tiny."""
    y = np.clip(np.absolute(x), 0.46875, 30.0)
    tail = _scaled_tail(y) * _exp_square(y, -1)
    near = 1 - _small(np.clip(x, -0.46875, 0.46875))
    value = np.where(x > 0.46875, tail, np.where(x < -0.46875, 2 - tail, near))
    return np.where(np.isnan(x), x, value)


def erfcx_array(x: Any) -> Any:
    """exp(x**2) erfc(x)."""
    y = np.maximum(np.absolute(x), 0.46875)
    tail = _scaled_tail(y)
    low = np.clip(x, -0.46875, 0.46875)
    near = np.exp(low * low) * (1 - _small(low))
    left = 2 * _exp_square(np.minimum(y, 27.0), 1) - tail
    value = np.where(x > 0.46875, tail, np.where(x < -0.46875, left, near))
    value = np.where(x < -26.7, np.inf, value)
    return np.where(np.isnan(x), x, value)


_NEAR = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_FAR = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


def horner(x: Any, coefficients: Any) -> Any:
    """The polynomial with these coefficients, the highest first."""
    y = x * 0 + coefficients[0]
    for c in coefficients[1:]:
        y = y * x + c
    return y


def erfcinv_array(q: Any) -> Any:
    """The x >= 0 with erfc(x) = q, for 0 < q <= 1."""
    w = -np.log(q * (2 - q))
    near, far = np.minimum(w, 5.0), np.clip(w, 5.0, 16.0)
    x = (1 - q) * np.where(w < 5, horner(near - 2.5, _NEAR), horner(np.sqrt(far) - 3, _FAR))
    deep = -np.log(np.minimum(q, 1e-6))
    x = np.where(w < 16, x, np.sqrt(deep - 0.5 * np.log(math.pi * deep)))
    for _ in range(4):
        excess = np.where(x < 0.5, 1 - q - erf_array(x), erfc_array(x) - q)
        step = -excess * (_ROOT_PI / 2) * _exp_square(np.minimum(x, 26.5), 1)
        x = x - step / (1 + x * step)
    return x


def _erfinv_array(y: Any) -> Any:
    size = np.absolute(y)
    inner = (size > 0) & (size < 1)
    tail = erfcinv_array(np.where(inner & (size >= 0.5), 1 - size, 0.5))
    low = np.where(inner & (size < 0.5), size, 0.25)
    x = horner(-np.log1p(-low * low) - 2.5, _NEAR) * low
    for _ in range(2):
        step = (erf_array(x) - low) * (_ROOT_PI / 2) * np.exp(x * x)
        x = x - step / (1 + x * step)
    value = np.copysign(np.where(size >= 0.5, tail, x), y)
    value = np.where(size == 1, np.copysign(np.inf, y), np.where(size == 0, y, value))
    return np.where(size <= 1, value, np.nan)


# AS 241's PPND16: numerator and denominator, the highest power first.
_MIDDLE = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852854561,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
_TAIL = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)


def _erfinv_narrow(y: Any) -> Any:
    """The same for float32 and narrower, whose largest size below 1 leaves a tail of 3e-8."""
    half = y / 2
    r = 0.180625 - half * half
    x = half * horner(r, _MIDDLE[0]) / horner(r, _MIDDLE[1])
    far = np.absolute(half) > 0.425
    size = np.absolute(half[far])
    with np.errstate(divide="ignore", invalid="ignore"):  # inf at 1, nan beyond
        s = np.sqrt(-np.log(0.5 - size)) - 1.6
        tail = horner(s, _TAIL[0]) / horner(s, _TAIL[1])
    x[far] = np.copysign(np.where(size == 0.5, np.inf, tail), half[far])
    return x / _ROOT2


# -- erfc and erfcx --------------------------------------------------------------------------------
@with_out
@op(promote="float")
def erfc(input: Array) -> Array:
    """1 - erf(input), elementwise, precise also where it is tiny.

    >>> import sensorium as sn
    >>> sn.special.erfc(sn.tensor([0.0, 1.0]))
    tensor([1.0000, 0.1573])
    """
    return erfc_array(double(input)).astype(input.dtype, copy=False)


@erfc.grad
def _(g, input):
    return g * exp(-(input * input)) * (-2 / _ROOT_PI)


@erfc.samples(reference=each(math.erfc))
def _(rng):
    yield from any_sign(rng)
    yield (np.array([3.0, 6.0]),)


@with_out
@op(promote="float")
def erfcx(input: Array) -> Array:
    """exp(input**2) erfc(input), elementwise.

    >>> import sensorium as sn
    >>> sn.special.erfcx(sn.tensor([0.0, 10.0]))
    tensor([1.0000, 0.0561])
    """
    return erfcx_array(double(input)).astype(input.dtype, copy=False)


@erfcx.grad
def _(g, input, y):
    return g * (2 * input * y - 2 / _ROOT_PI)


@erfcx.samples(reference=each(lambda v: math.exp(v * v) * math.erfc(v)), tolerance=1e-12)
def _(rng):
    yield from any_sign(rng)


# -- erfinv ----------------------------------------------------------------------------------------
@with_out
@op(promote="float")
def erfinv(input: Array) -> Array:
    """The x with erf(x) = input, elementwise: inf at 1, nan beyond.

    >>> import sensorium as sn
    >>> sn.special.erfinv(sn.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4769])
    """
    invert = _erfinv_array if input.dtype == np.float64 else _erfinv_narrow
    return invert(np.atleast_1d(double(input))).reshape(input.shape).astype(input.dtype, copy=False)


@erfinv.grad
def _(g, y):
    return g * exp(y * y) * (_ROOT_PI / 2)


@erfinv.samples(reference=each(lambda v: NormalDist().inv_cdf((v + 1) / 2) / _ROOT2))
def _(rng):
    yield from inside_one(rng)


# -- the normal distribution -----------------------------------------------------------------------
@with_out
@op(promote="float")
def ndtr(input: Array) -> Array:
    """The share of the standard normal distribution below input, elementwise.

    >>> import sensorium as sn
    >>> sn.special.ndtr(sn.tensor([0.0, 1.96]))
    tensor([0.5000, 0.9750])
    """
    return (erfc_array(double(input) / -_ROOT2) / 2).astype(input.dtype, copy=False)


@ndtr.grad
def _(g, input):
    return g * exp(input * input * -0.5) * (1 / math.sqrt(2 * math.pi))


@ndtr.samples(reference=each(NormalDist().cdf))
def _(rng):
    yield from any_sign(rng)


@with_out
@op(promote="float")
def log_ndtr(input: Array) -> Array:
    """log(ndtr(input)), elementwise, precise also far below 0.

    >>> import sensorium as sn
    >>> sn.special.log_ndtr(sn.tensor([-10.0, 0.0]))
    tensor([-53.2313,  -0.6931])
    """
    x = double(input)
    low = np.minimum(x, -1.0)
    below = np.log(erfcx_array(low / -_ROOT2) / 2) - low * low / 2
    above = np.log1p(erfc_array(np.maximum(x, -1.0) / _ROOT2) * -0.5)
    value = np.where(x < -1, below, above)
    return np.where(np.isnan(x), x, value).astype(input.dtype, copy=False)


@log_ndtr.grad
def _(g, input):
    return g * math.sqrt(2 / math.pi) / erfcx(input * (-1 / _ROOT2))


@log_ndtr.samples(reference=each(lambda v: math.log(math.erfc(-v / _ROOT2) / 2)))
def _(rng):
    yield from any_sign(rng)


@with_out
@op(promote="float")
def ndtri(input: Array) -> Array:
    """The x with ndtr(x) = input, elementwise: -inf at 0, inf at 1, nan outside.

    >>> import sensorium as sn
    >>> sn.special.ndtri(sn.tensor([0.5, 0.975]))
    tensor([0.0000, 1.9600])
    """
    p = double(input)
    inside = (p > 0) & (p < 1)
    tail = 2 * np.where(inside, np.minimum(p, 1 - p), 0.25)
    x = np.copysign(erfcinv_array(tail) * _ROOT2, p - 0.5)
    x = np.where(inside, np.where(p == 0.5, 0.0, x), np.nan)
    x = np.where(p == 0, -np.inf, np.where(p == 1, np.inf, x))
    return x.astype(input.dtype, copy=False)


@ndtri.grad
def _(g, y):
    return g * exp(y * y * 0.5) * math.sqrt(2 * math.pi)


@ndtri.samples(reference=each(NormalDist().inv_cdf))
def _(rng):
    for (x,) in inside_one(rng):
        yield ((x + 1) / 2,)
