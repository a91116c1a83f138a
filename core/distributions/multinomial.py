"""The multinomial distribution: counts of categories."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..create import tensor
from ..errors import UndefinedError
from ..ops.one_hot import one_hot
from ..ops.special_gamma import lgamma
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import NONE, Distribution


class Multinomial(Distribution):
    """How often each of K categories comes in total_count draws.

    >>> import sensorium as sn
    >>> Multinomial(4, sn.tensor([1.0, 3.0])).mean
    tensor([1., 3.])
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise UndefinedError("Multinomial: total_count must be one integer for the whole batch")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        batch, event = self._categorical.batch_shape, self._categorical.param_shape[-1:]
        super().__init__(batch, event, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def probs(self) -> Tensor:
        """The chances."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:  # type: ignore[override]
        """Counts that add up to at most total_count."""
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        """total_count probs."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        """total_count probs (1 - probs)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Counts, in the type of the parameters."""
        drawn = self._categorical.sample((self.total_count, *sample_shape))  # (n, *s, *batch)
        return one_hot(drawn, self._event_shape[0]).sum(0).to(self._categorical._param.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """log(n!) - the sum of log(k!) + the sum of k logits."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = ops.broadcast_tensors(self.logits, value)
        ways = lgamma(value.sum(-1) + 1) - lgamma(value + 1).sum(-1)
        kept = ops.where((value == 0) & ops.isinf(logits), 0.0, logits)
        return ways + (kept * value).sum(-1)

    def entropy(self) -> Tensor:
        """n times the entropy of a draw - log(n!) + the mean of the sum of log(k!)."""
        n = tensor(float(self.total_count), dtype=self.probs.dtype, device=self.probs.device)
        first = n * self._categorical.entropy() - lgamma(n + 1)
        counts = Binomial(self.total_count, self.probs)
        support = counts.enumerate_support(expand=False)[1:]
        chance = ops.exp(counts.log_prob(support))
        return first + (chance * lgamma(support + 1)).sum((0, -1))
