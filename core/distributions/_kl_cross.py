"""Divergences of distributions of two families: -entropy(p) - the mean over p of log q.

log q is linear in a few statistics of x, so each q has one function of p's means: of x, x**2, log x,
log(1 - x), exp(-x / s). Where p goes beyond q's support, the divergence is inf.
"""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..ops.special_gamma import digamma, lgamma
from ..tensor import Tensor
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant


def _pairs(ps: Any, q: type) -> Any:
    """Register a function for every class of ps with q."""

    def attach(function: Any) -> Any:
        for p in ps:
            register_kl(p, q)(function)
        return function

    return attach


# -- beyond the support: inf -----------------------------------------------------------------------
def _beyond(p: Any, q: Any) -> Tensor:
    """inf, whatever the parameters."""
    shape = ops.broadcast_shapes(tuple(p.batch_shape), tuple(q.batch_shape))
    like = p.mean
    return like.new_full(shape, math.inf)


_LINE = (Gumbel, Laplace, Normal)
_HALF_LINE = (Exponential, Gamma, Pareto)
for _q in (Uniform, Beta, ContinuousBernoulli):
    _pairs((*(c for c in (*_LINE, *_HALF_LINE)),), _q)(_beyond)
_pairs((Beta, ContinuousBernoulli, Exponential, Gamma, *_LINE), Pareto)(_beyond)
_pairs(_LINE, Exponential)(_beyond)
_pairs(_LINE, Gamma)(_beyond)
_pairs((Poisson,), Bernoulli)(_beyond)
_pairs((Poisson,), Binomial)(_beyond)


# -- means of statistics over p --------------------------------------------------------------------
def _mean_log(p: Any) -> Tensor:
    """The mean of log x."""
    if isinstance(p, Beta):
        return digamma(p.concentration1) - digamma(p.concentration1 + p.concentration0)
    if isinstance(p, Exponential):
        return -ops.log(p.rate) - euler_constant
    if isinstance(p, Gamma):
        return digamma(p.concentration) - ops.log(p.rate)
    if isinstance(p, Pareto):
        return ops.log(p.scale) + 1 / p.alpha
    return _over(p, _x_log_x)


def _x_log_x(x: Tensor) -> Tensor:
    """The integral of log x: x log x - x, 0 at 0."""
    return x * ops.log(ops.where(x > 0, x, 1.0)) - x


def _over(p: Uniform, integral: Any) -> Tensor:
    """The mean over p of what integral is the integral of."""
    return (integral(p.high) - integral(p.low)) / (p.high - p.low)


def _mean_exp(p: Any, scale: Tensor) -> Tensor:
    """The mean of exp(-x / scale)."""
    if isinstance(p, Exponential):
        return p.rate / (p.rate + 1 / scale)
    if isinstance(p, Gamma):
        return ops.exp(-p.concentration * ops.log1p(1 / (p.rate * scale)))
    if isinstance(p, Normal):
        ratio = p.scale / scale
        return ops.exp(-p.loc / scale + 0.5 * ratio * ratio)
    return _over(p, lambda x: -scale * ops.exp(-x / scale))


def _outside(p: Any, value: Tensor, low: Any = None, high: Any = None) -> Tensor:
    """value, and inf where the uniform or Pareto p begins below low or ends above high."""
    if low is not None:
        value = ops.where(p.low < low, math.inf, value)
    return value if high is None else ops.where(p.high > high, math.inf, value)


def _settled(p: Any, least: int) -> Any:
    """A Pareto p with another alpha where its is at most least: no nan in gradients that are masked."""
    if not isinstance(p, Pareto):
        return p
    return Pareto(p.scale, ops.where(p.alpha <= least, 3.0, p.alpha), validate_args=False)


def _wild(p: Any, least: int, value: Tensor) -> Tensor:
    """value, and inf where a Pareto p has no moment of order least."""
    return ops.where(p.alpha <= least, math.inf, value) if isinstance(p, Pareto) else value


# -- q by q ----------------------------------------------------------------------------------------
@_pairs((Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform), Normal)
def _to_normal(p: Any, q: Any) -> Tensor:
    tame = _settled(p, 2)
    off = tame.mean - q.loc
    square = (tame.variance + off * off) / (q.scale * q.scale)
    value = -p.entropy() + 0.5 * math.log(2 * math.pi) + ops.log(q.scale) + 0.5 * square
    return _wild(p, 2, value)


@_pairs((Beta, ContinuousBernoulli, Gamma, Pareto, Uniform), Exponential)
def _to_exponential(p: Any, q: Any) -> Tensor:
    value = -p.entropy() - ops.log(q.rate) + q.rate * _settled(p, 1).mean
    value = _wild(p, 1, value)
    return _outside(p, value, low=0) if isinstance(p, Uniform) else value


@_pairs((Beta, Exponential, Pareto, Uniform), Gamma)
def _to_gamma(p: Any, q: Any) -> Tensor:
    norm = lgamma(q.concentration) - q.concentration * ops.log(q.rate)
    value = -p.entropy() + norm - (q.concentration - 1) * _mean_log(p)
    value = _wild(p, 1, value + q.rate * _settled(p, 1).mean)
    return _outside(p, value, low=0) if isinstance(p, Uniform) else value


@_pairs((Beta, ContinuousBernoulli), Uniform)
def _to_uniform(p: Any, q: Any) -> Tensor:
    value = -p.entropy() + ops.log(q.high - q.low)
    return ops.where((q.low > 0) | (q.high < 1), math.inf, value)


@_pairs((Beta, Uniform), ContinuousBernoulli)
def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    value = -p.entropy() - p.mean * q.logits - ops.log1p(-q.probs) - q._cont_bern_log_norm()
    return _outside(p, value, low=0, high=1) if isinstance(p, Uniform) else value


@_pairs((Uniform,), Beta)
def _to_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    log_beta = lgamma(a) + lgamma(b) - lgamma(a + b)
    rest = _over(p, lambda x: -_x_log_x(1 - x))  # the mean of log(1 - x)
    value = -p.entropy() - (a - 1) * _mean_log(p) - (b - 1) * rest + log_beta
    return _outside(p, value, low=0, high=1)


@_pairs((Uniform,), Pareto)
def _to_pareto(p: Any, q: Any) -> Tensor:
    norm = ops.log(q.alpha) + q.alpha * ops.log(q.scale)
    value = -p.entropy() - norm + (q.alpha + 1) * _mean_log(p)
    return _outside(p, value, low=q.scale)


@_pairs((Exponential, Gamma, Normal, Uniform), Gumbel)
def _to_gumbel(p: Any, q: Any) -> Tensor:
    start = q.loc / q.scale
    tail = ops.exp(start) * _mean_exp(p, q.scale)
    return -p.entropy() + ops.log(q.scale) + p.mean / q.scale - start + tail


@_pairs((Normal,), Laplace)
def _to_laplace(p: Any, q: Any) -> Tensor:
    off = (p.loc - q.loc) / p.scale  # the mean of |x - loc| is that of a folded normal
    fold = math.sqrt(2 / math.pi) * ops.exp(-0.5 * off * off) + off * ops.erf(off / math.sqrt(2))
    return -p.entropy() + ops.log(2 * q.scale) + p.scale * fold / q.scale


@_pairs((Bernoulli,), Poisson)
def _to_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * ops.log(q.rate) - q.rate)
