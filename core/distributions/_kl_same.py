"""Divergences of two distributions of one family."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..autograd import enable_grad
from ..autograd.engine import grad
from ..errors import UndefinedError
from ..ops.special_gamma import digamma, lgamma
from ..tensor import Tensor
from ._matrices import identity, log_diagonal, mahalanobis, solve_lower, squared_norm
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .kl import kl_divergence, register_kl
from .laplace import Laplace
from .lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    lowrank_log_det,
    lowrank_mahalanobis,
)
from .multivariate_normal import MultivariateNormal
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import euler_constant, sum_rightmost


# -- chances and counts ----------------------------------------------------------------------------
def _gain(p: Tensor, q: Tensor) -> Tensor:
    """p log(p / q): 0 where p is 0, inf where q is 0 and p is not."""
    value = p * (ops.log(p) - ops.log(q))
    value = ops.where(q == 0, math.inf, value)
    return ops.where(p == 0, 0.0, value)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Tensor:
    return _gain(p.probs, q.probs) + _gain(1 - p.probs, 1 - q.probs)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    """n times that of a trial, for equal n; inf where p has more trials."""
    if bool((p.total_count < q.total_count).any()):
        raise UndefinedError(
            "kl_divergence: no closed form for binomials with p's count the smaller"
        )
    value = p.total_count * (
        p.probs * (p.logits - q.logits) + ops.log1p(-p.probs) - ops.log1p(-q.probs)
    )
    return ops.where(p.total_count > q.total_count, math.inf, value)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Tensor:
    value = p.probs * (p.logits - q.logits)
    value = ops.where(ops.expand(q.probs == 0, tuple(value.shape)), math.inf, value)
    value = ops.where(ops.expand(p.probs == 0, tuple(value.shape)), 0.0, value)
    return value.sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - ops.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (ops.log(p.rate) - ops.log(q.rate)) - (p.rate - q.rate)


# -- numbers ---------------------------------------------------------------------------------------
@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio = p.scale / q.scale
    off = (p.loc - q.loc) / q.scale
    return 0.5 * (ratio * ratio + off * off - 1) - ops.log(ratio)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ops.log(ratio) - 1


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    shape = lgamma(b) - lgamma(a) + (a - b) * digamma(a)
    return b * ops.log(p.rate / q.rate) + shape + (q.rate - p.rate) * (a / p.rate)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Tensor:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    norm = lgamma(a.sum(-1)) - lgamma(b.sum(-1)) + (lgamma(b) - lgamma(a)).sum(-1)
    return norm + ((a - b) * (digamma(a) - digamma(a.sum(-1, keepdim=True)))).sum(-1)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Tensor:
    slope = p.mean * (p.logits - q.logits)
    norm = p._cont_bern_log_norm() - q._cont_bern_log_norm()
    return slope + norm + ops.log1p(-p.probs) - ops.log1p(-q.probs)


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Tensor:
    ratio = p.scale / q.scale
    off = (q.loc - p.loc) / q.scale
    tail = ops.exp(off + lgamma(1 + ratio))
    return -ops.log(ratio) + euler_constant * (ratio - 1) + tail - 1 - off


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Tensor:
    ratio, off = p.scale / q.scale, ops.abs(p.loc - q.loc)
    return -ops.log(ratio) + off / q.scale + ratio * ops.exp(-off / p.scale) - 1


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    """F. Chyzak and F. Nielsen, "A closed-form formula for the KL divergence of Cauchys", 2019."""
    total, off = p.scale + q.scale, p.loc - q.loc
    return ops.log(total * total + off * off) - ops.log(4 * p.scale * q.scale)


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Tensor:
    start = p.scale / q.scale
    ratio = q.alpha / p.alpha
    value = q.alpha * ops.log(start) - ops.log(ratio) + ratio - 1
    return ops.where(start < 1, math.inf, value)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Tensor:
    value = ops.log((q.high - q.low) / (p.high - p.low))
    return ops.where((q.low > p.low) | (q.high < p.high), math.inf, value)


# -- vectors ---------------------------------------------------------------------------------------
def _want_alike(p: Any, q: Any) -> None:
    if p.event_shape != q.event_shape:
        raise UndefinedError(
            f"kl_divergence: event shapes differ, {tuple(p.event_shape)} and {tuple(q.event_shape)}"
        )


def _half_log_det(d: Any) -> Tensor:
    if isinstance(d, LowRankMultivariateNormal):
        return 0.5 * lowrank_log_det(d._unbroadcasted_cov_diag, d._capacitance_tril)
    return log_diagonal(d._unbroadcasted_scale_tril)


def _distance(q: Any, off: Tensor) -> Tensor:
    """off^T C**-1 off, C q's covariance."""
    if isinstance(q, LowRankMultivariateNormal):
        factor, diag = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag
        return lowrank_mahalanobis(factor, diag, off, q._capacitance_tril)
    return mahalanobis(q._unbroadcasted_scale_tril, off)


