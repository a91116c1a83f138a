"""How a drawn gamma or beta variable moves with its parameter, its level held.

Implicit reparameterisation (Figurnov, Mohamed and Mnih, 2018; Jankowiak and Obermeyer, 2018): with F
the distribution function and p the density, dx/da = -(dF/da) / p. As the mean of the score is 0, that
is an integral over either tail of (log t - its mean) p(t) / p(x); over the tail where it does not
cancel, Gauss and Legendre's rule gives about 1e-11 (PyTorch has 1e-3). Left out, as in PyTorch: the
second derivative, which is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..autograd.function import Function
from ..errors import AutogradError
from ..tensor import Tensor, wrap
from .special_gamma import digamma_array

_NODES = 80
_DEPTH = 38.0
"""Integrands are followed down to exp(-38) of their first value."""
_TINY = np.finfo(np.float64).tiny
_CHUNK = 4096
"""Elements at a time: each takes 80 numbers."""


# -- the slope of a gamma variable in its shape ----------------------------------------------------
@cache
def _rule() -> tuple[Any, Any]:
    """Points and weights on [0, 1], the points gathered at 0: w -> w**4."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    x, w = (x + 1) / 2, w / 2
    return x**4, 4 * x**3 * w


def _reach(exponent: Any, most: Any) -> Any:
    """Where exponent (0 at 0) comes down to -38, below most: by bisection."""
    low, high = most * 0, most
    for _ in range(34):
        middle = (low + high) / 2
        deep = exponent(middle) < -_DEPTH
        low, high = np.where(deep, low, middle), np.where(deep, middle, high)
    return high


def _integral(values: Any, exponent: Any, most: Any) -> Any:
    """The integral of values(s) exp(exponent(s)) over s > 0, a column an element."""
    s, w = (np.asarray(v, like=most) for v in _rule())
    reach = _reach(exponent, most)
    points = s[:, None] * reach
    return (w[:, None] * values(points) * np.exp(exponent(points))).sum(0) * reach


def gamma_slope_array(a: Any, x: Any) -> Any:
    """dx/da of a gamma(a) variable at x, flat float64 arrays."""
    mean = digamma_array(a)  # of log x
    log_x = np.log(x)
    low, high = np.minimum(x, np.maximum(a, 1.0)), np.maximum(x, np.maximum(a, 1.0))
    below = (x / a) * _integral(
        lambda s: (mean - log_x) + s / a, lambda s: -s - low * np.expm1(-s / a), 40 + low
    )
    above = high * _integral(
        lambda u: np.log(high) + u - mean,
        lambda u: a * u - high * np.expm1(u),
        np.sqrt(2 * (_DEPTH + 2) / high),
    )
    return np.where(x <= np.maximum(a, 1.0), below, above)


def beta_slope_array(a: Any, b: Any, x: Any) -> Any:
    """dx/da of a beta(a, b) variable at x, flat float64 arrays."""
    mean = digamma_array(a) - digamma_array(a + b)  # of log x
    edge = np.maximum(a, 1.0) / (np.maximum(a, 1.0) + np.maximum(b, 1.0))
    low, high = np.minimum(x, edge), np.maximum(x, edge)
    below = (low / a) * _integral(
        lambda s: (mean - np.log(low)) + s / a,
        lambda s: -s + (b - 1) * _log_ratio(low, s / a),
        40 - np.maximum(b - 1, 0) * np.log1p(-low),
    )
    rest = 1 - high
    above = (rest / b) * _integral(
        lambda r: np.log1p(-rest * np.exp(-r / b)) - mean,
        lambda r: -r + (a - 1) * _log_ratio(rest, r / b),
        40 - np.maximum(a - 1, 0) * np.log(high),
    )
    return np.where(x <= edge, below, above)


def _log_ratio(x: Any, t: Any) -> Any:
    """log((1 - x exp(-t)) / (1 - x))."""
    return np.log1p(-x * np.expm1(-t) / (1 - x))


# -- arrays and tensors ----------------------------------------------------------------------------
def _by_chunks(function: Callable[..., Any], *arrays: Any) -> Any:
    """The function on float64 vectors, in the shape that the arrays broadcast to and the first's type."""
    shape = np.broadcast_shapes(*(v.shape for v in arrays))
    flat = [np.broadcast_to(v, shape).reshape(-1).astype(np.float64) for v in arrays]
    out = np.empty_like(flat[0])
    for start in range(0, out.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        out[part] = function(*(v[part] for v in flat))
    return out.reshape(shape).astype(arrays[0].dtype, copy=False)


class _Constant(Function):
    """A slope in a recorded backward: its own derivative is refused."""

    @staticmethod
    def forward(ctx: Any, slope: Any, *inputs: Tensor) -> Tensor:  # type: ignore[override]
        return wrap(slope(*(v.array for v in inputs)))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise AutogradError("rsample: a drawn gamma or Dirichlet value has no second derivative")


def _served(slope: Callable[..., Any], *inputs: Any) -> Any:
    """The slope of arrays, or of Tensors where the graph of the gradient is wanted."""
    return _Constant.apply(slope, *inputs) if isinstance(inputs[0], Tensor) else slope(*inputs)


def gamma_slope(concentration: Any, value: Any) -> Any:
    """dx/da of a gamma(a) variable, a = concentration, at x = value."""

    def slope(a: Any, x: Any) -> Any:
        return gamma_slope_array(a, np.maximum(x, _TINY))

    return _served(lambda a, x: _by_chunks(slope, a, x), concentration, value)


def dirichlet_slope(concentration: Any, other: Any, value: Any) -> Any:
    """dx/da / (1 - x) of a beta(a, b) variable, a = concentration, b = other, at x = value."""

    def slope(a: Any, b: Any, x: Any) -> Any:
        x = np.clip(x, _TINY, 1 - 1e-16)
        return beta_slope_array(a, b, x) / (1 - x)

    return _served(lambda a, b, x: _by_chunks(slope, a, b, x), concentration, other, value)
