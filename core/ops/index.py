"""Reading parts: indexing, narrow, select, and their gradients.

``x[...]`` with integers, slices, None and Ellipsis is a view; with a tensor, list or mask it is a
copy. Repeated indices add up in every gradient. Out-of-range indices are errors that name the index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from ._dims import _integer, one_dim

BASIC = (int, slice, type(None), type(Ellipsis))


# -- normalising an index --------------------------------------------------------------------------
def plain_index(index: Any) -> tuple[tuple[Any, ...], bool]:
    """The index as a tuple of things NumPy understands, and whether it makes a view."""
    parts = index if isinstance(index, tuple) else (index,)
    found = tuple(p if p.__class__ in BASIC else _plain_part(p) for p in parts)
    return found, all(p.__class__ in BASIC for p in found)


def _plain_part(part: Any) -> Any:
    if isinstance(part, Tensor):
        part = part.array
    if isinstance(part, (bool, np.bool_)) or getattr(part, "dtype", None) == np.bool_:
        return np.asarray(part) if isinstance(part, (bool, np.bool_)) else part
    if isinstance(part, slice) or (hasattr(part, "__index__") and getattr(part, "ndim", 0) == 0):
        return part if isinstance(part, slice) else part.__index__()
    array = part if hasattr(part, "dtype") else np.asarray(part)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise DTypeError(f"index: want integers, booleans or slices, got {array.dtype}")
    return array


def _check_index(name: str, shape: tuple[int, ...], index: tuple[Any, ...]) -> None:
    """Say which part of an index does not fit; only called when NumPy refused it."""
    used = sum(
        p.ndim if getattr(p, "dtype", None) == np.bool_ else 1
        for p in index
        if p is not None and p is not Ellipsis
    )
    if used > len(shape):
        raise OutOfBoundsError(f"{name}: {used} indices for {len(shape)} dimensions {shape}")
    dim = 0
    for part in index:
        if part is Ellipsis:
            dim = len(shape) - (used - dim)
        elif getattr(part, "dtype", None) == np.bool_:
            if part.shape != shape[dim : dim + part.ndim]:
                raise OutOfBoundsError(
                    f"{name}: a mask of shape {part.shape} does not fit "
                    f"{shape[dim : dim + part.ndim]} of {shape}"
                )
            dim += part.ndim
        elif part is not None:
            _check_range(name, part, dim, shape[dim])
            dim += 1


def _check_range(name: str, part: Any, dim: int, n: int) -> None:
    if isinstance(part, slice):
        if part.step is not None and part.step <= 0:
            raise ShapeError(f"{name}: slice steps must be positive, got {part.step}")
        return
    values = np.asarray(part) if isinstance(part, int) else part
    bad = (values < -n) | (values >= n)
    if bad.any():
        worst = values[bad].ravel()[0] if values.ndim else values
        raise OutOfBoundsError(
            f"{name}: index {int(worst)} is out of range for dim {dim} of size {n}"
        )


def _negative_step(index: tuple[Any, ...]) -> bool:
    return any(p.__class__ is slice and p.step is not None and p.step < 0 for p in index)


# -- getitem ---------------------------------------------------------------------------------------
def _simple(part: Any) -> bool:
    """Whether a part of an index is one that NumPy and we read alike: an integer, a slice, None."""
    kind = part.__class__
    return kind is int or (kind is slice and part.step is None) or part is None or part is ...


@op(view=True)
def _view_index(input: Array, index: tuple[Any, ...]) -> Array:
    """input[index] for integers, slices, None and Ellipsis: a view."""
    try:
        y = input[index]
    except IndexError:
        _check_index("index", input.shape, index)
        raise
    if isinstance(
        y, np.generic
    ):  # one element: NumPy's scalar is a copy, a view of one place is not
        return input[(*index, None)].reshape(())
    return y


@_view_index.grad
def _(g, shapes, index):
    return _scatter_view(g, shapes[0], index)


@_view_index.samples(reference=lambda x, index: x[index])
def _(rng):
    yield rng.normal(size=(4, 5)), (slice(1, None, 2), None, 3)
    yield rng.normal(size=(4, 5)), (Ellipsis, slice(2))
    yield rng.normal(size=(4,)), (2,)


@op
def _scatter_view(input: Array, shape: tuple[int, ...], index: tuple[Any, ...]) -> Array:
    """Zeros of the given shape with input at index: the gradient of a view."""
    y = np.zeros(shape, input.dtype, like=input)
    y[index] = input
    return y


@_scatter_view.grad
def _(g, index):
    return _view_index(g, index)


@_scatter_view.samples(reference=lambda x, shape, index: _put(np.zeros(shape), index, x))
def _(rng):
    yield rng.normal(size=(2, 5)), (4, 5), (slice(1, 3),)


def _put(y: Any, index: Any, x: Any) -> Any:
    np.add.at(y, index, x)
    return y


@op
def _take(input: Array, index: tuple[Any, ...]) -> Array:
    """input[index] with integer arrays or masks in the index: a copy."""
    try:
        return np.asarray(input[index], like=input)
    except IndexError:
        _check_index("index", input.shape, index)
        raise ShapeError(
            f"index: index arrays of shapes {[getattr(i, 'shape', i) for i in index]} do not broadcast"
        ) from None


@_take.grad
def _(g, shapes, index):
    return _add_at(g, shapes[0], index)


@_take.samples(reference=lambda x, index: x[index])
def _(rng):
    yield rng.normal(size=(4, 5)), (np.array([0, 2, 2]),)
    yield rng.normal(size=(4, 5)), (np.array([[0], [1]]), np.array([1, 1, 4]))
    yield rng.normal(size=(3, 2)), (np.array([[True, False], [True, True], [False, False]]),)


@op
def _add_at(input: Array, shape: tuple[int, ...], index: tuple[Any, ...]) -> Array:
    """Zeros of the given shape with input added at index; repeated indices add up."""
    y = np.zeros(shape, input.dtype, like=input)
    if all(getattr(i, "dtype", None) == np.bool_ or i.__class__ in BASIC for i in index):
        y[index] = input  # nothing repeats
    elif len(index) == 1 and index[0].ndim >= 1 and isinstance(y, np.ndarray):
        _add_rows(y, index[0], input)
    else:
        np.add.at(y, index, input)
    return y


def _add_rows(y: Any, rows: Any, values: Any) -> None:
    """y[rows] += values with repeats, by sorting the rows: far quicker than ``np.add.at``."""
    rows = rows.reshape(-1) % y.shape[0] if y.shape[0] else rows.reshape(-1)
    values = values.reshape(rows.size, *y.shape[1:])
    if rows.size == 0:
        return
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    y[ordered[starts]] = np.add.reduceat(values[order], starts, axis=0)


@_add_at.grad
def _(g, index):
    return _take(g, index)


@_add_at.samples(reference=lambda x, shape, index: _put(np.zeros(shape), index, x), tolerance=1e-11)
def _(rng):
    yield rng.normal(size=(3, 5)), (4, 5), (np.array([0, 2, 2]),)
    yield rng.normal(size=(2, 3)), (4, 5), (np.array([[0], [0]]), np.array([1, 1, 4]))


def getitem(input: Any, index: Any) -> Any:
    """``input[index]``: a view for integers, slices, None and Ellipsis, else a copy.

    >>> import sensorium as sn
    >>> sn.arange(6).reshape(2, 3)[:, [2, 0]]
    tensor([[2, 0],
            [5, 3]])
    """
    kind = index.__class__
    if kind is int or (
        kind is slice and (index.step is None or (index.step.__class__ is int and index.step > 0))
    ):
        return _view_index(input, (index,))
    if kind is tuple and all(map(_simple, index)):
        return _view_index(input, index)
    plain, is_view = plain_index(index)
    if _negative_step(plain):
        raise ShapeError(f"index: slice steps must be positive, got {index}; use flip")
    return _view_index(input, plain) if is_view else _take(input, plain)


# -- narrow and select -----------------------------------------------------------------------------
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """length slices along dim from start on; a view.

    >>> import sensorium as sn
    >>> sn.narrow(sn.arange(5), 0, 1, 2)
    tensor([1, 2])
    """
    d = one_dim("narrow", dim, input.ndim)
    if getattr(getattr(start, "dtype", None), "kind", "i") not in "iu":
        raise DTypeError(f"narrow: start must be one integer, got a tensor of {start.dtype}")
    start, length = _integer("narrow", "start", start), _integer("narrow", "length", length)
    if not input.ndim:
        raise ShapeError("narrow: a single value has no dimension to take slices from")
    n = input.shape[d]
    first = start + n if start < 0 else start
    if length < 0 or not 0 <= first <= n - length:
        raise OutOfBoundsError(
            f"narrow: {length} slices from {start} do not lie in dim {d} of size {n}"
        )
    return _view_index(input, (slice(None),) * d + (slice(first, first + length),))


def select(input: Any, dim: int, index: int) -> Any:
    """The slice at index along dim, without that dimension; a view.

    >>> import sensorium as sn
    >>> sn.select(sn.arange(6).reshape(2, 3), 1, -1)
    tensor([2, 5])
    """
    d = one_dim("select", dim, input.ndim)
    _check_range("select", index, d, input.shape[d])
    return _view_index(input, (slice(None),) * d + (index,))
