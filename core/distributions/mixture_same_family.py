"""Mixtures of distributions of one family."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..errors import OptionError, ShapeError
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .categorical import Categorical
from .distribution import NONE, Distribution


class MixtureSameFamily(Distribution):
    """Draws of component k, which is chosen with the chance that mixture_distribution gives it.

    The components are the last batch dimension of component_distribution.

    >>> import sensorium as sn
    >>> d = sn.distributions
    >>> parts = d.Normal(sn.tensor([-1.0, 1.0]), 1.0)
    >>> MixtureSameFamily(d.Categorical(sn.ones(2)), parts).mean
    tensor(0.)
    """

    arg_constraints: ClassVar[Any] = {}
    has_rsample = False

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise OptionError(
                "MixtureSameFamily: the mixture must be a Categorical, got "
                f"{type(mixture_distribution).__name__}"
            )
        if not isinstance(component_distribution, Distribution):
            raise OptionError(
                "MixtureSameFamily: the components must be a Distribution, got "
                f"{type(component_distribution).__name__}"
            )
        _want_matching(mixture_distribution, component_distribution)
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._num_component = component_distribution.batch_shape[-1]
        batch = component_distribution.batch_shape[:-1]
        event = component_distribution.event_shape
        self._event_ndims = len(event)
        super().__init__(batch, event, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This mixture with its parts expanded to a larger batch shape."""
        new = self._get_checked_instance(type(self), _instance)
        new.__dict__.update({**self.__dict__, **new.__dict__})  # what a subclass set stays
        new._component_distribution = self._component_distribution.expand(
            (*batch_shape, self._num_component)
        )
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._batch_shape = Size(batch_shape)
        return new

    @constraints.dependent_property
    def support(self) -> Any:  # type: ignore[override]
        """The components'."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Categorical:
        """Which component is drawn."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    def _weights(self) -> Tensor:
        """The chances of the components, ready to multiply moments (..., K, *event)."""
        probs = self.mixture_distribution.probs
        return probs.reshape(*probs.shape, *(1,) * self._event_ndims)

    @property
    def mean(self) -> Tensor:
        """The weighted mean of the components' means."""
        return (self._weights() * self.component_distribution.mean).sum(-1 - self._event_ndims)

    @property
    def variance(self) -> Tensor:
        """The mean of the variances, plus the variance of the means."""
        at, weights = -1 - self._event_ndims, self._weights()
        within = (weights * self.component_distribution.variance).sum(at)
        off = self.component_distribution.mean - self.mean.unsqueeze(at)
        return within + (weights * off * off).sum(at)

    def cdf(self, value: Tensor) -> Tensor:
        """The weighted mean of the components' cdf."""
        share = self.component_distribution.cdf(self._spread(value))
        return (share * self.mixture_distribution.probs).sum(-1)

    def _spread(self, value: Tensor) -> Tensor:
        """A dimension for the components before those of the event."""
        return value.unsqueeze(-1 - self._event_ndims)

    def log_prob(self, value: Tensor) -> Tensor:
        """log of the sum of weight times density."""
        if self._validate_args:
            self._validate_sample(value)
        logs = self.component_distribution.log_prob(self._spread(value))
        weights = ops.log_softmax(self.mixture_distribution.logits, -1)
        return ops.logsumexp(logs + weights, -1)

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """A draw of every component, of which the chosen one is kept."""
        with no_grad():
            at = len(sample_shape) + len(self.batch_shape)
            chosen = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            index = chosen.reshape(*chosen.shape, 1, *(1,) * self._event_ndims)
            index = ops.expand(index, (*chosen.shape, 1, *self._event_shape))
            return ops.gather(drawn, at, index).squeeze(at)

    def __repr__(self) -> str:
        mixture, parts = self.mixture_distribution, self.component_distribution
        return f"MixtureSameFamily(\n  {mixture!r},\n  {parts!r})"


def _want_matching(mixture: Categorical, parts: Distribution) -> None:
    """Batch shapes broadcast, and there are as many weights as components."""
    have, want = tuple(mixture.batch_shape), tuple(parts.batch_shape[:-1])
    for a, b in zip(reversed(have), reversed(want)):
        if a != 1 and b != 1 and a != b:
            raise ShapeError(
                f"MixtureSameFamily: the mixture's batch shape {have} does not fit the components' "
                f"{tuple(parts.batch_shape)}"
            )
    count = mixture.param_shape[-1]
    if not parts.batch_shape or parts.batch_shape[-1] != count:
        raise ShapeError(
            f"MixtureSameFamily: {count} weights for components of batch shape "
            f"{tuple(parts.batch_shape)}"
        )
