"""A distribution whose rightmost batch dimensions count as the event."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import OptionError
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .distribution import NONE, Distribution
from .utils import sum_rightmost


class Independent(Distribution):
    """Independent draws as one event: log_prob sums over the last dimensions of the batch.

    >>> import sensorium as sn
    >>> d = sn.distributions
    >>> d.Independent(d.Normal(sn.zeros(3), 1.0), 1).event_shape
    sensorium.Size([3])
    """

    arg_constraints: ClassVar[Any] = {}

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch = base_distribution.batch_shape
        if not 0 <= reinterpreted_batch_ndims <= len(batch):
            raise OptionError(
                f"Independent: reinterpreted_batch_ndims must lie in [0, {len(batch)}], as the base "
                f"has batch shape {tuple(batch)}; got {reinterpreted_batch_ndims}"
            )
        cut = len(batch) - reinterpreted_batch_ndims
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        event = (*batch[cut:], *base_distribution.event_shape)
        super().__init__(batch[:cut], event, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its base expanded to a larger batch shape."""
        new = self._get_checked_instance(type(self), _instance)
        new.__dict__.update({**self.__dict__, **new.__dict__})  # what a subclass set stays
        inner = self.event_shape[: self.reinterpreted_batch_ndims]
        new.base_dist = self.base_dist.expand((*batch_shape, *inner))
        new._batch_shape = Size(batch_shape)
        return new

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As of the base."""
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        """As of the base; not of events of several values."""
        return self.reinterpreted_batch_ndims == 0 and self.base_dist.has_enumerate_support

    @constraints.dependent_property
    def support(self) -> Any:  # type: ignore[override]
        """The base's, widened to the event."""
        base, extra = self.base_dist.support, self.reinterpreted_batch_ndims
        return constraints.independent(base, extra) if extra else base

    @property
    def mean(self) -> Tensor:
        """The base's."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """The base's."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The base's."""
        return self.base_dist.variance

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """The base's draws."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """The base's differentiable draws."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The base's, summed over the event."""
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """The base's, summed over the event."""
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """The base's, where the event is one value."""
        if self.reinterpreted_batch_ndims > 0:
            raise self._undefined("enumerate_support")
        return self.base_dist.enumerate_support(expand=expand)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
