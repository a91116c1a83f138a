"""The Dirichlet distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..errors import OptionError
from ..ops.draws import dirichlet
from ..ops.one_hot import one_hot
from ..ops.special_gamma import digamma, lgamma
from ..ops.special_log import xlogy
from ..tensor import Tensor
from . import constraints
from .distribution import NONE
from .exp_family import ExponentialFamily


class Dirichlet(ExponentialFamily):
    """Shares x that add up to 1: proportional to the product of x_k**(a_k - 1), a = concentration.

    >>> import sensorium as sn
    >>> Dirichlet(sn.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints: ClassVar[Any] = {
        "concentration": constraints.independent(constraints.positive, 1)
    }
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise OptionError("Dirichlet: concentration must have a dimension, got a number")
        self.concentration = concentration
        shape = tuple(concentration.shape)
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """Draws with the pathwise gradient of their marginals."""
        return dirichlet(ops.expand(self.concentration, self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum of (a_k - 1) log x_k, less the logarithm of the multivariate beta function."""
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return xlogy(a - 1, value).sum(-1) + lgamma(a.sum(-1)) - lgamma(a).sum(-1)

    @property
    def mean(self) -> Tensor:
        """a / sum(a)."""
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Tensor:
        """(a - 1) / sum(a - 1), with a of at least 1; a corner where all are smaller."""
        above = ops.clamp(self.concentration - 1, min=0.0)
        share = above / above.sum(-1, keepdim=True)
        flat = (self.concentration < 1).all(-1)
        corner = one_hot(share.detach().argmax(-1), share.shape[-1]).to(share.dtype)
        return ops.where(flat.unsqueeze(-1), corner, share)

    @property
    def variance(self) -> Tensor:
        """m (1 - m) / (sum(a) + 1), m the mean."""
        total = self.concentration.sum(-1, keepdim=True)
        mean = self.concentration / total
        return mean * (1 - mean) / (total + 1)

    def entropy(self) -> Tensor:
        """log B(a) - (K - sum(a)) digamma(sum(a)) - the sum of (a - 1) digamma(a)."""
        a = self.concentration
        total, k = a.sum(-1), a.shape[-1]
        log_beta = lgamma(a).sum(-1) - lgamma(total)
        return log_beta - (k - total) * digamma(total) - ((a - 1) * digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.concentration,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return lgamma(x).sum(-1) - lgamma(x.sum(-1))
