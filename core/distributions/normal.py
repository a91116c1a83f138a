"""The normal distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..ops.special_error import erfinv
from ..random import normal
from ..tensor import Tensor
from . import constraints
from .distribution import NONE
from .exp_family import ExponentialFamily
from .utils import all_numbers, broadcast_all, standard_normal


class Normal(ExponentialFamily):
    """exp(-((x - loc) / scale)**2 / 2) / (scale sqrt(2 pi)).

    >>> Normal(0.0, 1.0).cdf(Normal(0.0, 1.0).mean)
    tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        shape = NONE if all_numbers(loc, scale) else self.loc.shape
        super().__init__(shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale**2."""
        return self.scale * self.scale

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Draws without a gradient."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return normal(ops.expand(self.loc, shape), ops.expand(self.scale, shape))

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """loc + scale * noise."""
        shape = self._extended_shape(sample_shape)
        return self.loc + standard_normal(shape, self.loc) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """-((x - loc) / scale)**2 / 2 - log(scale) - log(2 pi) / 2."""
        if self._validate_args:
            self._validate_sample(value)
        off = value - self.loc
        square = -(off * off) / (2 * self.variance)
        return square - ops.log(self.scale) - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Tensor) -> Tensor:
        """(1 + erf((x - loc) / (scale sqrt 2))) / 2."""
        if self._validate_args:
            self._validate_sample(value)
        return 0.5 * (1 + ops.erf((value - self.loc) / self.scale / math.sqrt(2)))

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale sqrt 2 erfinv(2 p - 1)."""
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        """log(scale) + (1 + log(2 pi)) / 2."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + ops.log(self.scale)

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return self.loc / self.variance, -0.5 / self.variance

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return -0.25 * x * x / y + 0.5 * ops.log(-math.pi / y)
