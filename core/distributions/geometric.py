"""The geometric distribution: failures before the first success."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..errors import OptionError
from ..limits import finfo
from ..ops.loss import binary_cross_entropy_with_logits
from ..random import rand
from ..tensor import Tensor
from . import constraints
from ._binary import Chances
from .distribution import NONE, Distribution, found


class Geometric(Chances, Distribution):
    """(1 - probs)**k probs, k = 0, 1, ...

    >>> Geometric(0.25).mean
    tensor(3.)
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(self._take(probs, logits), validate_args=validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise OptionError(f"Geometric: probs must be positive, got {found(self.probs)}")

    @property
    def mean(self) -> Tensor:
        """1 / probs - 1."""
        return 1 / self.probs - 1

    @property
    def mode(self) -> Tensor:
        """0."""
        return self.probs.new_zeros(tuple(self.probs.shape))

    @property
    def variance(self) -> Tensor:
        """(1 / probs - 1) / probs."""
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """floor(log(u) / log(1 - probs)), u uniform in (0, 1)."""
        shape, p = self._extended_shape(sample_shape), self.probs
        with no_grad():
            u = ops.clamp(rand(*shape, dtype=p.dtype, device=p.device), float(finfo(p.dtype).tiny))
            return ops.floor(ops.log(u) / ops.log1p(-p))

    def log_prob(self, value: Tensor) -> Tensor:
        """k log(1 - probs) + log(probs)."""
        if self._validate_args:
            self._validate_sample(value)
        value, probs = ops.broadcast_tensors(value, self.probs)
        off = ops.where((probs == 1) & (value == 0), 0.0, probs)
        return value * ops.log1p(-off) + ops.log(self.probs)

    def entropy(self) -> Tensor:
        """That of a Bernoulli draw, over probs."""
        cross = binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return cross / self.probs
