"""The gamma distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..limits import finfo
from ..ops.draws import standard_gamma
from ..ops.special_gamma import digamma, lgamma
from ..ops.special_gammainc import gammainc
from ..ops.special_log import xlogy
from ..tensor import Tensor
from . import constraints
from .distribution import NONE
from .exp_family import ExponentialFamily
from .utils import all_numbers, broadcast_all


class Gamma(ExponentialFamily):
    """rate**a x**(a - 1) exp(-rate x) / gamma(a), a = concentration, x >= 0.

    >>> Gamma(3.0, 2.0).mean
    tensor(1.5000)
    """

    arg_constraints: ClassVar[Any] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        shape = NONE if all_numbers(concentration, rate) else self.concentration.shape
        super().__init__(shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """concentration / rate."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """(concentration - 1) / rate, at least 0."""
        return ops.clamp((self.concentration - 1) / self.rate, min=0)

    @property
    def variance(self) -> Tensor:
        """concentration / rate**2."""
        return self.concentration / (self.rate * self.rate)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """Gamma variables of rate 1, over rate; positive."""
        shape = self._extended_shape(sample_shape)
        drawn = standard_gamma(ops.expand(self.concentration, shape)) / self.rate
        tiny = float(finfo(drawn.dtype).tiny)
        return ops.where(drawn.detach() < tiny, tiny, drawn)

    def log_prob(self, value: Tensor) -> Tensor:
        """a log(rate) + (a - 1) log(x) - rate x - log gamma(a)."""
        if self._validate_args:
            self._validate_sample(value)
        a, rate = self.concentration, self.rate
        return xlogy(a, rate) + xlogy(a - 1, value) - rate * value - lgamma(a)

    def cdf(self, value: Tensor) -> Tensor:
        """The share of gamma(a) below rate x."""
        if self._validate_args:
            self._validate_sample(value)
        return gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        """a - log(rate) + log gamma(a) + (1 - a) digamma(a)."""
        a = self.concentration
        return a - ops.log(self.rate) + lgamma(a) + (1 - a) * digamma(a)

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return lgamma(x + 1) - (x + 1) * ops.log(-y)
