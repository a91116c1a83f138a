"""A Bernoulli distribution relaxed to the open interval."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..random import rand
from ..tensor import Tensor
from . import constraints
from ._binary import Chances
from .distribution import NONE, Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import SigmoidTransform
from .utils import clamp_probs


class LogitRelaxedBernoulli(Chances, Distribution):
    """The logit of a relaxed Bernoulli draw (Maddison, Mnih and Teh, 2017).

    >>> import sensorium as sn
    >>> LogitRelaxedBernoulli(sn.tensor(0.5), 0.3).sample().shape
    sensorium.Size([])
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        super().__init__(self._take(probs, logits), validate_args=validate_args)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """(logit(u) + logit(probs)) / temperature, u uniform in (0, 1)."""
        shape = self._extended_shape(sample_shape)
        p = clamp_probs(ops.expand(self.probs, shape))
        u = clamp_probs(rand(*shape, dtype=p.dtype, device=p.device))
        noise = ops.log(u) - ops.log1p(-u)
        return (noise + ops.log(p) - ops.log1p(-p)) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        """log(temperature) + d - 2 log(1 + exp(d)), d = logits - temperature x."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = ops.broadcast_tensors(self.logits, value)
        d = logits - value * self.temperature
        size = self.temperature
        scale = ops.log(size if isinstance(size, Tensor) else d.new_full((), size))
        return scale + d - 2 * ops.log1p(ops.exp(d))


class RelaxedBernoulli(TransformedDistribution):
    """Values in (0, 1) that approach Bernoulli draws as temperature goes to 0.

    >>> import sensorium as sn
    >>> 0 < RelaxedBernoulli(sn.tensor(0.5), 0.3).sample().item() < 1
    True
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.unit_interval
    has_rsample: Any = True
    base_dist: LogitRelaxedBernoulli

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

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
