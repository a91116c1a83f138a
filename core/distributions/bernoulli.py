"""The Bernoulli distribution: yes or no."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..create import arange
from ..ops.loss import binary_cross_entropy_with_logits
from ..random import bernoulli
from ..tensor import Tensor
from . import constraints
from ._binary import Chances
from .distribution import NONE
from .exp_family import ExponentialFamily


class Bernoulli(Chances, ExponentialFamily):
    """1 with chance probs, else 0; logits = log(probs / (1 - probs)).

    >>> Bernoulli(0.25).variance
    tensor(0.1875)
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(self._take(probs, logits), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """probs."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """1 where probs is above 1 / 2, 0 below, nan where it is 1 / 2."""
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return ops.where(self.probs == 0.5, math.nan, mode)

    @property
    def variance(self) -> Tensor:
        """probs (1 - probs)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Draws of 0 and 1."""
        with no_grad():
            return bernoulli(ops.expand(self.probs, self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """x log(probs) + (1 - x) log(1 - probs)."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = ops.broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """-p log(p) - (1 - p) log(1 - p), p = probs."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1."""
        values = arange(2, dtype=self._param.dtype, device=self._param.device)
        values = values.reshape(-1, *(1,) * len(self._batch_shape))
        return ops.expand(values, (-1, *self._batch_shape)) if expand else values

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.logits,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return ops.log1p(ops.exp(x))
