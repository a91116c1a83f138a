"""The Laplace distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..limits import finfo
from ..random import rand
from ..tensor import Tensor
from . import constraints
from .distribution import NONE, Distribution
from .utils import all_numbers, broadcast_all


class Laplace(Distribution):
    """exp(-|x - loc| / scale) / (2 scale).

    >>> Laplace(0.0, 1.0).variance
    tensor(2.)
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
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """2 scale**2."""
        return 2 * self.scale * self.scale

    @property
    def stddev(self) -> Tensor:
        """sqrt 2 scale."""
        return math.sqrt(2) * self.scale

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """loc - scale sign(u) log(1 - |u|), u uniform in (-1, 1)."""
        shape = self._extended_shape(sample_shape)
        u = rand(*shape, dtype=self.loc.dtype, device=self.loc.device) * 2 - 1
        u = ops.clamp(u, min=float(finfo(u.dtype).eps) - 1)
        return self.loc - self.scale * ops.sign(u) * ops.log1p(-ops.abs(u))

    def log_prob(self, value: Tensor) -> Tensor:
        """-|x - loc| / scale - log(2 scale)."""
        if self._validate_args:
            self._validate_sample(value)
        return -ops.log(2 * self.scale) - ops.abs(value - self.loc) / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """1 / 2 - sign(x - loc) expm1(-|x - loc| / scale) / 2."""
        if self._validate_args:
            self._validate_sample(value)
        off = value - self.loc
        return 0.5 - 0.5 * ops.sign(off) * ops.expm1(-ops.abs(off) / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        """loc - scale sign(p - 1 / 2) log(1 - 2 |p - 1 / 2|)."""
        off = value - 0.5
        return self.loc - self.scale * ops.sign(off) * ops.log1p(-2 * ops.abs(off))

    def entropy(self) -> Tensor:
        """1 + log(2 scale)."""
        return 1 + ops.log(2 * self.scale)
