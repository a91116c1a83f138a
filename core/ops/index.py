"""Reading and writing parts: indexing, narrow, gather, scatter, index_select, nonzero, embedding.

``x[...]`` with integers, slices, None and Ellipsis is a view; with a tensor, list or mask it is a
copy. Repeated indices add up in every gradient. Out-of-range indices are errors that name the index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from ._dims import one_dim

BASIC = (int, slice, type(None), type(Ellipsis))


# -- normalising an index ------------------------------------------------------------------------
def plain_index(index: Any) -> tuple[tuple[Any, ...], bool]:
    """The index as a tuple of things NumPy understands, and whether it makes a view."""
    parts = index if isinstance(index, tuple) else (index,)
    found = tuple(p if p.__class__ in BASIC else _plain_part(p) for p in parts)
    return found, all(p.__class__ in BASIC for p in found)


def _plain_part(part: Any) -> Any:
    if isinstance(part, Tensor):
        part = part.array
    if isinstance(part, (bool, np.bool_)):
        return np.asarray(part)
    if isinstance(part, slice) or hasattr(part, "__index__") and getattr(part, "ndim", 0) == 0:
        return part if isinstance(part, slice) else part.__index__()
    array = part if hasattr(part, "dtype") else np.asarray(part)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise DTypeError(f"index: want integers, booleans or slices, got {array.dtype}")
    return array


def _check_index(name: str, shape: tuple[int, ...], index: tuple[Any, ...]) -> None:
    """Say which part of an index does not fit; only called when NumPy refused it."""
    used = sum(p.ndim if getattr(p, "dtype", None) == np.bool_ else 1
               for p in index if p is not None and p is not Ellipsis)
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


# -- getitem -------------------------------------------------------------------------------------
@op(view=True)
def _view_index(input: Array, index: tuple[Any, ...]) -> Array:
    """input[index] for integers, slices, None and Ellipsis: a view."""
    try:
        y = input[index]
    except IndexError:
        _check_index("index", input.shape, index)
        raise
    if isinstance(y, np.generic):  # one element: NumPy's scalar is a copy, a view of one place is not
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
    if kind is int or (kind is slice and (index.step is None or index.step.__class__ is int and index.step > 0)):
        return _view_index(input, (index,))
    plain, is_view = plain_index(index)
    if _negative_step(plain):
        raise ShapeError(f"index: slice steps must be positive, got {index}; use flip")
    return _view_index(input, plain) if is_view else _take(input, plain)


# -- narrow and select ---------------------------------------------------------------------------
def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """length slices along dim from start on; a view.

    >>> import sensorium as sn
    >>> sn.narrow(sn.arange(5), 0, 1, 2)
    tensor([1, 2])
    """
    d = one_dim("narrow", dim, input.ndim)
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


# -- index_select, gather, scatter ---------------------------------------------------------------
def _raw(index: Any) -> Any:
    return index.array if isinstance(index, Tensor) else index


def _integers(name: str, index: Any) -> Any:
    array = _raw(index)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{name}: index must be an integer tensor, got {array.dtype}")
    return array


def index_select(input: Any, dim: int, index: Any) -> Any:
    """The slices along dim that the 1-D integer tensor index names, in its order.

    >>> import sensorium as sn
    >>> sn.index_select(sn.tensor([[1, 2], [3, 4]]), 1, sn.tensor([1]))
    tensor([[2],
            [4]])
    """
    d = one_dim("index_select", dim, input.ndim)
    rows = _integers("index_select", index)
    if rows.ndim > 1:
        raise ShapeError(f"index_select: index must have one dimension, got {tuple(rows.shape)}")
    return _take(input, (slice(None),) * d + (rows.reshape(-1),))


def _along(index: Any, dim: int) -> tuple[Any, ...]:
    """The NumPy index that picks ``index`` along dim and its own place elsewhere."""
    places = np.indices(index.shape, sparse=True) if isinstance(index, np.ndarray) else None
    if places is None:
        import cupy

        places = cupy.indices(index.shape, sparse=True)
    return tuple(index if i == dim else p for i, p in enumerate(places))


def _check_gather(name: str, shape: Any, index: Any, d: int) -> None:
    if index.ndim != len(shape):
        raise ShapeError(f"{name}: index {tuple(index.shape)} and input {tuple(shape)} differ in ndim")
    if any(i > n for k, (i, n) in enumerate(zip(index.shape, shape)) if k != d):
        raise ShapeError(
            f"{name}: index {tuple(index.shape)} exceeds input {tuple(shape)} outside dim {d}"
        )
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= shape[d]:
            raise OutOfBoundsError(
                f"{name}: index {low if low < 0 else high} is out of range for dim {d} "
                f"of size {shape[d]}"
            )


def gather(input: Any, dim: int, index: Any) -> Any:
    """y[i][j] = input[index[i][j]][j] for dim 0, and so on: picks along dim.

    >>> import sensorium as sn
    >>> sn.gather(sn.tensor([[1, 2], [3, 4]]), 1, sn.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    d = one_dim("gather", dim, input.ndim)
    picks = _integers("gather", index)
    _check_gather("gather", input.shape, picks, d)
    return _take(input, _along(picks, d))


@op(promote="common")
def _put_at(input: Array, src: Array, index: tuple[Any, ...], accumulate: bool) -> Array:
    """input with src written (or added) at index; of repeated writes the last one stays."""
    y = input.copy()
    if accumulate:
        np.add.at(y, index, src)
    else:
        y[index] = src
    return y


@_put_at.grad("input")
def _(g, index, accumulate):
    return g if accumulate else _put_at(g, 0.0, index, False)


@_put_at.grad("src")
def _(g, index):
    is_view = all(p.__class__ in BASIC for p in index)
    return _view_index(g, index) if is_view else _take(g, index)


@_put_at.samples(reference=lambda x, src, index, accumulate: _slow_put(x, src, index, accumulate))
def _(rng):
    yield rng.normal(size=(4, 3)), rng.normal(size=(2, 3)), (np.array([0, 2]),), False
    yield rng.normal(size=(4, 3)), rng.normal(size=(3, 3)), (np.array([0, 2, 2]),), True
    yield rng.normal(size=(4, 3)), rng.normal(size=(3,)), (slice(1, 3),), False


def _slow_put(x: Any, src: Any, index: Any, accumulate: bool) -> Any:
    y = x.copy()
    if accumulate:
        return _put(y, index, src)
    y[index] = src
    return y


def scatter(input: Any, dim: int, index: Any, src: Any) -> Any:
    """A copy of input with y[index[i][j]][j] = src[i][j] for dim 0, and so on.

    src is a tensor at least as large as index, or a number. Repeated indices: the last one stays.

    >>> import sensorium as sn
    >>> sn.scatter(sn.zeros(3), 0, sn.tensor([2, 0]), sn.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    return _scatter("scatter", input, dim, index, src, False)


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """``scatter`` that adds to what is there; repeated indices add up.

    >>> import sensorium as sn
    >>> sn.scatter_add(sn.zeros(2), 0, sn.tensor([1, 1]), sn.tensor([5.0, 6.0]))
    tensor([ 0., 11.])
    """
    return _scatter("scatter_add", input, dim, index, src, True)


def _scatter(name: str, input: Any, dim: int, index: Any, src: Any, accumulate: bool) -> Any:
    d = one_dim(name, dim, input.ndim)
    picks = _integers(name, index)
    _check_gather(name, input.shape, picks, d)
    if isinstance(src, Tensor):
        if any(i > n for i, n in zip(picks.shape, src.shape)):
            raise ShapeError(f"{name}: index {picks.shape} exceeds src {tuple(src.shape)}")
        src = getitem(src, tuple(slice(0, n) for n in picks.shape))
    return _put_at(input, src, _along(picks, d), accumulate)


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """A copy of input with alpha source[i] added to the slice index[i] along dim.

    >>> import sensorium as sn
    >>> sn.index_add(sn.zeros(3), 0, sn.tensor([1, 1]), sn.ones(2))
    tensor([0., 2., 0.])
    """
    d = one_dim("index_add", dim, input.ndim)
    rows = _integers("index_add", index)
    return _put_at(input, source * alpha, (slice(None),) * d + (rows,), True)


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of input with values written, or added, at the index tuple.

    >>> import sensorium as sn
    >>> sn.index_put(sn.zeros(3), (sn.tensor([0, 2]),), sn.tensor(1.0))
    tensor([1., 0., 1.])
    """
    plain, _ = plain_index(tuple(indices))
    return _put_at(input, values, plain, accumulate)


# -- where is what -------------------------------------------------------------------------------
@op(differentiable=0)
def _nonzero(input: Array) -> Array:
    """The indices of the nonzero elements, one row each."""
    return np.stack(np.nonzero(input), axis=1) if input.ndim else np.nonzero(input.reshape(1))[0][:, :0]


@_nonzero.samples(reference=lambda x: np.array([i for i in np.ndindex(*x.shape) if x[i]]))
def _(rng):
    yield ((rng.normal(size=(3, 4)) > 0).astype(float),)


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The indices of the nonzero elements: (n, ndim), or a tuple of one vector a dimension.

    >>> import sensorium as sn
    >>> sn.nonzero(sn.tensor([0, 3, 4]))
    tensor([[1],
            [2]])
    """
    found = _nonzero(input)
    return tuple(found[:, i] for i in range(found.shape[1])) if as_tuple else found


def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the boolean mask, broadcast with input, is true, in one dimension.

    >>> import sensorium as sn
    >>> sn.masked_select(sn.tensor([1, 2, 3]), sn.tensor([True, False, True]))
    tensor([1, 3])
    """
    from .shape import broadcast_tensors

    input, mask = broadcast_tensors(input, mask)
    return getitem(input, mask)


def embedding(
    input: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Any:
    """weight[input]: the row of weight (V, E) for every integer of input (*) -> (*, E).

    The row padding_idx gets no gradient. max_norm shrinks used rows in place to that norm.

    >>> import sensorium as sn
    >>> sn.nn.functional.embedding(sn.tensor([1, 0]), sn.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    rows = _integers("embedding", input)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be (V, E), got {tuple(weight.shape)}")
    if scale_grad_by_freq or sparse:
        raise DTypeError("embedding: scale_grad_by_freq and sparse gradients are not supported")
    if rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < weight.shape[0]:
        worst = int(rows.min()) if int(rows.min()) < 0 else int(rows.max())
        raise OutOfBoundsError(f"embedding: index {worst} is out of range for {weight.shape[0]} rows")
    if max_norm is not None:
        _shrink_rows(weight, rows, max_norm, norm_type)
    return _lookup(weight, rows, padding_idx)


@op
def _lookup(weight: Array, rows: Any, padding_idx: int | None) -> Array:
    """weight[rows]; no gradient for the row padding_idx."""
    return weight[rows]


@_lookup.grad
def _(g, shapes, rows, padding_idx):
    if padding_idx is not None:
        from .select import where

        keep = (rows != padding_idx % shapes[0][0])[..., None]
        g = where(keep, g, 0.0)
    return _add_at(g, shapes[0], (rows,))


@_lookup.samples(reference=lambda w, rows, padding_idx: np.array([w[i] for i in rows.ravel()]).reshape(
    *rows.shape, -1))
def _(rng):
    yield rng.normal(size=(5, 3)), np.array([[0, 4], [4, 1]]), None


def _shrink_rows(weight: Any, rows: Any, max_norm: float, norm_type: float) -> None:
    used = np.unique(rows)
    norms = np.linalg.norm(weight.array[used], ord=norm_type, axis=1)
    scale = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0).astype(weight.dtype)
    weight.array[used] *= scale[:, None]
    from ..inplace import wrote

    wrote(weight)
