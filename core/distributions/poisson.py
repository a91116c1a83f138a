"""The Poisson distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..ops.draws import poisson
from ..ops.special_gamma import lgamma
from ..ops.special_log import xlogy
from ..tensor import Tensor
from . import constraints
from .distribution import NONE
from .exp_family import ExponentialFamily
from .utils import all_numbers, broadcast_all


class Poisson(ExponentialFamily):
    """rate**k exp(-rate) / k!, k = 0, 1, ...

    >>> Poisson(3.0).variance
    tensor(3.)
    """

    arg_constraints: ClassVar[Any] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        shape = NONE if all_numbers(rate) else self.rate.shape
        super().__init__(shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """rate."""
        return self.rate

    @property
    def mode(self) -> Tensor:
        """floor(rate)."""
        return ops.floor(self.rate)

    @property
    def variance(self) -> Tensor:
        """rate."""
        return self.rate

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Counts, in the type of the rate."""
        with no_grad():
            return poisson(ops.expand(self.rate, self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """k log(rate) - rate - log(k!)."""
        if self._validate_args:
            self._validate_sample(value)
        return xlogy(value, self.rate) - self.rate - lgamma(value + 1)

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (ops.log(self.rate),)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return ops.exp(x)
