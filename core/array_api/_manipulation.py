"""Rearranging, choosing and searching elements under the array API's names."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..errors import OutOfBoundsError, ShapeError
from ..tensor import Tensor, wrap
from ._base import dim_of, dims_of, raw, tensor_of, together


# -- rearranging ---------------------------------------------------------------------------------
def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """The arrays expanded to their common shape."""
    return list(ops.broadcast_tensors(*arrays)) if arrays else []


def broadcast_to(x: Tensor, /, shape: Any) -> Tensor:
    """x expanded to shape."""
    return ops.broadcast_to(tensor_of("broadcast_to", x), tuple(shape))


def concat(arrays: Any, /, *, axis: int | None = 0) -> Tensor:
    """The arrays one after another along axis; all elements in one row where axis is None."""
    parts = together("concat", *arrays)
    if axis is None:
        return ops.cat([p.reshape(-1) for p in parts], 0)
    dims = {p.ndim for p in parts}
    if len(dims) > 1:
        raise ShapeError(f"concat: want equal numbers of dimensions, got {sorted(dims)}")
    return ops.cat(parts, dim_of("concat", axis, parts[0].ndim))


def expand_dims(x: Tensor, /, axis: int) -> Tensor:
    """x with a dimension of size 1 at axis."""
    return ops.unsqueeze(tensor_of("expand_dims", x), axis)


def flip(x: Tensor, /, *, axis: Any = None) -> Tensor:
    """x with the order of its elements reversed along axis (None: all dimensions)."""
    return ops.flip(x, dims_of("flip", axis, tensor_of("flip", x).ndim))


def moveaxis(x: Tensor, source: Any, destination: Any, /) -> Tensor:
    """x with the dimensions source moved to destination."""
    return ops.movedim(tensor_of("moveaxis", x), source, destination)


def permute_dims(x: Tensor, /, axes: Any) -> Tensor:
    """x with its dimensions in the order axes."""
    return ops.permute(tensor_of("permute_dims", x), tuple(axes))


def repeat(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """x with every element repeats times in a row."""
    x = tensor_of("repeat", x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    return ops.repeat_interleave(x, repeats, dim_of("repeat", axis, x.ndim))


def reshape(x: Tensor, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """x in another shape; a view where copy is False, never one where it is True."""
    x, shape = tensor_of("reshape", x), tuple(shape)
    if copy is False:
        return ops.view(x, shape)
    return ops.reshape(x.clone() if copy else x, shape)


def roll(x: Tensor, /, shift: Any, *, axis: Any = None) -> Tensor:
    """x with its elements moved by shift along axis; those that fall out come in on the other side."""
    if isinstance(axis, tuple) and isinstance(shift, int):
        shift = (shift,) * len(axis)
    return ops.roll(tensor_of("roll", x), shift, axis)


def squeeze(x: Tensor, /, axis: Any) -> Tensor:
    """x without the dimensions axis, which must have size 1."""
    dims = dims_of("squeeze", axis, tensor_of("squeeze", x).ndim)
    for d in dims:
        if x.shape[d] != 1:
            raise ShapeError(f"squeeze: dimension {d} has size {x.shape[d]}, want 1")
    return x.reshape([n for d, n in enumerate(x.shape) if d not in dims])


def stack(arrays: Any, /, *, axis: int = 0) -> Tensor:
    """The arrays next to each other along a new dimension."""
    return ops.stack(together("stack", *arrays), axis)


def tile(x: Tensor, repetitions: Any, /) -> Tensor:
    """x repeated along its dimensions."""
    return ops.tile(tensor_of("tile", x), tuple(repetitions))


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along axis."""
    return tuple(ops.unbind(x, dim_of("unstack", axis, tensor_of("unstack", x).ndim)))


# -- choosing ------------------------------------------------------------------------------------
def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The slices of x at 1-D indices along axis, which only a 1-D x may leave out."""
    x = tensor_of("take", x)
    if axis is None and x.ndim != 1:
        raise ShapeError(f"take: a tensor of shape {tuple(x.shape)} wants axis=")
    axis = dim_of("take", 0 if axis is None else axis, x.ndim)
    return ops.index_select(x, axis, _positive("take", indices, x.shape[axis]))


def _positive(name: str, indices: Tensor, size: int) -> Tensor:
    """Indices that count from the end as ones that count from the start."""
    array = indices.array.astype(np.int64)
    if array.size and (array.min() < -size or array.max() >= size):
        raise OutOfBoundsError(
            f"{name}: indices from {array.min()} to {array.max()} for a dimension of size {size}"
        )
    return wrap(np.where(array < 0, array + size, array))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """The elements of x at indices along axis, the two broadcast against each other elsewhere."""
    axis = dim_of("take_along_axis", axis, tensor_of("take_along_axis", x).ndim)
    positive = _positive("take_along_axis", indices, x.shape[axis])
    return ops.take_along_dim(x, positive, axis)


# -- searching and sorting -----------------------------------------------------------------------
def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """For each dimension, the indices of the elements that are not zero."""
    if tensor_of("nonzero", x).ndim == 0:
        raise ShapeError("nonzero: want at least one dimension, got a zero-dimensional tensor")
    return tuple(wrap(i) for i in np.nonzero(x.array))


def searchsorted(
    x1: Tensor, x2: Tensor, /, *, side: str = "left", sorter: Tensor | None = None
) -> Tensor:
    """Where in the sorted x1 each element of x2 would go: before equal ones (left) or after (right)."""
    if side not in ("left", "right"):
        raise ShapeError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    x1, x2 = together("searchsorted", x1, x2)
    options: Any = {"side": side, "sorter": None if sorter is None else sorter.array}
    return raw(lambda a, v: np.asarray(np.searchsorted(a, v, **options)), x1, x2)


def where(condition: Tensor, x1: Any, x2: Any, /) -> Tensor:
    """x1 where condition holds, else x2."""
    return ops.where(tensor_of("where", condition), *together("where", x1, x2))


def argsort(
    x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """The indices that sort x along axis."""
    axis = dim_of("argsort", axis, tensor_of("argsort", x).ndim)
    return ops.argsort(x, axis, descending, stable=stable)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """x sorted along axis."""
    axis = dim_of("sort", axis, tensor_of("sort", x).ndim)
    return ops.sort(x, axis, descending, stable=stable)[0]


# -- sets ----------------------------------------------------------------------------------------
class UniqueAll(NamedTuple):
    """Different values, where each stands first, which of them every element is, how many there are."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """Different values and how many of each there are."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """Different values, and which of them every element is."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """The different values of x in rising order, with indices, inverse and counts; NaNs all differ."""
    found = np.unique(tensor_of("unique_all", x).array, True, True, True, equal_nan=False)
    values, indices, inverse, counts = map(wrap, found)
    return UniqueAll(values, indices, inverse.reshape(tuple(x.shape)), counts)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """The different values of x and how often each occurs."""
    values, _, _, counts = unique_all(x)
    return UniqueCounts(values, counts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """The different values of x, and which of them every element is."""
    values, _, inverse, _ = unique_all(x)
    return UniqueInverse(values, inverse)


def unique_values(x: Tensor, /) -> Tensor:
    """The different values of x."""
    return unique_all(x).values
