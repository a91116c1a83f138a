"""The binomial distribution: successes in a number of trials."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..create import arange
from ..errors import UndefinedError
from ..ops.draws import binomial
from ..ops.special_gamma import lgamma
from ..size import Size
from ..tensor import Tensor
from . import constraints
from ._binary import Chances, one_of
from .distribution import NONE, Distribution
from .utils import broadcast_all


class Binomial(Chances, Distribution):
    """The number of successes in total_count trials, each of chance probs.

    >>> Binomial(4, 0.5).mean
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        one_of("Binomial", probs, logits)
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        self.total_count, param = broadcast_all(total_count, given)
        self.total_count = self.total_count.to(param.dtype)
        self.__dict__[name] = param
        super().__init__(Size(param.shape), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        """0 ... total_count."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """total_count probs."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        """floor((total_count + 1) probs), at most total_count."""
        return ops.minimum(ops.floor((self.total_count + 1) * self.probs), self.total_count)

    @property
    def variance(self) -> Tensor:
        """total_count probs (1 - probs)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Counts, in the type of the parameters."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(ops.expand(self.total_count, shape), ops.expand(self.probs, shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log(n over k) + k logits - n log(1 + exp(logits))."""
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        choices = lgamma(n + 1) - lgamma(value + 1) - lgamma(n - value + 1)
        above = (ops.clamp(logits, min=0) + logits - ops.clamp(logits, max=0)) / 2  # max(logits, 0)
        weight = n * (above + ops.log1p(ops.exp(-ops.abs(logits))))
        return value * logits + choices - weight

    def entropy(self) -> Tensor:
        """The sum of -p log(p) over the support; total_count must be one number."""
        self._one_count("entropy")
        logs = self.log_prob(self.enumerate_support(False))
        return -(ops.exp(logs) * logs).sum(0)

    def _one_count(self, name: str) -> int:
        most = int(self.total_count.max().item())
        if int(self.total_count.min().item()) != most:
            raise UndefinedError(f"Binomial.{name}: wants one total_count for the whole batch")
        return most

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 ... total_count, which must be one number."""
        most = self._one_count("enumerate_support")
        values = arange(1 + most, dtype=self._param.dtype, device=self._param.device)
        values = values.reshape(-1, *(1,) * len(self._batch_shape))
        return ops.expand(values, (-1, *self._batch_shape)) if expand else values
