"""Kumaraswamy's distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..ops.special_gamma import digamma, lgamma
from ..tensor import Tensor
from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .uniform import Uniform
from .utils import broadcast_all, euler_constant


class Kumaraswamy(TransformedDistribution):
    """a b x**(a - 1) (1 - x**a)**(b - 1) on [0, 1], a = concentration1, b = concentration0.

    >>> Kumaraswamy(1.0, 1.0).mean
    tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample: Any = True

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        a, b = broadcast_all(concentration1, concentration0)
        self.concentration1, self.concentration0 = a, b
        zero, one = a.new_zeros(tuple(a.shape)), a.new_ones(tuple(a.shape))
        chain = [
            PowerTransform(exponent=1 / b),
            AffineTransform(loc=1, scale=-1),
            PowerTransform(exponent=1 / a),
        ]
        base = Uniform(zero, one, validate_args=validate_args)
        super().__init__(base, chain, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        new.concentration1 = ops.expand(self.concentration1, tuple(batch_shape))
        new.concentration0 = ops.expand(self.concentration0, tuple(batch_shape))
        return new

    def _moment(self, order: int) -> Tensor:
        """b B(1 + order / a, b): the mean of x**order."""
        a, b = self.concentration1, self.concentration0
        first = 1 + order / a
        return ops.exp(ops.log(b) + lgamma(first) + lgamma(b) - lgamma(first + b))

    @property
    def mean(self) -> Tensor:
        """b B(1 + 1 / a, b)."""
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """((a - 1) / (a b - 1))**(1 / a); nan where a or b is below 1."""
        a, b = self.concentration1, self.concentration0
        value = ((a - 1) / (a * b - 1)) ** (1 / a)
        return ops.where((a < 1) | (b < 1), math.nan, value)

    @property
    def variance(self) -> Tensor:
        """The second moment less the square of the first."""
        first = self._moment(1)
        return self._moment(2) - first * first

    def entropy(self) -> Tensor:
        """(1 - 1 / b) + (1 - 1 / a) H_b - log(a b), H_b the harmonic number of b."""
        a, b = self.concentration1, self.concentration0
        harmonic = digamma(b + 1) + euler_constant
        return (1 - 1 / b) + (1 - 1 / a) * harmonic - ops.log(a) - ops.log(b)
