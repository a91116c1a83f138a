"""A one-hot categorical distribution relaxed to the simplex."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..random import rand
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .categorical import Categorical
from .distribution import NONE, Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import ExpTransform
from .utils import clamp_probs


class ExpRelaxedCategorical(Distribution):
    """The logarithm of a relaxed one-hot draw (Maddison, Mnih and Teh, 2017).

    >>> import sensorium as sn
    >>> ExpRelaxedCategorical(sn.tensor(0.5), sn.ones(3)).sample().exp().sum().round()
    tensor(1.)
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.real_vector  # the logarithms of a point of the simplex
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        batch, event = self._categorical.batch_shape, self._categorical.param_shape[-1:]
        super().__init__(batch, event, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def logits(self) -> Tensor:
        """The logarithms of the chances."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The chances."""
        return self._categorical.probs

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """log_softmax((logits + Gumbel noise) / temperature)."""
        shape = self._extended_shape(sample_shape)
        logits = self.logits
        u = clamp_probs(rand(*shape, dtype=logits.dtype, device=logits.device))
        scores = (logits - ops.log(-ops.log(u))) / self.temperature
        return scores - ops.logsumexp(scores, -1, True)

    def log_prob(self, value: Tensor) -> Tensor:
        """log((K - 1)!) + (K - 1) log(temperature) + the sum of log_softmax(logits - temperature x)."""
        if self._validate_args:
            self._validate_sample(value)
        k = self._event_shape[0]
        logits, value = ops.broadcast_tensors(self.logits, value)
        size = self.temperature
        heat = ops.log(size if isinstance(size, Tensor) else logits.new_full((), size))
        score = logits - value * size
        score = (score - ops.logsumexp(score, -1, True)).sum(-1)
        return score + (math.lgamma(k) + (k - 1) * heat)


class RelaxedOneHotCategorical(TransformedDistribution):
    """Points of the simplex that approach one-hot draws as temperature goes to 0.

    >>> import sensorium as sn
    >>> RelaxedOneHotCategorical(sn.tensor(0.5), sn.ones(3)).sample().shape
    sensorium.Size([3])
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.simplex
    has_rsample: Any = True
    base_dist: ExpRelaxedCategorical

    def __init__(
        self,
        temperature: Any,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @property
    def temperature(self) -> Any:
        """How soft the draws are."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The base's."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The base's."""
        return self.base_dist.probs
