"""The negative binomial distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..ops.activation import logsigmoid
from ..ops.draws import poisson
from ..ops.special_gamma import lgamma
from ..size import Size
from ..tensor import Tensor
from . import constraints
from ._binary import Chances, one_of
from .distribution import NONE, Distribution
from .gamma import Gamma
from .utils import broadcast_all, lazy_property


class NegativeBinomial(Chances, Distribution):
    """Successes of chance probs before total_count failures: a Poisson count of gamma rate.

    >>> NegativeBinomial(3.0, 0.5).mean
    tensor(3.)
    """

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self,
        total_count: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        one_of("NegativeBinomial", probs, logits)
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        self.total_count, param = broadcast_all(total_count, given)
        self.total_count = self.total_count.to(param.dtype)
        self.__dict__[name] = param
        super().__init__(Size(param.shape), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        new.__dict__.pop("_gamma", None)
        return new

    @property
    def mean(self) -> Tensor:
        """total_count exp(logits)."""
        return self.total_count * ops.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        """floor((total_count - 1) exp(logits)), at least 0."""
        return ops.clamp(ops.floor((self.total_count - 1) * ops.exp(self.logits)), min=0.0)

    @property
    def variance(self) -> Tensor:
        """mean / (1 - probs)."""
        return self.mean / ops.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        return Gamma(self.total_count, ops.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Poisson counts of gamma rates."""
        with no_grad():
            return poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """n log(1 - p) + k log(p) + log gamma(n + k) - log gamma(1 + k) - log gamma(n)."""
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        chance = n * logsigmoid(-logits) + value * logsigmoid(logits)
        both = n + value
        ways = lgamma(both) - lgamma(1.0 + value) - lgamma(n)
        return chance + ops.where(both == 0, 0.0, ways)