def _trace(p: Any, q: Any) -> Tensor:
    """tr(C_q**-1 C_p), C_p = A A^T or W W^T + D."""
    if not isinstance(p, LowRankMultivariateNormal):
        return _inverse_trace(q, p._unbroadcasted_scale_tril)
    root = ops.sqrt(p._unbroadcasted_cov_diag)
    along = _inverse_trace(q, p._unbroadcasted_cov_factor)
    return along + _inverse_trace(q, root.unsqueeze(-1) * identity(root))


def _inverse_trace(q: Any, matrix: Tensor) -> Tensor:
    """tr(A^T C_q**-1 A)."""
    if not isinstance(q, LowRankMultivariateNormal):
        return squared_norm(solve_lower(q._unbroadcasted_scale_tril, matrix))
    scaled = q._unbroadcasted_cov_factor.mT / q._unbroadcasted_cov_diag.unsqueeze(-2)
    direct = (matrix * matrix / q._unbroadcasted_cov_diag.unsqueeze(-1)).sum((-2, -1))
    return direct - squared_norm(solve_lower(q._capacitance_tril, scaled @ matrix))


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Tensor:
    """log det C_q / C_p / 2 + (tr(C_q**-1 C_p) + off^T C_q**-1 off - n) / 2."""
    _want_alike(p, q)
    square = _trace(p, q) + _distance(q, q.loc - p.loc)
    return _half_log_det(q) - _half_log_det(p) + 0.5 * (square - p.event_shape[0])


# -- made of others --------------------------------------------------------------------------------
@register_kl(ExponentialFamily, ExponentialFamily)
def _family(p: Any, q: Any) -> Tensor:
    """Bregman's divergence of the log normalizer (Nielsen and Nock, 2010), within one family."""
    if type(p) is not type(q):
        raise UndefinedError(
            f"kl_divergence: no closed form is known for ({type(p).__name__}, {type(q).__name__})"
        )
    eta_p = tuple(v if v.requires_grad else v.detach().requires_grad_() for v in p._natural_params)
    eta_q = q._natural_params
    with enable_grad():
        normalizer = p._log_normalizer(*eta_p)
        slopes = grad(normalizer.sum(), eta_p, create_graph=True)
    value = q._log_normalizer(*eta_q) - normalizer
    for a, b, slope in zip(eta_p, eta_q, slopes):
        value = value - sum_rightmost((b - a) * slope, len(q.event_shape))
    return value


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    """The bases', where both go through the same transforms."""
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise UndefinedError("kl_divergence: no closed form for different transforms")
    value = kl_divergence(p.base_dist, q.base_dist)
    extra = len(p.event_shape) - len(p.base_dist.event_shape)
    return sum_rightmost(value, max(extra, 0))


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Tensor:
    """The bases', summed over the event."""
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise UndefinedError("kl_divergence: no closed form for different reinterpreted dimensions")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
