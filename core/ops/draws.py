"""Random draws beyond uniform and normal ones: poisson, binomial, gamma, Dirichlet; in place cauchy_,
geometric_, log_normal_, exponential_.

NumPy's generator draws on the CPU (``generator.py``). Where PyTorch lets a gradient pass, one passes:
zero through counts and through ``normal(mean, std)``, that of implicit reparameterisation through gamma
and Dirichlet variables (``draws_slopes.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device import CPU, device_of, move
from ..dtypes import CATEGORY, FLOAT
from ..errors import DTypeError, OpError
from ..generator import Generator, source_of
from ..random import overwrite, ready
from ..tensor import Tensor, wrap
from ._declare import Array, op
from .draws_slopes import dirichlet_slope, gamma_slope
from .reduce import _sum


# -- drawn values in the graph ---------------------------------------------------------------------
def _zeros(g: Any) -> Any:
    return wrap(np.zeros_like(g.array)) if isinstance(g, Tensor) else np.zeros_like(g)


@op
def _instead(input: Array, drawn: Any) -> Array:
    """Drawn numbers in place of input, which gets a gradient of zero."""
    return drawn.astype(input.dtype, copy=False)


@_instead.grad
def _(g):
    return _zeros(g)


@_instead.samples(reference=lambda x, drawn: drawn, smooth=False)
def _(rng):
    yield rng.normal(size=(2, 3)), np.ones((2, 3))


@op
def _gamma_drawn(concentration: Array, drawn: Any) -> Array:
    """Drawn gamma variables as a function of their concentration."""
    return drawn.astype(concentration.dtype, copy=False)


@_gamma_drawn.grad
def _(g, concentration, y):
    return g * gamma_slope(concentration, y)


@_gamma_drawn.samples(reference=lambda a, drawn: drawn, smooth=False)
def _(rng):
    yield np.array([0.5, 2.0]), np.array([0.7, 1.1])


@op
def _dirichlet_drawn(concentration: Array, drawn: Any) -> Array:
    """Drawn Dirichlet variables (..., K) as a function of their concentration."""
    return drawn.astype(concentration.dtype, copy=False)


@_dirichlet_drawn.grad
def _(g, concentration, y):
    rest = _sum(concentration, (-1,), True) - concentration
    return dirichlet_slope(concentration, rest, y) * (g - _sum(g * y, (-1,), True))


@_dirichlet_drawn.samples(reference=lambda a, drawn: drawn, smooth=False)
def _(rng):
    yield np.array([0.5, 2.0, 1.0]), np.array([0.2, 0.5, 0.3])


def _host(name: str, x: Any) -> Any:
    """The array of a tensor of floats, on the CPU."""
    if not isinstance(x, Tensor) or CATEGORY[x.dtype] != FLOAT:
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise DTypeError(f"{name}: want a floating-point tensor, got {kind}")
    return np.asarray(move(x.array, CPU))


def _back(drawn: Any, like: Tensor) -> Any:
    """Drawn numbers in the type and on the device of like."""
    return move(np.asarray(drawn).astype(like.dtype), device_of(like.array))


# -- counts ----------------------------------------------------------------------------------------
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts of the Poisson distribution, input the rates; in input's shape and type.

    >>> import sensorium as sn
    >>> sn.poisson(sn.zeros(2))
    tensor([0., 0.])
    """
    rate = _host("poisson", input)
    if rate.size and not rate.min() >= 0:
        raise OpError(f"poisson: rates must be at least 0, got {float(rate.min())}")
    return _instead(input, _back(source_of(generator).poisson(rate.astype(np.float64)), input))


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of count trials succeed, each with chance prob; the two broadcast.

    >>> import sensorium as sn
    >>> sn.binomial(sn.tensor([3.0, 3.0]), sn.tensor([0.0, 1.0]))
    tensor([0., 3.])
    """
    n, p = _host("binomial", count), _host("binomial", prob)
    trials = np.trunc(np.maximum(n, 0)).astype(np.int64)
    chance = np.clip(np.nan_to_num(p.astype(np.float64)), 0, 1)
    drawn = source_of(generator).binomial(trials, chance)
    return _instead(prob, _back(drawn, count))


# -- variables with a gradient ---------------------------------------------------------------------
def standard_gamma(concentration: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma variables of rate 1, positive, with the gradient of implicit reparameterisation.

    >>> import sensorium as sn
    >>> bool((standard_gamma(sn.full((4,), 0.5)) > 0).all())
    True
    """
    a = _host("standard_gamma", concentration)
    if a.size and not a.min() >= 0:
        raise OpError(f"standard_gamma: shapes must be at least 0, got {float(a.min())}")
    drawn = _back(source_of(generator).standard_gamma(a.astype(np.float64)), concentration)
    return _gamma_drawn(concentration, drawn.clip(_tiny(concentration)))


