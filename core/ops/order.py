"""Order: max and min along a dimension with their indices, argmax, sort, topk.

Results with values and indices are named tuples. Gradients go to the elements that were chosen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from ._dims import one_dim
from ._out import with_out
from .arithmetic import maximum, minimum
from .extremes import amax, amin
from .gather import at_chosen, gather
from .index import _take
from .shape import _reshape_view, reshape

builtin_min = min  # this module defines a min of its own


class ValuesIndices(NamedTuple):
    """Chosen values and where they stood along the dimension."""

    values: Any
    indices: Any


def ordered(name: str, array: Any) -> Any:
    """The array in a type that NumPy sorts with nan last; complex values have no order."""
    if array.dtype.kind == "c":
        raise DTypeError(f"{name}: complex values have no order, got {array.dtype}")
    return array if array.dtype.kind != "V" else array.astype(np.float32)


# -- argmax and argmin ---------------------------------------------------------------------------
def _first(rng: Any) -> Any:
    yield rng.normal(size=(3, 4)), 1
    yield rng.normal(size=(3, 4)).T, 0


@op(differentiable=0)
def _argmax(input: Array, dim: int) -> Array:
    """Where along dim the largest value stands; the first of equal ones."""
    _refuse_empty("argmax", input, dim)
    return ordered("argmax", input).argmax(dim)


@_argmax.samples(
    reference=lambda x, dim: np.apply_along_axis(
        lambda v: builtin_min(range(len(v)), key=lambda i: -v[i]), dim, x
    )
)
def _(rng):
    yield from _first(rng)


@op(differentiable=0)
def _argmin(input: Array, dim: int) -> Array:
    """Where along dim the smallest value stands; the first of equal ones."""
    _refuse_empty("argmin", input, dim)
    return ordered("argmin", input).argmin(dim)


@_argmin.samples(
    reference=lambda x, dim: np.apply_along_axis(
        lambda v: builtin_min(range(len(v)), key=lambda i: v[i]), dim, x
    )
)
def _(rng):
    yield from _first(rng)


def _refuse_empty(name: str, input: Any, dim: int) -> None:
    if input.ndim and input.shape[dim] == 0:
        raise ShapeError(f"{name}: dim {dim} of shape {tuple(input.shape)} is empty")


def _arg(name: str, which: Any, input: Any, dim: int | None, keepdim: bool) -> Any:
    if dim is None:
        found = which(reshape(input, (-1,)), 0)
        return _reshape_view(found, (1,) * input.ndim) if keepdim else found
    if input.array.ndim == 0:
        return which(reshape(input, (1,)), 0)
    d = one_dim(name, dim, input.array.ndim)
    found = which(input, d)
    return _reshape_view(found, (*input.shape[:d], 1, *input.shape[d + 1 :])) if keepdim else found


@with_out
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Where the largest value stands: along dim, or in the flattened tensor.

    >>> import sensorium as sn
    >>> sn.argmax(sn.tensor([[1, 5], [7, 2]]), dim=1)
    tensor([1, 0])
    """
    return _arg("argmax", _argmax, input, dim, keepdim)


@with_out
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Where the smallest value stands: along dim, or in the flattened tensor.

    >>> import sensorium as sn
    >>> sn.argmin(sn.tensor([[1, 5], [7, 2]]), dim=1)
    tensor([0, 1])
    """
    return _arg("argmin", _argmin, input, dim, keepdim)


def _picked(input: Any, indices: Any, d: int, keepdim: bool) -> ValuesIndices:
    """The values at indices, which lack dimension d."""
    values = _take(input, at_chosen(indices.array, d))
    if not keepdim:
        return ValuesIndices(values, indices)
    shape = input.array.shape
    wide = (*shape[:d], 1, *shape[d + 1 :])
    return ValuesIndices(_reshape_view(values, wide), _reshape_view(indices, wide))


def _extreme(input: Any, dim: Any, keepdim: bool, whole: Any, two: Any, where_is: Any) -> Any:
    if dim is None:
        return whole(input)
    if hasattr(dim, "dtype"):
        return two(input, dim)
    if input.array.ndim == 0:
        return ValuesIndices(input, where_is(input))
    d = one_dim(two.__name__, dim, input.array.ndim)
    return _picked(input, where_is(input, d), d, keepdim)


@with_out
def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest value; along dim also its index; with a tensor as dim, ``maximum`` of both.

    >>> import sensorium as sn
    >>> sn.max(sn.tensor([[1, 5], [7, 2]]), 1).values
    tensor([5, 7])
    """
    return _extreme(input, dim, keepdim, amax, maximum, argmax)


@with_out
def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest value; along dim also its index; with a tensor as dim, ``minimum`` of both.

    >>> import sensorium as sn
    >>> sn.min(sn.tensor([[1, 5], [7, 2]]))
    tensor(1)
    """
    return _extreme(input, dim, keepdim, amin, minimum, argmin)


# -- sort ----------------------------------------------------------------------------------------
@op(differentiable=0)
def _argsort(input: Array, dim: int, descending: bool) -> Array:
    """The order that sorts along dim, stable; nan counts as largest."""
    input = ordered("sort", input)
    if not descending:
        return np.argsort(input, axis=dim, kind="stable")
    turned = np.flip(input, dim)  # stable from the other end: equal values keep their order
    order = np.argsort(turned, axis=dim, kind="stable")
    return input.shape[dim] - 1 - np.flip(order, dim)


@_argsort.samples(
    reference=lambda x, dim, descending: np.apply_along_axis(
        lambda v: sorted(range(len(v)), key=lambda i: -v[i] if descending else v[i]), dim, x
    )
)
def _(rng):
    yield rng.integers(0, 3, size=(3, 6)).astype(float), 1, False
    yield rng.integers(0, 3, size=(3, 6)).astype(float), 1, True


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The indices that sort along dim; equal values keep their order.

    >>> import sensorium as sn
    >>> sn.argsort(sn.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return sort(input, dim, descending, stable).indices


@with_out
def sort(
    input: Any, dim: int = -1, descending: bool = False, stable: bool = False
) -> ValuesIndices:
    """The values in order along dim, and where they stood; equal values keep their order.

    >>> import sensorium as sn
    >>> sn.sort(sn.tensor([3, 1, 2])).values
    tensor([1, 2, 3])
    """
    d = one_dim("sort", dim, input.ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), argmax(input))
    indices = _argsort(input, d, descending)
    return ValuesIndices(gather(input, d, indices), indices)


@with_out
def topk(
    input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """The k largest (or smallest) values along dim in order, and where they stood.

    >>> import sensorium as sn
    >>> sn.topk(sn.tensor([3, 1, 2]), 2).values
    tensor([3, 2])
    """
    d = one_dim("topk", dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if not 0 <= k <= n:
        raise ShapeError(f"topk: k must lie in 0..{n}, the size of dim {d}, got {k}")
    if input.ndim == 0:
        return ValuesIndices(input, argmax(input))
    indices = _argsort(input, d, largest)[(slice(None),) * d + (slice(0, k),)]
    return ValuesIndices(gather(input, d, indices), indices)
