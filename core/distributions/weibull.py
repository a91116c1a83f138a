"""The Weibull distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..ops.special_gamma import lgamma
from ..tensor import Tensor
from . import constraints
from .exponential import Exponential
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .utils import broadcast_all, euler_constant


class Weibull(TransformedDistribution):
    """scale e**(1 / concentration), e exponential: lifetimes.

    >>> Weibull(1.0, 2.0).mean
    tensor(0.8862)
    """

    arg_constraints: ClassVar[Any] = {
        "scale": constraints.positive,
        "concentration": constraints.positive,
    }
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        base = Exponential(
            self.scale.new_ones(tuple(self.scale.shape)), validate_args=validate_args
        )
        chain = [
            PowerTransform(exponent=1 / self.concentration),
            AffineTransform(loc=0, scale=self.scale),
        ]
        super().__init__(base, chain, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        new.scale = ops.expand(self.scale, tuple(batch_shape))
        new.concentration = ops.expand(self.concentration, tuple(batch_shape))
        return new

    def _moment(self, order: int) -> Tensor:
        """The mean of (x / scale)**order."""
        return ops.exp(lgamma(1 + order / self.concentration))

    @property
    def mean(self) -> Tensor:
        """scale gamma(1 + 1 / concentration)."""
        return self.scale * self._moment(1)

    @property
    def mode(self) -> Tensor:
        """scale ((c - 1) / c)**(1 / c), c = concentration."""
        c = self.concentration
        return self.scale * ((c - 1) / c) ** (1 / c)

    @property
    def variance(self) -> Tensor:
        """scale**2 (gamma(1 + 2 / c) - gamma(1 + 1 / c)**2)."""
        first = self._moment(1)
        return self.scale * self.scale * (self._moment(2) - first * first)

    def entropy(self) -> Tensor:
        """(1 - 1 / c) times Euler's constant + log(scale / c) + 1."""
        c = self.concentration
        return euler_constant * (1 - 1 / c) + ops.log(self.scale / c) + 1
