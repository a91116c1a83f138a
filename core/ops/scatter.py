"""Writing at index tensors: index_fill, index_copy, masked_scatter, put, and parts by name.

Everything here returns a copy of input with something written into it, and the gradient flows to
both. ``scatter_reduce`` and ``index_reduce``, which combine what is written, are in
``scatter_reduce.py``; ``scatter``, ``scatter_add`` and ``index_add`` in ``gather.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from ._dims import one_dim
from ._out import with_out
from .cast import to_dtype
from .gather import _integers, _put_at, _vector, indexed, row_indices
from .index import _check_range
from .select import as_value
from .shape import _expand, _reshape


# -- along a dimension -----------------------------------------------------------------------------
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """A copy of input with value in the slices index of dim; value is one number, or a tensor of one.

    >>> import sensorium as sn
    >>> sn.index_fill(sn.zeros(3), 0, sn.tensor([0, 2]), 1)
    tensor([1., 0., 1.])
    """
    d = one_dim("index_fill", dim, input.ndim)
    x = _vector(input)
    rows = _integers("index_fill", index)
    if rows.size:
        rows = np.where(rows < 0, rows + x.shape[d], rows)
    rows = np.unique(row_indices("index_fill", x.shape, d, rows))  # each slice is filled once
    filled = _put_at(x, as_value("index_fill", value, x.dtype), (slice(None),) * d + (rows,), False)
    return filled if input.ndim else _reshape(filled, ())


@with_out
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """A copy of input with the slice index[i] of dim replaced by the slice i of source.

    >>> import sensorium as sn
    >>> sn.index_copy(sn.zeros(3), 0, sn.tensor([2, 0]), sn.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    x, values, place = indexed("index_copy", input, dim, index, source)
    y = _put_at(x, values, place, False)
    return y if input.ndim else _reshape(y, ())


# -- by a mask, and by places of the flattened tensor ----------------------------------------------
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """A copy of input with the first values of source, in their order, where mask is true.

    >>> import sensorium as sn
    >>> mask = sn.tensor([True, False, True])
    >>> sn.masked_scatter(sn.zeros(3), mask, sn.tensor([5.0, 6.0, 7.0]))
    tensor([5., 0., 6.])
    """
    from .shape import broadcast_tensors

    if mask.dtype != np.bool_:
        raise DTypeError(f"masked_scatter: mask must be bool, got {mask.dtype}")
    if source.dtype != input.dtype:
        raise DTypeError(f"masked_scatter: source is {source.dtype} but input {input.dtype}")
    input, mask = broadcast_tensors(input, mask)
    places = np.flatnonzero(mask.array)
    if places.size > source.numel():
        raise ShapeError(
            f"masked_scatter: {places.size} values to write, source has {source.numel()}"
        )
    values = _reshape(source, (-1,))[: places.size]
    return written(input, places, values)


def written(input: Any, places: Any, values: Any) -> Any:
    """input with values at the given places of its flattened form."""
    flat = _put_at(_reshape(input, (-1,)), values, (places,), False)
    return _reshape(flat, tuple(input.shape))


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """A copy of input with source written, or added, at these places of the flattened input.

    Of repeated places the last one stays, or they add up.

    >>> import sensorium as sn
    >>> sn.put(sn.zeros(2, 2), sn.tensor([3, 0]), sn.tensor([5.0, 6.0]))
    tensor([[6., 0.],
            [0., 5.]])
    """
    places, n = _integers("put", index), input.numel()
    if source.dtype != input.dtype:
        raise DTypeError(f"put: source is {source.dtype} but input {input.dtype}")
    if places.size != source.numel():
        raise ShapeError(f"put: {places.size} places but {source.numel()} values")
    if places.size and not -n <= int(places.min()) <= int(places.max()) < n:
        worst = int(places.max()) if int(places.max()) >= n else int(places.min())
        raise OutOfBoundsError(f"put: place {worst} is out of range for {n} elements")
    places = np.where(places < 0, places + n, places).reshape(-1)
    flat = _put_at(_reshape(input, (-1,)), _reshape(source, (-1,)), (places,), accumulate)
    return _reshape(flat, tuple(input.shape))


# -- a part in place of another --------------------------------------------------------------------
def _replaced(name: str, input: Any, src: Any, index: tuple[Any, ...]) -> Any:
    """input with src in the part that a basic index names; src must have its shape."""
    part = tuple(input.array[index].shape)
    if tuple(src.shape) != part:
        raise ShapeError(f"{name}: the part has shape {part}, src {tuple(src.shape)}")
    return _put_at(input, to_dtype(src, input.dtype), index, False)


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of input with src in place of ``select(input, dim, index)``.

    >>> import sensorium as sn
    >>> sn.select_scatter(sn.zeros(2, 2), sn.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    d = one_dim("select_scatter", dim, input.ndim)
    if not input.ndim:
        raise ShapeError("select_scatter: a single value has no slices")
    _check_range("select_scatter", index, d, input.shape[d])
    return _replaced("select_scatter", input, src, (slice(None),) * d + (index,))


@with_out
def slice_scatter(
    input: Any,
    src: Any,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Any:
    """A copy of input with src in place of the slices start to end, by step, of dim.

    >>> import sensorium as sn
    >>> sn.slice_scatter(sn.zeros(4), sn.ones(2), 0, 1, 3)
    tensor([0., 1., 1., 0.])
    """
    d = one_dim("slice_scatter", dim, input.ndim)
    if not input.ndim or step < 1:
        raise ShapeError(
            f"slice_scatter: want a dimension and a step > 0, got {input.ndim}-d, {step}"
        )
    return _replaced("slice_scatter", input, src, (slice(None),) * d + (slice(start, end, step),))


# -- all of it -------------------------------------------------------------------------------------
def fill(input: Any, value: Any) -> Any:
    """A tensor like input with value everywhere; value is a number, or a tensor of one.

    >>> import sensorium as sn
    >>> sn.fill(sn.zeros(2), 3)
    tensor([3., 3.])
    """
    number = as_value("fill", value, input.dtype)
    if not isinstance(number, Tensor):
        number = Tensor(np.full((), number, input.dtype, like=input.array))
    return _filled(input, number)


@op
def _filled(input: Array, value: Array) -> Array:
    """value in the shape of input, which is not looked at: its gradient is 0."""
    return np.full_like(input, value)


@_filled.grad("input")
def _(g):
    return g * 0


@_filled.grad("value")
def _(g):
    return _expand(g, tuple(g.shape))  # the engine sums it


@_filled.samples(reference=lambda x, value: np.zeros(x.shape) + value)
def _(rng):
    yield rng.normal(size=(2, 3)), rng.normal(size=())
