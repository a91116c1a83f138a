"""A distribution seen through transforms."""

from __future__ import annotations

from typing import Any, ClassVar

from ..autograd import no_grad
from ..errors import OptionError, ShapeError
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .distribution import NONE, Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import sum_rightmost


class TransformedDistribution(Distribution):
    """What becomes of the draws of a base distribution: t_n(... t_1(x)).

    Its density at y is the base's at x over the volume that the transforms stretch at x.

    >>> import sensorium as sn
    >>> d = sn.distributions
    >>> t = d.TransformedDistribution(d.Uniform(0.0, 1.0), d.AffineTransform(0.0, 2.0))
    >>> t.cdf(sn.tensor(0.5))
    tensor(0.2500)
    """

    arg_constraints: ClassVar[Any] = {}

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Any,
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = _as_list(transforms)
        base_shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        dims = len(base_distribution.event_shape)
        chain = ComposeTransform(self.transforms)
        if len(base_shape) < chain.domain.event_dim:
            raise ShapeError(
                f"TransformedDistribution: the base needs {chain.domain.event_dim} dimensions, has "
                f"{base_shape}"
            )
        shape = tuple(chain.forward_shape(base_shape))
        expanded = tuple(chain.inverse_shape(shape))
        if base_shape != expanded:
            base_distribution = base_distribution.expand(expanded[: len(expanded) - dims])
        extra = chain.domain.event_dim - dims
        if extra > 0:
            base_distribution = Independent(base_distribution, extra)
        self.base_dist = base_distribution
        event = chain.codomain.event_dim + max(dims - chain.domain.event_dim, 0)
        cut = len(shape) - event
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its base expanded to a larger batch shape."""
        new = self._get_checked_instance(type(self), _instance)
        new.__dict__.update({**self.__dict__, **new.__dict__})  # what a subclass set stays
        chain = ComposeTransform(self.transforms)
        whole = tuple(chain.inverse_shape((*batch_shape, *self.event_shape)))
        base_batch = whole[: len(whole) - len(self.base_dist.event_shape)]
        new.base_dist = self.base_dist.expand(base_batch)
        new._batch_shape = Size(batch_shape)
        return new

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:  # type: ignore[override]
        """The last transform's codomain, widened to the event."""
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        extra = len(self.event_shape) - support.event_dim
        return constraints.independent(support, extra) if extra > 0 else support

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As of the base."""
        return self.base_dist.has_rsample

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """The base's draws, transformed."""
        with no_grad():
            return self._through(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """The base's differentiable draws, transformed."""
        return self._through(self.base_dist.rsample(sample_shape))

    def _through(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        """The base's log_prob at x, less the log |det| of the transforms at x."""
        if self._validate_args:
            self._validate_sample(value)
        dims, total, y = len(self.event_shape), None, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            dims += transform.domain.event_dim - transform.codomain.event_dim
            term = transform.log_abs_det_jacobian(x, y)
            term = sum_rightmost(term, dims - transform.domain.event_dim)
            total = -term if total is None else total - term
            y = x
        base = self.base_dist.log_prob(y)
        base = sum_rightmost(base, dims - len(self.base_dist.event_shape))
        return base if total is None else total + base

    def _rising(self, share: Tensor) -> Tensor:
        """1 - share where the transforms fall."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        if isinstance(sign, int) and sign == 1:
            return share
        return sign * (share - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        """The base's at x, or 1 less it where the transforms fall."""
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._rising(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The base's quantile, transformed."""
        return self._through(self.base_dist.icdf(self._rising(value)))

    def __repr__(self) -> str:
        return Distribution.__repr__(self)


def _as_list(transforms: Any) -> list[Transform]:
    found = [transforms] if isinstance(transforms, Transform) else transforms
    if not isinstance(found, (list, tuple)) or not all(isinstance(t, Transform) for t in found):
        raise OptionError(f"TransformedDistribution: want transforms, got {transforms!r}")
    return list(found)
