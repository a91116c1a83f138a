# ruff: noqa: N999  (the module is named as in PyTorch)
"""Student's t distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..ops.special_gamma import digamma, lgamma
from ..tensor import Tensor
from . import constraints
from .chi2 import Chi2
from .distribution import NONE, Distribution
from .utils import all_numbers, broadcast_all, standard_normal


class StudentT(Distribution):
    """Proportional to (1 + ((x - loc) / scale)**2 / df)**(-(df + 1) / 2).

    >>> StudentT(4.0).variance
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        shape = NONE if all_numbers(df) and all_numbers(loc, scale) else self.df.shape
        super().__init__(shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        new._chi2 = self._chi2.expand(batch_shape)
        return new

    @property
    def mean(self) -> Tensor:
        """loc, nan for df <= 1."""
        return ops.where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale**2 df / (df - 2) for df > 2; inf for df in (1, 2], nan below."""
        df = ops.where(self.df > 2, self.df, 3.0)
        value = ops.where(self.df > 2, self.scale * self.scale * df / (df - 2), math.inf)
        return ops.where(self.df <= 1, math.nan, value)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """loc + scale * normal noise / sqrt(chi2 / df)."""
        shape = self._extended_shape(sample_shape)
        noise = standard_normal(shape, self.df)
        spread = self._chi2.rsample(sample_shape).reshape(*shape)
        return self.loc + self.scale * noise * ops.rsqrt(spread / self.df)

    def log_prob(self, value: Tensor) -> Tensor:
        """-(df + 1) / 2 log(1 + y**2 / df), y = (x - loc) / scale, less log(scale) and the constant."""
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        rest = ops.log(self.scale) + 0.5 * ops.log(self.df) + 0.5 * math.log(math.pi)
        rest = rest + lgamma(0.5 * self.df) - lgamma(0.5 * (self.df + 1.0))
        return -0.5 * (self.df + 1.0) * ops.log1p(y * y / self.df) - rest

    def entropy(self) -> Tensor:
        """log(scale) + (df + 1) / 2 (digamma((df + 1) / 2) - digamma(df / 2)) + log(sqrt(df) B)."""
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = lgamma(half) + math.lgamma(0.5) - lgamma(more)
        spread = more * (digamma(more) - digamma(half))
        return ops.log(self.scale) + spread + 0.5 * ops.log(self.df) + log_beta
