"""The Cauchy distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..ops.draws import cauchy_
from ..tensor import Tensor
from . import constraints
from .distribution import NONE, Distribution
from .utils import all_numbers, broadcast_all


class Cauchy(Distribution):
    """1 / (pi scale (1 + ((x - loc) / scale)**2)): the ratio of two normal variables, without a mean.

    >>> Cauchy(1.0, 2.0).mode
    tensor(1.)
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        shape = NONE if all_numbers(loc, scale) else self.loc.shape
        super().__init__(shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """nan: there is none."""
        return self.loc.new_full(self._extended_shape(), math.nan)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """inf."""
        return self.loc.new_full(self._extended_shape(), math.inf)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """loc + scale * noise."""
        noise = cauchy_(self.loc.new_empty(self._extended_shape(sample_shape)))
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(pi) - log(scale) - log(1 + ((x - loc) / scale)**2)."""
        if self._validate_args:
            self._validate_sample(value)
        off = (value - self.loc) / self.scale
        return -math.log(math.pi) - ops.log(self.scale) - ops.log1p(off * off)

    def cdf(self, value: Tensor) -> Tensor:
        """atan((x - loc) / scale) / pi + 1 / 2."""
        if self._validate_args:
            self._validate_sample(value)
        return ops.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale tan(pi (p - 1 / 2))."""
        return ops.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        """log(4 pi scale)."""
        return math.log(4 * math.pi) + ops.log(self.scale)
