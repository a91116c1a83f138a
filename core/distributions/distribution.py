"""What every distribution is: shapes, checks of parameters and values, and the names of its quantities.

``batch_shape`` counts independent distributions, ``event_shape`` is the shape of one draw: ``sample(s)``
has shape s + batch_shape + event_shape, ``log_prob`` of it s + batch_shape. Follows
``torch.distributions.Distribution``.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..errors import OptionError, ShapeError, UndefinedError
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .utils import lazy_property

NONE = Size(())


class Distribution:
    """A probability distribution, or a batch of them.

    >>> import sensorium as sn
    >>> d = sn.distributions.Normal(sn.zeros(2), 1.0)
    >>> d.sample((3,)).shape, d.log_prob(sn.zeros(2))
    (sensorium.Size([3, 2]), tensor([-0.9189, -0.9189]))
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: ClassVar[bool] = True

    def _unknown(self) -> Any:
        raise self._undefined("arg_constraints")

    arg_constraints: ClassVar[Any] = property(_unknown)

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check parameters and values unless told otherwise."""
        if value not in (True, False):
            raise OptionError(f"set_default_validate_args: want True or False, got {value!r}")
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Any = NONE, event_shape: Any = NONE, validate_args: bool | None = None
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args  # type: ignore[misc]
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        try:
            wanted = self.arg_constraints
        except NotImplementedError:
            wanted = {}
            warnings.warn(
                f"{type(self).__name__}: defines no arg_constraints, so that its parameters are not "
                "checked; set arg_constraints = {} or pass validate_args=False",
                stacklevel=3,
            )
        for name, constraint in wanted.items():
            if constraints.is_dependent(constraint) or not self._was_given(name):
                continue
            value = getattr(self, name)
            inside = constraint.check(value)
            if not bool(inside.all()):
                raise OptionError(
                    f"{type(self).__name__}: parameter {name} (shape {tuple(value.shape)}) of "
                    f"{self!r} must satisfy {constraint!r}, got {found(value)}"
                )

    def _was_given(self, name: str) -> bool:
        """Whether the parameter was given, and is not computed from another one."""
        lazy = isinstance(getattr(type(self), name, None), lazy_property)
        return not lazy or name in self.__dict__

    # -- shapes ------------------------------------------------------------------------------------
    @property
    def batch_shape(self) -> Size:
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Any = NONE) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded, without a copy, to a larger batch shape."""
        new = self._get_checked_instance(type(self), _instance)
        wanted = Size(batch_shape)
        new.__dict__.update({**self.__dict__, **new.__dict__})  # what a subclass set stays
        for name, dims in self._expandable().items():
            value = getattr(self, name)
            event = tuple(value.shape)[value.ndim - dims :]
            new.__dict__[name] = ops.expand(value, (*wanted, *event))
        new._batch_shape = wanted
        return new

    def _expandable(self) -> dict[str, int]:
        """The parameters at hand, and how many dimensions of each belong to an event."""
        known: dict[str, Any] = {}
        for cls in reversed(type(self).__mro__):
            declared = cls.__dict__.get("arg_constraints")
            known.update(declared if isinstance(declared, dict) else {})
        known.update(self.arg_constraints)
        return {n: known[n].event_dim for n in known if n in self.__dict__}

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """An object of this type to fill, or _instance; ``cls`` is the class whose expand fills it."""
        if _instance is not None:
            return _instance
        if type(self).__init__ is not cls.__init__:  # type: ignore[misc]
            raise UndefinedError(
                f"{type(self).__name__}: a subclass of {cls.__name__} with its own __init__ must "
                "define expand too"
            )
        return type(self).__new__(type(self))

    # -- the region of values ----------------------------------------------------------------------
    @property
    def support(self) -> Any:
        """The constraint that draws satisfy."""
        raise self._undefined("support")

    def _undefined(self, name: str) -> UndefinedError:
        return UndefinedError(f"{type(self).__name__}.{name}: has no closed form here")

    def _validate_sample(self, value: Any) -> None:
        """Refuse what is no tensor, does not broadcast to a draw's shape, or lies outside."""
        if not isinstance(value, Tensor):
            raise OptionError(
                f"{type(self).__name__}: value must be a tensor, got {type(value).__name__}"
            )
        wanted = (*self._batch_shape, *self._event_shape)
        events = len(self._event_shape)
        if events > value.ndim or tuple(value.shape)[value.ndim - events :] != self._event_shape:
            raise ShapeError(
                f"{type(self).__name__}: value {tuple(value.shape)} must end in the event shape "
                f"{tuple(self._event_shape)}"
            )
        for have, want in zip(reversed(value.shape), reversed(wanted)):
            if have != 1 and want != 1 and have != want:
                raise ShapeError(
                    f"{type(self).__name__}: value {tuple(value.shape)} does not broadcast with "
                    f"batch_shape + event_shape {wanted}"
                )
        self._check_inside(value)

    def _check_inside(self, value: Tensor) -> None:
        try:
            support = self.support
        except NotImplementedError:
            return  # a distribution that does not say where its values lie
        inside = support.check(value)
        if not bool(inside.all()):
            raise OptionError(
                f"{type(self).__name__}: value (shape {tuple(value.shape)}) must lie within the "
                f"support {support!r} of {self!r}, got {found(value)}"
            )

    # -- draws -------------------------------------------------------------------------------------
    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Draws without a gradient: sample_shape + batch_shape + event_shape."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """Draws as a differentiable function of the parameters, where ``has_rsample``."""
        raise self._undefined("rsample")

    def sample_n(self, n: int) -> Tensor:
        """n draws; ``sample((n,))`` says the same."""
        return self.sample((n,))

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values a discrete distribution can take, along a new first dimension."""
        raise self._undefined("enumerate_support")

    # -- densities ---------------------------------------------------------------------------------
    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, of value."""
        raise self._undefined("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a draw that is at most value."""
        raise self._undefined("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile: which x has ``cdf(x) == value``."""
        raise self._undefined("icdf")

    def entropy(self) -> Tensor:
        """The mean of -log_prob, in nats, of each distribution of the batch."""
        raise self._undefined("entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return ops.exp(self.entropy())

    # -- moments -----------------------------------------------------------------------------------
    @property
    def mean(self) -> Tensor:
        """The mean of the draws."""
        raise self._undefined("mean")

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        raise self._undefined("mode")

    @property
    def variance(self) -> Tensor:
        """The variance of the draws."""
        raise self._undefined("variance")

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def __repr__(self) -> str:
        declared = type(self).arg_constraints
        known = {} if declared is Distribution.arg_constraints else self.arg_constraints
        names = [n for n in known if n in self.__dict__]
        return f"{type(self).__name__}({', '.join(f'{n}: {self._text(n)}' for n in names)})"

    def _text(self, name: str) -> str:
        value = self.__dict__[name]
        return str(value.item()) if value.numel() == 1 else str(value.shape)


def found(value: Tensor) -> str:
    """A value as an error shows it: the number, or the extremes of many."""
    array = value.detach()
    if array.numel() == 1:
        return str(array.item())
    if array.numel() == 0 or array.dtype.kind not in "fiu":
        return f"a tensor of {array.numel()} values"
    return f"values from {array.min().item()} to {array.max().item()}"
