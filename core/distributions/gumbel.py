"""The Gumbel distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..limits import finfo
from ..tensor import Tensor
from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, ExpTransform
from .uniform import Uniform
from .utils import all_numbers, broadcast_all, euler_constant


class Gumbel(TransformedDistribution):
    """loc - scale log(-log(u)), u uniform in (0, 1): the law of maxima.

    >>> Gumbel(0.0, 1.0).mean
    tensor(0.5772)
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        limits = finfo(self.loc.dtype)
        low, high = float(limits.tiny), 1 - float(limits.eps)
        if not all_numbers(loc, scale):
            low = self.loc.new_full(tuple(self.loc.shape), low)
        base = Uniform(low, high, validate_args=validate_args)
        chain = [
            ExpTransform().inv,
            AffineTransform(loc=0, scale=-self.scale.new_ones(tuple(self.scale.shape))),
            ExpTransform().inv,
            AffineTransform(loc=self.loc, scale=-self.scale),
        ]
        super().__init__(base, chain, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        new.loc, new.scale = (ops.expand(v, tuple(batch_shape)) for v in (self.loc, self.scale))
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        """y - exp(y) - log(scale), y = (loc - x) / scale."""
        if self._validate_args:
            self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return y - ops.exp(y) - ops.log(self.scale)

    @property
    def mean(self) -> Tensor:
        """loc + scale times Euler's constant."""
        return self.loc + self.scale * euler_constant

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """scale pi / sqrt 6."""
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Tensor:
        """scale**2 pi**2 / 6."""
        return self.scale * self.scale * (math.pi**2 / 6)

    def entropy(self) -> Tensor:
        """log(scale) + 1 + Euler's constant."""
        return ops.log(self.scale) + (1 + euler_constant)
