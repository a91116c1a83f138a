"""The generalized Pareto distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..random import rand
from ..tensor import Tensor
from . import constraints
from .distribution import NONE, Distribution
from .utils import all_numbers, broadcast_all


class GeneralizedPareto(Distribution):
    """(1 + c z)**(-1 / c - 1) / scale, z = (x - loc) / scale: what exceeds a threshold.

    c = concentration: 0 gives the exponential distribution; below 0, z ends at -1 / c.

    >>> GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        numbers = all_numbers(loc, scale, concentration)
        super().__init__(NONE if numbers else self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        """From loc on; up to loc - scale / c for c < 0."""
        c = ops.where(self.concentration < 0, self.concentration, -1.0)
        upper = ops.where(self.concentration < 0, self.loc - self.scale / c, math.inf)
        return constraints.interval(self.loc, upper)

    def _parts(self) -> tuple[Tensor, Tensor]:
        """Where c is 0, and c with 1 in these places."""
        zero = ops.isclose(self.concentration, self.concentration.new_zeros(()))
        return zero, ops.where(zero, 1.0, self.concentration)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """The quantile of uniform values."""
        shape = self._extended_shape(sample_shape)
        return self.icdf(rand(*shape, dtype=self.loc.dtype, device=self.loc.device))

    def _z(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """-(1 + 1 / c) log(1 + c z) - log(scale)."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, c = self._parts()
        power = ops.where(zero, z, (1 + 1 / c) * ops.log1p(c * z))
        return -power - ops.log(self.scale)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log(1 - cdf(x)) = -log(1 + c z) / c."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, c = self._parts()
        return -ops.where(zero, z, ops.log1p(c * z) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log(cdf(x))."""
        return ops.log1p(-ops.exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        """1 - (1 + c z)**(-1 / c)."""
        return -ops.expm1(self.log_survival_function(value))

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale ((1 - p)**-c - 1) / c."""
        zero, c = self._parts()
        logs = ops.log1p(-value)
        return self.loc + self.scale * ops.where(zero, -logs, ops.expm1(-c * logs) / c)

    @property
    def mean(self) -> Tensor:
        """loc + scale / (1 - c), nan for c >= 1, as in PyTorch."""
        c = ops.where(self.concentration < 1, self.concentration, 0.5)
        return ops.where(self.concentration < 1, self.loc + self.scale / (1 - c), math.nan)

    @property
    def variance(self) -> Tensor:
        """scale**2 / ((1 - c)**2 (1 - 2 c)), nan for c >= 1 / 2, as in PyTorch."""
        c = ops.where(self.concentration < 0.5, self.concentration, 0.25)
        value = self.scale * self.scale / ((1 - c) ** 2 * (1 - 2 * c))
        return ops.where(self.concentration < 0.5, value, math.nan)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    def entropy(self) -> Tensor:
        """log(scale) + c + 1."""
        return ops.log(self.scale) + self.concentration + 1
