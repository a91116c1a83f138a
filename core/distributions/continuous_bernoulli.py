"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..ops.loss import binary_cross_entropy_with_logits
from ..random import rand
from ..tensor import Tensor
from . import constraints
from ._binary import Chances
from .distribution import NONE
from .exp_family import ExponentialFamily
from .utils import clamp_probs


class ContinuousBernoulli(Chances, ExponentialFamily):
    """Proportional to probs**x (1 - probs)**(1 - x), x in [0, 1].

    Source: G. Loaiza-Ganem and J. P. Cunningham, "The continuous Bernoulli: fixing a pervasive error in
    variational autoencoders", 2019. For probs within lims around 1 / 2 the normalizer and the moments
    are series, as their quotients lose their digits there.

    >>> ContinuousBernoulli(0.5).mean
    tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        shape = self._take(probs, logits)
        if probs is not None:
            if validate_args or (validate_args is None and self._validate_args):
                self._batch_shape = self._event_shape = NONE  # for the message
                self._check_parameters()
            self.__dict__["probs"] = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(shape, validate_args=validate_args)

    def _off(self) -> tuple[Tensor, Tensor]:
        """Where probs is far enough from 1 / 2, and probs with one end of lims elsewhere."""
        far = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return far, ops.where(far, self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Tensor:
        """log(2 atanh(1 - 2 p) / (1 - 2 p))."""
        far, p = self._off()
        low = ops.where(p <= 0.5, p, 0.0)
        high = ops.where(p > 0.5, p, 1.0)
        gap = ops.where(p <= 0.5, ops.log1p(-2.0 * low), ops.log(2.0 * high - 1.0))
        exact = ops.log(ops.abs(ops.log1p(-p) - ops.log(p))) - gap
        x = (self.probs - 0.5) * (self.probs - 0.5)
        return ops.where(far, exact, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        """p / (2 p - 1) + 1 / (2 atanh(1 - 2 p))."""
        far, p = self._off()
        exact = p / (2.0 * p - 1.0) + 1.0 / (ops.log1p(-p) - ops.log(p))
        x = self.probs - 0.5
        return ops.where(far, exact, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x * x) * x)

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return ops.sqrt(self.variance)

    @property
    def variance(self) -> Tensor:
        """p (p - 1) / (1 - 2 p)**2 + 1 / (2 atanh(1 - 2 p))**2."""
        far, p = self._off()
        gap, logs = 1.0 - 2.0 * p, ops.log1p(-p) - ops.log(p)
        exact = p * (p - 1.0) / (gap * gap) + 1.0 / (logs * logs)
        x = (self.probs - 0.5) * (self.probs - 0.5)
        return ops.where(far, exact, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """The quantile of uniform values."""
        shape = self._extended_shape(sample_shape)
        return self.icdf(rand(*shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Tensor) -> Tensor:
        """x log(probs) + (1 - x) log(1 - probs) + the log normalizer."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = ops.broadcast_tensors(self.logits, value)
        cross = binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -cross + self._cont_bern_log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        """(p**x (1 - p)**(1 - x) + p - 1) / (2 p - 1)."""
        if self._validate_args:
            self._validate_sample(value)
        far, p = self._off()
        exact = (ops.pow(p, value) * ops.pow(1.0 - p, 1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = ops.where(far, exact, value)
        inside = ops.where(value <= 0.0, 0.0, inside)
        return ops.where(value >= 1.0, 1.0, inside)

    def icdf(self, value: Tensor) -> Tensor:
        """log(1 + u (2 p - 1) / (1 - p)) / log(p / (1 - p))."""
        far, p = self._off()
        down = ops.log1p(-p)
        exact = (ops.log1p(-p + value * (2.0 * p - 1.0)) - down) / (ops.log(p) - down)
        return ops.where(far, exact, value)

    def entropy(self) -> Tensor:
        """-mean log(p / (1 - p)) - log(1 - p) - the log normalizer."""
        down, up = ops.log1p(-self.probs), ops.log(self.probs)
        return self.mean * (down - up) - self._cont_bern_log_norm() - down

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.logits,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        near = (x > self._lims[0] - 0.5) & (x <= self._lims[1] - 0.5)
        safe = ops.where(near, 1.0, x)
        exact = ops.log(ops.abs(ops.expm1(safe))) - ops.log(ops.abs(safe))
        return ops.where(near, 0.5 * x + x * x / 24.0 - x**4 / 2880.0, exact)
