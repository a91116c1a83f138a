"""The categorical distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..create import arange
from ..dtypes import int64
from ..errors import OptionError
from ..limits import finfo
from ..random import multinomial
from ..size import Size
from ..tensor import Tensor
from . import constraints
from ._binary import one_of
from .distribution import NONE, Distribution
from .utils import lazy_property, logits_to_probs, probs_to_logits


class Categorical(Distribution):
    """k = 0 ... K - 1 with chance probs[..., k]; probs are made to add up to 1, logits alike.

    >>> import sensorium as sn
    >>> Categorical(sn.tensor([1.0, 3.0])).log_prob(sn.tensor(1)).exp()
    tensor(0.7500)
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    has_enumerate_support = True

    def __init__(
        self,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        one_of("Categorical", probs, logits)
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        if given.ndim < 1:  # type: ignore[union-attr]
            raise OptionError(f"Categorical: {name} must have a dimension, got a number")
        if probs is not None:
            self.__dict__["probs"] = probs / probs.sum(-1, keepdim=True)
        else:
            self.__dict__["logits"] = logits - ops.logsumexp(logits, -1, True)
        self._num_events = self._param.shape[-1]
        super().__init__(self._param.shape[:-1], validate_args=validate_args)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs" if "probs" in self.__dict__ else "logits"]

    @lazy_property
    def logits(self) -> Tensor:
        """log(probs)."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Tensor:
        """The chances."""
        return logits_to_probs(self.logits)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        """0 ... K - 1."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        """nan: categories have no mean."""
        return self.probs.new_full(self._extended_shape(), math.nan)

    @property
    def mode(self) -> Tensor:
        """The likeliest category."""
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        """nan."""
        return self.probs.new_full(self._extended_shape(), math.nan)

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Category numbers, int64."""
        count = Size(sample_shape).numel()
        shape = self._extended_shape(sample_shape)
        rows = self.probs.detach().reshape(-1, self._num_events)
        if not count or not rows.shape[0]:
            return rows.new_zeros(shape, dtype=int64)
        with no_grad():
            drawn = multinomial(rows, count, True)  # (B, n)
        return drawn.T.reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logits of the categories."""
        if self._validate_args:
            self._validate_sample(value)
        value = value.long().unsqueeze(-1)
        value, logs = ops.broadcast_tensors(value, self.logits)
        return ops.gather(logs, -1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """The sum of -p log(p)."""
        logs = ops.clamp(self.logits, min=float(finfo(self.logits.dtype).min))
        return -(logs * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 ... K - 1."""
        values = arange(self._num_events, dtype=int64, device=self._param.device)
        values = values.reshape(-1, *(1,) * len(self._batch_shape))
        return ops.expand(values, (-1, *self._batch_shape)) if expand else values
