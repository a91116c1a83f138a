"""Fisher's and Snedecor's F distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..limits import finfo
from ..ops.special_gamma import lgamma
from ..tensor import Tensor
from . import constraints
from .distribution import NONE, Distribution
from .gamma import Gamma
from .utils import all_numbers, broadcast_all


class FisherSnedecor(Distribution):
    """The ratio of two chi-squared variables, each over its degrees of freedom df1 and df2.

    >>> FisherSnedecor(2.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1 = Gamma(self.df1 * 0.5, self.df1)
        self._gamma2 = Gamma(self.df2 * 0.5, self.df2)
        shape = NONE if all_numbers(df1, df2) else self.df1.shape
        super().__init__(shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        new._gamma1 = self._gamma1.expand(batch_shape)
        new._gamma2 = self._gamma2.expand(batch_shape)
        return new

    @property
    def mean(self) -> Tensor:
        """df2 / (df2 - 2), nan for df2 <= 2."""
        df2 = ops.where(self.df2 <= 2, math.nan, self.df2)
        return df2 / (df2 - 2)

    @property
    def mode(self) -> Tensor:
        """(df1 - 2) / df1 df2 / (df2 + 2), nan for df1 <= 2."""
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return ops.where(self.df1 <= 2, math.nan, mode)

    @property
    def variance(self) -> Tensor:
        """2 df2**2 (df1 + df2 - 2) / (df1 (df2 - 2)**2 (df2 - 4)), nan for df2 <= 4."""
        df1, df2 = self.df1, ops.where(self.df2 <= 4, math.nan, self.df2)
        return 2 * df2**2 * (df1 + df2 - 2) / (df1 * (df2 - 2) ** 2 * (df2 - 4))

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """The ratio of two gamma variables."""
        shape = (*sample_shape,)
        x1 = self._gamma1.rsample(shape).reshape(*self._extended_shape(shape))
        x2 = self._gamma2.rsample(shape).reshape(*self._extended_shape(shape))
        tiny = float(finfo(x2.dtype).tiny)
        return ops.clamp(x1 / ops.clamp(x2, min=tiny), min=tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """Of x, with r = df1 / df2: the beta prime density of r x, times r."""
        if self._validate_args:
            self._validate_sample(value)
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        log_beta = lgamma(a) + lgamma(b) - lgamma(a + b)
        power = a * ops.log(ratio) + (a - 1) * ops.log(value)
        return power - (a + b) * ops.log1p(ratio * value) - log_beta
