"""Distinct values and places in sorted ones: unique, unique_consecutive, searchsorted, isin, ...

None of these has a gradient. nan equals nothing, not even nan, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import result_type
from ..errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from ..tensor import Tensor, wrap
from ._dims import one_dim
from ._out import with_out
from .order import ordered


# -- distinct values -------------------------------------------------------------------------------
def _new_run(rows: Any) -> Any:
    """Whether each row (n, m) differs from the one before; the first does."""
    differs = np.ones(len(rows), bool, like=rows)
    differs[1:] = (rows[1:] != rows[:-1]).any(1)
    return differs


def _counts(starts: Any, n: int) -> Any:
    """Lengths of runs of n elements that begin where starts is true."""
    places = np.nonzero(starts)[0]
    return np.diff(np.append(places, n)).astype(np.int64)


def _as_rows(name: str, array: Any, dim: int) -> tuple[Any, int]:
    if not array.ndim:
        raise OutOfBoundsError(f"{name}: dim {dim} is given, but the input has no dimensions")
    d = one_dim(name, dim, array.ndim)
    if 0 in array.shape and (array.shape[d] or array.shape.count(0) > 1):
        raise ShapeError(
            f"{name}: an empty dimension other than dim {d} leaves nothing to compare "
            f"(shape {array.shape})"
        )
    return np.moveaxis(array, d, 0), d


def _results(output: Any, inverse: Any, counts: Any, return_inverse: bool, want: bool) -> Any:
    found = [output, inverse if return_inverse else None, counts if want else None]
    given = tuple(wrap(v) for v in found if v is not None)
    return given if len(given) > 1 else given[0]


def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct values in order; along dim the distinct slices, ordered by their first elements.

    return_inverse adds where each element of input went, return_counts how often each value occurs.
    The result is sorted whatever sorted says.

    >>> import sensorium as sn
    >>> sn.unique(sn.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    array = input.array
    moved, d = (array.reshape(-1), 0) if dim is None else _as_rows("unique", array, dim)
    rows = ordered("unique", moved).reshape(len(moved), -1 if moved.size else 0)
    order = np.lexsort(rows.T[::-1]) if moved.size else np.arange(0, like=rows)
    starts = _new_run(rows[order])
    inverse = np.empty(len(rows), np.int64, like=rows)
    inverse[order] = np.cumsum(starts) - 1
    output = np.moveaxis(moved[order[starts]], 0, d)
    if dim is None:
        inverse = inverse.reshape(array.shape)
    counts = _counts(starts, len(rows))
    return _results(output, inverse, counts, return_inverse, return_counts)


def unique_consecutive(
    input: Any,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The values without repetitions of the one before; along dim, slices.

    >>> import sensorium as sn
    >>> sn.unique_consecutive(sn.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    array = input.array
    name = "unique_consecutive"
    moved, d = (array.reshape(-1), 0) if dim is None else _as_rows(name, array, dim)
    starts = _new_run(ordered(name, moved).reshape(len(moved), -1 if moved.size else 0))
    inverse = (np.cumsum(starts) - 1).astype(np.int64)
    if dim is None:
        inverse = inverse.reshape(array.shape)
    output = np.moveaxis(moved[starts], 0, d)
    counts = _counts(starts, len(moved))
    return _results(output, inverse, counts, return_inverse, return_counts)


# -- places in sorted values -----------------------------------------------------------------------
def _order_types(name: str, *arrays: Any) -> None:
    for a in arrays:
        if a.dtype.kind in "bc":
            raise DTypeError(f"{name}: not defined for {a.dtype}")


def _bisect(edges: Any, values: Any, right: bool, sorter: Any) -> Any:
    """How many of edges (*, n) are < values (*, m), or <= with right: all where a value is nan."""
    n = edges.shape[-1]
    low = np.zeros(values.shape, np.int64, like=values)
    high = np.full_like(low, n)
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        place = np.minimum(middle, max(n - 1, 0))
        if sorter is not None:
            place = np.take_along_axis(sorter, place, -1)
        edge = np.take_along_axis(edges, place, -1)
        stop = (edge > values) if right else (edge >= values)
        open_ = low < high
        low = np.where(open_ & ~stop, middle + 1, low)
        high = np.where(open_ & stop, middle, high)
    return low


def _check_sorter(sorter: Any, edges: Any) -> Any:
    if sorter is None:
        return None
    if sorter.dtype != np.int64 or sorter.shape != edges.shape:
        raise ShapeError(
            "searchsorted: sorter must be int64 of sorted_sequence's shape "
            f"{tuple(edges.shape)}, got {sorter.dtype} {tuple(sorter.shape)}"
        )
    order = sorter.array
    if order.size and not 0 <= int(order.min()) <= int(order.max()) < edges.shape[-1]:
        raise OutOfBoundsError(f"searchsorted: sorter must lie in 0..{edges.shape[-1] - 1}")
    return order


def _right_of(right: bool, side: str | None) -> bool:
    if side not in (None, "left", "right"):
        raise OptionError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    if right and side == "left":
        raise OptionError("searchsorted: side is 'left' but right is True")
    return right or side == "right"


@with_out
def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """For each value of input the place in sorted_sequence before which it belongs.

    sorted_sequence is a vector, or holds a row (*, n) for every row of input (*, m), in ascending
    order, or in the order sorter. Among equal values the place is the first, with right (or side
    "right") the one behind the last.

    >>> import sensorium as sn
    >>> sn.searchsorted(sn.tensor([1, 3, 5]), sn.tensor([0, 3, 6]))
    tensor([0, 1, 3])
    """
    edges = sorted_sequence
    number = not isinstance(input, Tensor)
    values = np.asarray(input, like=edges.array) if number else input.array
    _order_types("searchsorted", edges, values)
    if not edges.ndim or (edges.ndim > 1 and edges.shape[:-1] != values.shape[:-1]):
        raise ShapeError(
            "searchsorted: sorted_sequence must be a vector or agree with input in all dimensions "
            f"but the last, got {tuple(edges.shape)} and {tuple(values.shape)}"
        )
    order = _check_sorter(sorter, edges)
    wide = result_type(edges.array, input if number else values)
    rows, found = edges.array.astype(wide, copy=False), values.astype(wide, copy=False)
    if rows.ndim == 1:
        found = found.reshape(-1)
    found = _bisect(rows, found, _right_of(right, side), order).reshape(values.shape)
    return wrap(found.astype(np.int32 if out_int32 else np.int64, copy=False))


@with_out
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """The number of the bucket each value falls in: boundaries[i - 1] < value <= boundaries[i] is i.

    With right, boundaries[i - 1] <= value < boundaries[i]. boundaries is an ascending vector.

    >>> import sensorium as sn
    >>> sn.bucketize(sn.tensor([0.5, 2.0]), sn.tensor([1.0, 2.0]))
    tensor([0, 1])
    """
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize: boundaries must be a vector, got {tuple(boundaries.shape)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@with_out
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Any:
    """Whether each of elements is among test_elements; with invert, whether it is not.

    Either may be a number. assume_unique changes nothing but may be given.

    >>> import sensorium as sn
    >>> sn.isin(sn.tensor([1, 2, 3]), sn.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise DTypeError(f"isin: want a tensor, got {elements!r} and {test_elements!r}")
    given = [x.array if isinstance(x, Tensor) else x for x in (elements, test_elements)]
    for x in given:
        if getattr(x, "dtype", np.dtype(type(x))).kind in "bc":
            raise DTypeError(f"isin: not defined for {getattr(x, 'dtype', type(x).__name__)}")
    wide = result_type(*given)
    like = next(x for x in given if hasattr(x, "dtype"))
    a, b = (ordered("isin", np.asarray(x, like=like).astype(wide)) for x in given)
    found = _bisect_in(np.sort(b.reshape(-1)), a.reshape(-1)).reshape(a.shape)
    return wrap(~found if invert else found)


def _bisect_in(edges: Any, values: Any) -> Any:
    """Whether values are among the sorted edges."""
    if not edges.size:
        return np.zeros(values.shape, bool, like=values)
    place = np.minimum(np.searchsorted(edges, values), edges.size - 1)
    return edges[place] == values
