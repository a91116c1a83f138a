"""Picking and placing by index tensors: index_select, gather, scatter, nonzero, embedding.

Repeated indices add up in every gradient. Out-of-range indices are errors that name the index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from ._dims import one_dim
from ._out import with_out
from ._small import range_of
from .index import BASIC, _add_at, _put, _take, _view_index, getitem, plain_index
from .select import as_value
from .shape import _reshape


# -- index_select, gather, scatter -----------------------------------------------------------------
def _raw(index: Any) -> Any:
    return index.array if isinstance(index, Tensor) else index


def _integers(name: str, index: Any) -> Any:
    array = _raw(index)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{name}: index must be an integer tensor, got {array.dtype}")
    return array


@with_out(cast=False)
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The slices along dim that the 1-D integer tensor index names, in its order.

    >>> import sensorium as sn
    >>> sn.index_select(sn.tensor([[1, 2], [3, 4]]), 1, sn.tensor([1]))
    tensor([[2],
            [4]])
    """
    d = one_dim("index_select", dim, input.ndim)
    whole = _vector(input)
    rows = row_indices("index_select", whole.shape, d, index)
    if input.ndim == 0 and rows.size != 1:
        raise ShapeError(f"index_select: a single value has one slice, index has {rows.size}")
    found = _take(whole, (slice(None),) * d + (rows,))
    return found if input.ndim else _reshape(found, ())


def _vector(x: Any) -> Any:
    """A single value as a vector of one, as PyTorch sees it wherever an index is given."""
    return x if x.ndim else _reshape(x, (1,))


def row_indices(name: str, shape: Any, d: int, index: Any) -> Any:
    """The index tensor of the index_... family as a vector of numbers within dim d."""
    rows = _integers(name, index)
    if rows.ndim > 1:
        raise ShapeError(f"{name}: index must have one dimension, got {tuple(rows.shape)}")
    _check_within(name, rows, d, shape[d])
    return rows.reshape(-1)


def _check_within(name: str, index: Any, d: int, n: int) -> None:
    if not index.size:
        return
    low, high = range_of(index)
    if low < 0 or high >= n:
        raise OutOfBoundsError(
            f"{name}: index {low if low < 0 else high} is out of range for dim {d} of size {n}"
        )


def _along(index: Any, dim: int) -> tuple[Any, ...]:
    """The NumPy index that picks ``index`` along dim and its own place elsewhere."""
    places = _places(index)
    places[dim] = index
    return tuple(places)


def _places(index: Any) -> list[Any]:
    """For every dimension 0, 1, ..., shaped to meet index along it."""
    ndim = index.ndim
    return [
        np.arange(n, like=index).reshape((1,) * i + (n,) + (1,) * (ndim - i - 1))
        for i, n in enumerate(index.shape)
    ]


def at_chosen(index: Any, dim: int) -> tuple[Any, ...]:
    """The NumPy index of the elements that ``index``, which lacks dim, chose along it."""
    places = _places(index)
    places.insert(dim, index)
    return tuple(places)


def _check_gather(name: str, shape: Any, index: Any, d: int) -> None:
    if index.ndim != len(shape):
        raise ShapeError(
            f"{name}: index {tuple(index.shape)} and input {tuple(shape)} differ in ndim"
        )
    if any(i > n for k, (i, n) in enumerate(zip(index.shape, shape)) if k != d):
        raise ShapeError(
            f"{name}: index {tuple(index.shape)} exceeds input {tuple(shape)} outside dim {d}"
        )
    _check_within(name, index, d, shape[d])