def _tiny(x: Tensor) -> Any:
    from ml_dtypes import finfo

    return x.dtype.type(finfo(x.dtype).tiny)


def dirichlet(concentration: Tensor, generator: Generator | None = None) -> Tensor:
    """Points of the simplex, (..., K) -> (..., K), with PyTorch's pathwise gradient.

    Drawn by logarithms of gamma variables, which small concentrations do not bring to 0.

    >>> import sensorium as sn
    >>> abs(dirichlet(sn.ones(3)).sum().item() - 1) < 1e-6
    True
    """
    a = _host("dirichlet", concentration).astype(np.float64)
    source = source_of(generator)
    size = np.log(source.standard_gamma(a + 1)) - source.standard_exponential(a.shape) / a
    share = np.exp(size - size.max(-1, keepdims=True, initial=-np.inf))
    drawn = _back(share / share.sum(-1, keepdims=True), concentration)
    return _dirichlet_drawn(concentration, drawn.clip(_tiny(concentration)))


# -- in place --------------------------------------------------------------------------------------
def _positive(name: str, what: str, value: float) -> None:
    if not value > 0:
        raise OpError(f"{name}: {what} must be positive, got {value}")


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with values of the exponential distribution: density lambd exp(-lambd x).

    >>> import sensorium as sn
    >>> bool((sn.rand(3).exponential_(2.0) >= 0).all())
    True
    """
    ready("exponential_", self)
    _positive("exponential_", "lambd", lambd)
    drawn = np.asarray(source_of(generator).standard_exponential(tuple(self.shape)))
    return overwrite("exponential_", self, drawn / lambd)


def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with values of the Cauchy distribution: density sigma / (pi (sigma**2 + (x - median)**2)).

    >>> import sensorium as sn
    >>> sn.rand(3).cauchy_().shape
    sensorium.Size([3])
    """
    ready("cauchy_", self)
    _positive("cauchy_", "sigma", sigma)
    drawn = np.asarray(source_of(generator).standard_cauchy(tuple(self.shape)))
    return overwrite("cauchy_", self, drawn * sigma + median)


def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with exp of normal values of this mean and standard deviation.

    >>> import sensorium as sn
    >>> bool((sn.rand(3).log_normal_() > 0).all())
    True
    """
    ready("log_normal_", self)
    _positive("log_normal_", "std", std)
    drawn = np.asarray(source_of(generator).standard_normal(tuple(self.shape)))
    return overwrite("log_normal_", self, np.exp(drawn * std + mean))


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with the number of trials up to the first success, each of chance p: 1, 2, ...

    >>> import sensorium as sn
    >>> bool((sn.rand(3).geometric_(0.5) >= 1).all())
    True
    """
    ready("geometric_", self, 1)
    if not 0 < p < 1:
        raise OpError(f"geometric_: p must lie in (0, 1), got {p}")
    drawn = np.asarray(source_of(generator).geometric(p, tuple(self.shape)))
    return overwrite("geometric_", self, drawn)
