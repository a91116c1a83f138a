"""gelu in both its forms, and erf, which the exact one is made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..errors import DTypeError
from ._declare import Array, op
from ._out import with_out
from .activation import _away_from, _each
from .exponential import exp
from .trigonometry import tanh

_SQRT_HALF, _SQRT_2_PI = math.sqrt(0.5), math.sqrt(2 / math.pi)
_INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)


@with_out
@op(promote="float")
def erf(input: Array) -> Array:
    """The error function 2/sqrt(pi) * integral of exp(-t**2) from 0 to input, elementwise.

    Rational approximation by Cody, "Rational Chebyshev approximations for the error function" (1969),
    accurate to the last bits of float64.

    >>> import sensorium as sn
    >>> sn.erf(sn.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """
    from ._erf import erf_array

    return erf_array(input)


@erf.grad
def _(g, input):
    return g * (exp(-(input * input)) * (2 / math.sqrt(math.pi)))


@erf.samples(reference=_each(math.erf), tolerance=1e-14)
def _(rng):
    yield from _away_from()(rng)


@op(promote="float")
def _gelu_erf(input: Array) -> Array:
    """input * Phi(input), Phi the distribution function of the standard normal."""
    x = input.astype(np.float32) if input.itemsize == 2 else input  # half types are too coarse
    return (x * ((1 + erf(x * _SQRT_HALF)) * 0.5)).astype(input.dtype, copy=False)


@_gelu_erf.grad
def _(g, input):
    return _gelu_erf_backward(g, input)


@_gelu_erf.fast("onednn", when=onednn.takes_costly_eltwise, least=1024)
def _(input):
    return onednn.eltwise("gelu", input)


@_gelu_erf.samples(
    reference=_each(lambda v: v * 0.5 * math.erfc(-v / math.sqrt(2))), tolerance=1e-10
)
def _(rng):
    yield from _away_from()(rng)


@op
def _gelu_erf_backward(g: Array, input: Array) -> Array:
    """g (Phi(input) + input phi(input)), with phi the density of the standard normal."""
    phi = (1 + erf(input * _SQRT_HALF)) * 0.5
    slope = phi + input * (np.exp(input * input * -0.5) * _INV_SQRT_2PI)
    return (g * slope).astype(g.dtype, copy=False)


@_gelu_erf_backward.grad
def _(h, g, input):
    density = exp(input * input * -0.5) * _INV_SQRT_2PI
    return _gelu_erf_backward(h, input), h * g * (density * (2 - input * input))


@_gelu_erf_backward.fast("onednn", when=onednn.takes_eltwise_backward, least=8192)
def _(g, input):
    return onednn.eltwise_backward("gelu", g, input)


def _slope(v: float) -> float:
    """The derivative of v Phi(v)."""
    return 0.5 * math.erfc(-v / math.sqrt(2)) + v * math.exp(-v * v / 2) * _INV_SQRT_2PI


@_gelu_erf_backward.samples(reference=lambda g, x: g * _each(_slope)(x), tolerance=1e-10)
def _(rng):
    for (x,) in _away_from()(rng):
        yield rng.normal(size=x.shape), x


@op(promote="float")
def _gelu_tanh(input: Array) -> Array:
    """0.5 input (1 + tanh(sqrt(2/pi) (input + 0.044715 input**3)))."""
    x = input.astype(np.float32) if input.itemsize == 2 else input
    return (0.5 * x * (1 + np.tanh(_SQRT_2_PI * (x + 0.044715 * x * x * x)))).astype(
        input.dtype, copy=False
    )


@_gelu_tanh.grad
def _(g, input):
    return _gelu_tanh_backward(g, input)


@_gelu_tanh.fast("onednn", when=onednn.takes_costly_eltwise, least=1024)
def _(input):
    return onednn.eltwise("gelu_tanh", input)


@_gelu_tanh.samples(
    reference=_each(lambda v: v / (1 + math.exp(-2 * _SQRT_2_PI * (v + 0.044715 * v**3)))),
    tolerance=1e-10,
)
def _(rng):
    yield from _away_from()(rng)


@op
def _gelu_tanh_backward(g: Array, input: Array) -> Array:
    """g times the derivative of the tanh form."""
    return (g * _tanh_slope(input)).astype(g.dtype, copy=False)


def _tanh_slope(x: Any) -> Any:
    t = tanh(_SQRT_2_PI * (x + 0.044715 * x * x * x))
    inner = _SQRT_2_PI * (1 + 3 * 0.044715 * x * x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner


@_gelu_tanh_backward.grad
def _(h, g, input):
    t = tanh(_SQRT_2_PI * (input + 0.044715 * input * input * input))
    inner = _SQRT_2_PI * (1 + 3 * 0.044715 * input * input)
    change = inner - input * t * inner * inner + _SQRT_2_PI * 3 * 0.044715 * input * input
    return _gelu_tanh_backward(h, input), h * g * ((1 - t * t) * change)


@_gelu_tanh_backward.fast("onednn", when=onednn.takes_eltwise_backward, least=8192)
def _(g, input):
    return onednn.eltwise_backward("gelu_tanh", g, input)


def _slow_tanh_slope(v: float) -> float:
    u = _SQRT_2_PI * (v + 0.044715 * v**3)
    return 0.5 * (1 + math.tanh(u)) + 0.5 * v / math.cosh(u) ** 2 * _SQRT_2_PI * (
        1 + 0.134145 * v * v
    )


@_gelu_tanh_backward.samples(reference=lambda g, x: g * _each(_slow_tanh_slope)(x), tolerance=1e-9)
def _(rng):
    for (x,) in _away_from()(rng):
        yield rng.normal(size=x.shape), x


@with_out
def gelu(input: Any, approximate: str = "none") -> Any:
    """input * Phi(input), elementwise; approximate="tanh" uses tanh for Phi.

    tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x**3))). Source: Hendrycks and Gimpel (2016).

    >>> import sensorium as sn
    >>> sn.nn.functional.gelu(sn.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8413])
    """
    if approximate == "none":
        return _gelu_erf(input)
    if approximate != "tanh":
        raise DTypeError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return _gelu_tanh(input)
