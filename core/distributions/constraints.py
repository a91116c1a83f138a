"""Regions that values may lie in: ``constraint.check(value)`` says for each event whether it does.

A constraint knows ``event_dim``, how many rightmost dimensions make one event, and ``is_discrete``.
Follows ``torch.distributions.constraints``.

>>> import sensorium as sn
>>> sn.distributions.constraints.positive.check(sn.tensor([1.0, -1.0]))
tensor([ True, False])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..errors import OptionError
from ..tensor import Tensor
from ._constraint import (
    Constraint,
    MixtureSameFamilyConstraint,
    _Dependent,
    _DependentProperty,
    _Independent,
    is_dependent,
)

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent",
    "dependent_property", "greater_than", "greater_than_eq", "half_open_interval", "independent",
    "integer_interval", "interval", "is_dependent", "less_than", "lower_cholesky",
    "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive",
    "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector",
    "simplex", "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip


# -- numbers ---------------------------------------------------------------------------------------
class _Boolean(Constraint):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value == 0) | (value == 1)


class _Real(Constraint):
    def check(self, value: Any) -> Any:
        return ops.isnan(value).logical_not()


class _Bounded(Constraint):
    """Regions between bounds that are numbers or tensors."""

    lower_bound: Any = None
    upper_bound: Any = None

    def __repr__(self) -> str:
        names = [n for n in ("lower_bound", "upper_bound") if getattr(self, n) is not None]
        text = ", ".join(f"{n}={_plain(getattr(self, n))}" for n in names)
        return f"{type(self).__name__.removeprefix('_')}({text})"


def _plain(bound: Any) -> Any:
    return bound.item() if isinstance(bound, Tensor) and bound.numel() == 1 else bound


class _Above(_Bounded):
    def __init__(self, lower_bound: Any) -> None:
        self.lower_bound = lower_bound


class _Between(_Bounded):
    def __init__(self, lower_bound: Any, upper_bound: Any) -> None:
        self.lower_bound, self.upper_bound = lower_bound, upper_bound


class _IntegerInterval(_Between):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value % 1 == 0) & (self.lower_bound <= value) & (value <= self.upper_bound)


class _IntegerGreaterThan(_Above):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value % 1 == 0) & (value >= self.lower_bound)


class _GreaterThan(_Above):
    def check(self, value: Any) -> Any:
        return self.lower_bound < value


class _GreaterThanEq(_Above):
    def check(self, value: Any) -> Any:
        return self.lower_bound <= value


class _LessThan(_Bounded):
    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def check(self, value: Any) -> Any:
        return value < self.upper_bound


class _Interval(_Between):
    def check(self, value: Any) -> Any:
        return (self.lower_bound <= value) & (value <= self.upper_bound)


class _HalfOpenInterval(_Between):
    def check(self, value: Any) -> Any:
        return (self.lower_bound <= value) & (value < self.upper_bound)


# -- vectors ---------------------------------------------------------------------------------------
class _OneHot(Constraint):
    is_discrete = True
    event_dim = 1

    def check(self, value: Any) -> Any:
        either = (value == 0) | (value == 1)
        return either.all(-1) & (value.sum(-1) == 1)


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value: Any) -> Any:
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _Multinomial(Constraint):
    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def check(self, value: Any) -> Any:
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)


# -- matrices --------------------------------------------------------------------------------------
def _all(inside: Tensor) -> Tensor:
    return inside.reshape(*inside.shape[:-2], -1).all(-1)


def _diagonal(value: Tensor) -> Tensor:
    from ..linalg import diagonal

    return diagonal(value)


class _LowerTriangular(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        return _all(value.tril() == value)


class _LowerCholesky(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        return _all(value.tril() == value) & (_diagonal(value) > 0).all(-1)


class _CorrCholesky(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        from ..limits import finfo

        slack = float(finfo(value.dtype).eps) * value.shape[-1] * 10  # rounding of the row's norm
        norms = (value.detach() * value.detach()).sum(-1).sqrt()
        return lower_cholesky.check(value) & ((norms - 1).abs() < slack).all(-1)


class _Square(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        square = value.shape[-2] == value.shape[-1]
        return ops.broadcast_to(_tensor(square, value), tuple(value.shape[:-2]))


def _tensor(value: Any, like: Tensor) -> Tensor:
    from ..create import tensor

    return tensor(value, device=like.device)


class _Symmetric(_Square):
    def check(self, value: Any) -> Any:
        if value.shape[-2] != value.shape[-1]:
            return super().check(value)
        return _all(ops.isclose(value, value.mT, atol=1e-6))


class _PositiveSemidefinite(_Symmetric):
    def check(self, value: Any) -> Any:
        symmetric = super().check(value)
        if not bool(symmetric.all()):
            return symmetric
        from ..linalg import eigvalsh

        return (eigvalsh(value) >= 0).all(-1)


class _PositiveDefinite(_Symmetric):
    def check(self, value: Any) -> Any:
        symmetric = super().check(value)
        if not bool(symmetric.all()):
            return symmetric
        from ..linalg import cholesky_ex

        return cholesky_ex(value.detach()).info == 0


# -- put together ----------------------------------------------------------------------------------
class _Joined(Constraint):
    """Parts of a value along a dimension, each with a constraint of its own."""

    cseq: list[Constraint]

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether any part is discrete."""
        return any(c.is_discrete for c in self.cseq)


