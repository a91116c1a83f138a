"""Categories as one-hot vectors."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..create import eye
from ..ops.one_hot import one_hot
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .categorical import Categorical
from .distribution import NONE, Distribution


class OneHotCategorical(Distribution):
    """A vector of zeros with a 1 at category k, which has chance probs[..., k].

    >>> import sensorium as sn
    >>> OneHotCategorical(sn.tensor([1.0, 3.0])).mode
    tensor([0., 1.])
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(
        self,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
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

    @property
    def mean(self) -> Tensor:
        """probs."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The likeliest vector."""
        return self._vectors(self._categorical.mode)

    def _vectors(self, categories: Tensor) -> Tensor:
        return one_hot(categories, self._event_shape[0]).to(self._categorical._param.dtype)

    @property
    def variance(self) -> Tensor:
        """probs (1 - probs)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """One-hot vectors."""
        return self._vectors(self._categorical.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logit at the 1."""
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        """The sum of -p log(p)."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """The K unit vectors."""
        k = self.event_shape[0]
        param = self._categorical._param
        values = eye(k, dtype=param.dtype, device=param.device)
        values = values.reshape(k, *(1,) * len(self.batch_shape), k)
        return ops.expand(values, (k, *self.batch_shape, k)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot draws whose gradient is that of probs (Bengio, Leonard and Courville, 2013).

    >>> import sensorium as sn
    >>> p = sn.tensor([0.5, 0.5], requires_grad=True)
    >>> OneHotCategoricalStraightThrough(p).rsample().requires_grad
    True
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """A draw plus probs - probs.detach()."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
