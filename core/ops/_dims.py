"""Dimensions and shapes as options: negative ones, several, none, out of range, repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import OutOfBoundsError, ShapeError


def one_dim(op: str, dim: Any, ndim: int) -> int:
    """dim as an index from the front; 0-d arrays accept 0 and -1."""
    if dim.__class__ is int and -ndim <= dim < ndim:
        return dim if dim >= 0 else dim + ndim
    limit = max(ndim, 1)
    dim = _integer(op, "dim", dim)
    if not -limit <= dim < limit:
        raise OutOfBoundsError(
            f"{op}: dim {dim} is out of range for {ndim} dimensions (want {-limit} to {limit - 1})"
        )
    return dim % limit


def many_dims(op: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """dim (None, an int, several) as distinct indices from the front; None and () mean all."""
    if dim.__class__ is int and 0 <= dim < ndim:
        return (dim,)
    if dim is None or (not isinstance(dim, int) and not hasattr(dim, "__index__") and not len(dim)):
        return tuple(range(ndim))
    dims = (dim,) if hasattr(dim, "__index__") else tuple(dim)
    found = tuple(one_dim(op, d, ndim) for d in dims)
    if len(set(found)) != len(found):
        raise ShapeError(f"{op}: dim {tuple(dims)} names a dimension twice")
    return found if ndim else ()


def sizes(op: str, shape: tuple[Any, ...]) -> tuple[int, ...]:
    """The sizes in ``f(2, 3)`` or ``f((2, 3))`` as a tuple of ints."""
    if len(shape) == 1 and shape[0].__class__ is not int and isinstance(shape[0], Sequence):
        shape = tuple(shape[0])
    for n in shape:
        if n.__class__ is not int:
            break
    else:
        return shape
    return tuple(_integer(op, "size", n) for n in shape)


def _integer(op: str, what: str, value: Any) -> int:
    try:
        return value.__index__()
    except AttributeError:
        raise ShapeError(f"{op}: {what} must be an integer, got {value!r}") from None


def pair_up(op: str, name: str, value: Any, n: int, least: int = 0) -> tuple[int, ...]:
    """An option of one value for all n spatial dimensions or one for each, as n ints >= least."""
    values = (value,) * n if hasattr(value, "__index__") else tuple(value)
    if len(values) == 1:
        values *= n
    if len(values) != n:
        raise ShapeError(f"{op}: {name} wants 1 or {n} values, got {values}")
    found = tuple(_integer(op, name, v) for v in values)
    if min(found, default=least) < least:
        raise ShapeError(f"{op}: {name} must be at least {least}, got {value}")
    return found