@with_out(cast=False)
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """y[i][j] = input[index[i][j]][j] for dim 0, and so on: picks along dim.

    >>> import sensorium as sn
    >>> sn.gather(sn.tensor([[1, 2], [3, 4]]), 1, sn.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    if sparse_grad:
        raise DTypeError("gather: there are no sparse gradients: want sparse_grad=False")
    d = one_dim("gather", dim, input.ndim)
    picks = _integers("gather", index)
    if not picks.size:  # of any shape, as in PyTorch
        return _take(_reshape(input, (-1,)), (picks,))
    input = _vector(input)
    _check_gather("gather", input.shape, _vector(picks), d)
    found = _take(input, _along(_vector(picks), d))
    return found if picks.ndim else _reshape(found, ())


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


@with_out(cast=False)
def scatter(
    input: Any,
    dim: int,
    index: Any,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Any:
    """A copy of input with y[index[i][j]][j] = src[i][j] for dim 0, and so on.

    src is a tensor at least as large as index, or a number (also named value). Repeated indices: the
    last one stays; or, by reduce, "add" and "multiply" with what is there.

    >>> import sensorium as sn
    >>> sn.scatter(sn.zeros(3), 0, sn.tensor([2, 0]), sn.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    if (src is None) == (value is None):
        raise OptionError("scatter: wants either src or value")
    src = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise OptionError(f"scatter: reduce is 'add' or 'multiply', got {reduce!r}")
    if reduce == "multiply":
        from .scatter_reduce import scatter_reduce

        src = src if isinstance(src, Tensor) else _full("scatter", src, index, input)
        return scatter_reduce(input, dim, index, src, "prod")
    return _scatter("scatter", input, dim, index, src, reduce == "add")


def _full(name: str, value: Any, index: Any, like: Any) -> Any:
    """A tensor of the index's shape and the type of like, full of a number."""
    array = like.array
    return Tensor(np.full(index.shape, as_value(name, value, array.dtype), array.dtype, like=array))


@with_out(cast=False)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """``scatter`` that adds to what is there; repeated indices add up.

    >>> import sensorium as sn
    >>> sn.scatter_add(sn.zeros(2), 0, sn.tensor([1, 1]), sn.tensor([5.0, 6.0]))
    tensor([ 0., 11.])
    """
    return _scatter("scatter_add", input, dim, index, src, True)


def _scatter(name: str, input: Any, dim: int, index: Any, src: Any, accumulate: bool) -> Any:
    y, src, along = scattered(name, input, dim, index, src)
    y = _put_at(y, src, along, accumulate)
    return y if input.ndim else _reshape(y, ())


def scattered(name: str, input: Any, dim: int, index: Any, src: Any) -> tuple[Any, Any, Any]:
    """input and the part of src that is written, with one dimension or more; where it goes."""
    d = one_dim(name, dim, input.ndim)
    picks = _vector(_integers(name, index))
    if not isinstance(src, Tensor):
        src = as_value(name, src, input.dtype)
    elif src.dtype != input.dtype:
        raise DTypeError(f"{name}: src is {src.dtype} but input {input.dtype}")
    input = _vector(input)
    if not picks.size:
        nowhere = np.zeros(0, np.int64, like=picks)
        src = _take(_reshape(src, (-1,)), (nowhere,)) if isinstance(src, Tensor) else src
        return input, src, (nowhere,) * input.ndim
    _check_gather(name, input.shape, picks, d)
    if isinstance(src, Tensor):
        src = _vector(src)
        if src.ndim != picks.ndim or any(i > n for i, n in zip(picks.shape, src.shape)):
            raise ShapeError(f"{name}: index {tuple(picks.shape)} exceeds src {tuple(src.shape)}")
        src = getitem(src, tuple(slice(0, n) for n in picks.shape))
    return input, src, _along(picks, d)


@with_out
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """A copy of input with alpha source[i] added to the slice index[i] along dim.

    >>> import sensorium as sn
    >>> sn.index_add(sn.zeros(3), 0, sn.tensor([1, 1]), sn.ones(2))
    tensor([0., 2., 0.])
    """
    y, source, place = indexed("index_add", input, dim, index, source)
    y = _put_at(y, source if alpha == 1 else source * alpha, place, True)
    return y if input.ndim else _reshape(y, ())


def indexed(name: str, input: Any, dim: int, index: Any, source: Any) -> tuple[Any, Any, Any]:
    """input and source with one dimension or more, and the place of source's slices in input."""
    d = one_dim(name, dim, input.ndim)
    if not isinstance(source, Tensor) or source.dtype != input.dtype:
        kind = getattr(source, "dtype", type(source).__name__)
        raise DTypeError(f"{name}: source is {kind} but input {input.dtype}")
    x, values = _vector(input), _vector(source)
    rows = row_indices(name, x.shape, d, index)
    wanted = (*x.shape[:d], rows.size, *x.shape[d + 1 :])
    if tuple(values.shape) != wanted:
        raise ShapeError(
            f"{name}: {rows.size} indices in dim {d} of input {tuple(input.shape)} want a source of "
            f"shape {wanted}, got {tuple(source.shape)}"
        )
    return x, values, (slice(None),) * d + (rows,)


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of input with values written, or added, at the index tuple.

    >>> import sensorium as sn
    >>> sn.index_put(sn.zeros(3), (sn.tensor([0, 2]),), sn.tensor(1.0))
    tensor([1., 0., 1.])
    """
    plain, _ = plain_index(tuple(indices))
    return _put_at(input, values, plain, accumulate)


# -- where is what ---------------------------------------------------------------------------------
@op(differentiable=0)
def _nonzero(input: Array) -> Array:
    """The indices of the nonzero elements, one row each."""
    if not input.ndim:  # no indices, for one value or for none
        return np.zeros((int(bool(input)), 0), np.int64, like=input)
    return np.stack(np.nonzero(input), axis=1)


@_nonzero.samples(reference=lambda x: np.array([i for i in np.ndindex(*x.shape) if x[i]]))
def _(rng):
    yield ((rng.normal(size=(3, 4)) > 0).astype(float),)


@with_out
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The indices of the nonzero elements: (n, ndim), or a tuple of one vector a dimension.

    >>> import sensorium as sn
    >>> sn.nonzero(sn.tensor([0, 3, 4]))
    tensor([[1],
            [2]])
    """
    found = _nonzero(_vector(input) if as_tuple else input)
    return tuple(found[:, i] for i in range(found.shape[1])) if as_tuple else found


@with_out(cast=False)
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
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """weight[input]: the row of weight (V, E) for every integer of input (*) -> (*, E).

    The row padding_idx gets no gradient. max_norm shrinks used rows in place to that norm.
    scale_grad_by_freq: the gradient of a row is divided by how often input names it.

    >>> import sensorium as sn
    >>> sn.nn.functional.embedding(sn.tensor([1, 0]), sn.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    rows = _integers("embedding", input)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be (V, E), got {tuple(weight.shape)}")
    if sparse:
        raise DTypeError("embedding: there are no sparse gradients: want sparse=False")
    low, high = range_of(rows) if rows.size else (0, 0)
    if rows.size and not 0 <= low <= high < weight.shape[0]:
        worst = low if low < 0 else high
        raise OutOfBoundsError(
            f"embedding: index {worst} is out of range for {weight.shape[0]} rows"
        )
    if max_norm is not None:
        _shrink_rows(weight, rows, max_norm, norm_type)
    return _lookup(weight, rows, padding_idx, scale_grad_by_freq)


@op
def _lookup(weight: Array, rows: Any, padding_idx: int | None, by_count: bool = False) -> Array:
    """weight[rows]; no gradient for the row padding_idx."""
    return weight[rows]


@_lookup.grad
def _(g, shapes, rows, padding_idx, by_count):
    if padding_idx is not None:
        from .compare import ne
        from .select import where

        named = Tensor(rows) if isinstance(g, Tensor) else rows  # so that a trace sees it
        g = where(ne(named, padding_idx % shapes[0][0])[..., None], g, 0.0)
    if by_count:
        shares = 1 / np.bincount(rows.reshape(-1), minlength=1)[rows]
        g = g * shares[..., None].astype(g.dtype)
    return _add_at(g, shapes[0], (rows,))


@_lookup.samples(
    reference=lambda w, rows, padding_idx, by_count: np.array([w[i] for i in rows.ravel()]).reshape(
        *rows.shape, -1
    )
)
def _(rng):
    yield rng.normal(size=(5, 3)), np.array([[0, 4], [4, 1]]), None, False


def _shrink_rows(weight: Any, rows: Any, max_norm: float, norm_type: float) -> None:
    used = np.unique(rows)
    norms = np.linalg.norm(weight.array[used], ord=norm_type, axis=1)
    scale = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0).astype(weight.dtype)
    weight.array[used] *= scale[:, None]
    from ..inplace import wrote

    wrote(weight)