class _Cat(_Joined):
    """Constraints of the parts that a value is cut into along dim, of these lengths."""

    def __init__(
        self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None
    ) -> None:
        self.cseq = _constraints("cat", cseq)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise OptionError(
                f"constraints.cat: {len(self.cseq)} constraints but {len(self.lengths)} lengths"
            )
        self.dim = dim

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The largest of the parts'."""
        return max(c.event_dim for c in self.cseq)

    def check(self, value: Any) -> Any:
        """The parts' answers, joined along dim."""
        _want_dim("cat", self.dim, value)
        checks, start = [], 0
        for part, length in zip(self.cseq, self.lengths):
            checks.append(part.check(value.narrow(self.dim, start, length)))
            start += length
        return ops.cat(checks, self.dim)


class _Stack(_Joined):
    """A constraint for each slice of a value along dim."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0) -> None:
        self.cseq = _constraints("stack", cseq)
        self.dim = dim

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The largest of the slices', and one more if dim lies inside an event."""
        most = max(c.event_dim for c in self.cseq)
        return most + 1 if self.dim + most < 0 else most

    def check(self, value: Any) -> Any:
        """The slices' answers, stacked along dim."""
        _want_dim("stack", self.dim, value)
        parts = [value.select(self.dim, i) for i in range(value.shape[self.dim])]
        return ops.stack([c.check(v) for c, v in zip(self.cseq, parts)], self.dim)


def _constraints(name: str, given: Sequence[Any]) -> list[Constraint]:
    if not all(isinstance(c, Constraint) for c in given):
        raise OptionError(f"constraints.{name}: want constraints, got {list(given)!r}")
    return list(given)


def _want_dim(name: str, dim: int, value: Tensor) -> None:
    if not -value.ndim <= dim < value.ndim:
        raise OptionError(f"constraints.{name}: dim {dim} but value has {value.ndim} dimensions")


dependent = _Dependent()
dependent_property = _DependentProperty
independent = _Independent
boolean = _Boolean()
one_hot = _OneHot()
nonnegative_integer = _IntegerGreaterThan(0)
positive_integer = _IntegerGreaterThan(1)
integer_interval = _IntegerInterval
real = _Real()
real_vector = independent(real, 1)
positive = _GreaterThan(0.0)
nonnegative = _GreaterThanEq(0.0)
greater_than = _GreaterThan
greater_than_eq = _GreaterThanEq
less_than = _LessThan
multinomial = _Multinomial
unit_interval = _Interval(0.0, 1.0)
interval = _Interval
half_open_interval = _HalfOpenInterval
simplex = _Simplex()
lower_triangular = _LowerTriangular()
lower_cholesky = _LowerCholesky()
corr_cholesky = _CorrCholesky()
square = _Square()
symmetric = _Symmetric()
positive_semidefinite = _PositiveSemidefinite()
positive_definite = _PositiveDefinite()
cat = _Cat
stack = _Stack
