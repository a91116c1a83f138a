"""What a constraint is, and those made of others: dependent, independent, of a mixture.

The regions themselves are in ``constraints.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import OptionError, UndefinedError


class Constraint:
    """A region of a space of values."""

    is_discrete: Any = False
    event_dim: Any = 0

    def check(self, value: Any) -> Any:
        """Whether each event lies in the region: a bool tensor of the batch shape."""
        raise UndefinedError(f"{type(self).__name__}: this constraint defines no check")

    def __repr__(self) -> str:
        return f"{type(self).__name__.removeprefix('_')}()"


# -- what depends on the parameters ----------------------------------------------------------------
class _Dependent(Constraint):
    """A region that depends on other values; known only of an instance."""

    def __init__(
        self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented
    ) -> None:
        self._is_discrete, self._event_dim = is_discrete, event_dim
        super().__init__()

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether the region is discrete, if that is known without an instance."""
        return _known("is_discrete", self._is_discrete)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The dimensions of an event, if known without an instance."""
        return _known("event_dim", self._event_dim)

    def __call__(
        self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented
    ) -> _Dependent:
        """This with what is known: ``constraints.dependent(event_dim=1)``."""
        discrete = self._is_discrete if is_discrete is NotImplemented else is_discrete
        dims = self._event_dim if event_dim is NotImplemented else event_dim
        return _Dependent(is_discrete=discrete, event_dim=dims)

    def check(self, value: Any) -> Any:
        """Refused: the region is known only of an instance."""
        raise OptionError("constraints.dependent: cannot be checked without its distribution")


def _known(name: str, value: Any) -> Any:
    if value is NotImplemented:
        raise UndefinedError(f"constraints.dependent: {name} is known only of an instance")
    return value


def is_dependent(constraint: Any) -> bool:
    """Whether the constraint is known only of an instance."""
    return isinstance(constraint, _Dependent)


class _DependentProperty(property, _Dependent):
    """A property of a distribution that returns a constraint; of the class, a dependent one."""

    def __init__(
        self,
        fn: Callable[[Any], Any] | None = None,
        *,
        is_discrete: Any = NotImplemented,
        event_dim: Any = NotImplemented,
    ) -> None:
        super().__init__(fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn: Callable[[Any], Any]) -> _DependentProperty:  # type: ignore[override]
        """As a decorator with what is known: ``@dependent_property(event_dim=1)``."""
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


class _Independent(Constraint):
    """A region whose last dimensions are one event, which lies inside if all its values do."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        if reinterpreted_batch_ndims < 0:
            raise OptionError(
                "constraints.independent: reinterpreted_batch_ndims must be at least 0, got "
                f"{reinterpreted_batch_ndims}"
            )
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """As of the base."""
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The base's and those added."""
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value: Any) -> Any:
        """Whether all values of each event lie in the base's region."""
        inside = self.base_constraint.check(value)
        if inside.ndim < self.reinterpreted_batch_ndims:
            wanted = self.base_constraint.event_dim + self.reinterpreted_batch_ndims
            raise OptionError(
                f"constraints.independent: value has {value.ndim} dimensions, an event {wanted}"
            )
        kept = tuple(inside.shape)[: inside.ndim - self.reinterpreted_batch_ndims]
        return inside.reshape(*kept, -1).all(-1)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """The region of a mixture: that of its components, one of which the value is compared with."""

    def __init__(self, base_constraint: Constraint) -> None:
        if not isinstance(base_constraint, Constraint):
            raise OptionError(
                f"MixtureSameFamilyConstraint: want a Constraint, got {base_constraint!r}"
            )
        self.base_constraint = base_constraint

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """As of the components."""
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """As of the components."""
        return self.base_constraint.event_dim

    def check(self, value: Any) -> Any:
        """Whether each event lies in the region of every component."""
        spread = value.unsqueeze(-1 - self.event_dim)
        inside = self.base_constraint.check(spread)
        if value.ndim < self.event_dim:
            raise OptionError(
                f"MixtureSameFamilyConstraint: value has {value.ndim} dimensions, an event "
                f"{self.event_dim}"
            )
        kept = tuple(value.shape)[: value.ndim - self.event_dim]
        return inside.reshape(*kept, -1).all(-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_constraint!r})"
