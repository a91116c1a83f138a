"""The inverse gamma distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..ops.special_gamma import digamma, lgamma
from ..tensor import Tensor
from . import constraints
from .gamma import Gamma
from .transformed_distribution import TransformedDistribution
from .transforms import PowerTransform


class InverseGamma(TransformedDistribution):
    """1 / x, x a gamma variable of this concentration and rate.

    >>> InverseGamma(3.0, 2.0).mean
    tensor(1.)
    """

    arg_constraints: ClassVar[Any] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.positive
    has_rsample: Any = True
    base_dist: Gamma

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        inverse = PowerTransform(exponent=base.rate.new_full((), -1))
        super().__init__(base, inverse, validate_args=validate_args)

    @property
    def concentration(self) -> Tensor:
        """The gamma variable's."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """The gamma variable's."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        """rate / (a - 1), inf for a <= 1, a = concentration."""
        return ops.where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        """rate / (a + 1)."""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        """rate**2 / ((a - 1)**2 (a - 2)), inf for a <= 2."""
        a = self.concentration
        value = self.rate * self.rate / ((a - 1) ** 2 * (a - 2))
        return ops.where(a > 2, value, math.inf)

    def entropy(self) -> Tensor:
        """a + log(rate) + log gamma(a) - (1 + a) digamma(a)."""
        a = self.concentration
        return a + ops.log(self.rate) + lgamma(a) - (1 + a) * digamma(a)
