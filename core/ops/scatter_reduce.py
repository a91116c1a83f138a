"""scatter_reduce and index_reduce: values that meet in one place are combined.

Both come down to one rule on flattened tensors: every value of src has a cell of input, and each
cell becomes the sum, product, mean, minimum or maximum of its values and, with include_self, of
what it held. Gradients are exact where values are 0 (products) and are shared equally among equal
extremes, as in PyTorch; but without include_self, what a cell held has no share in an extreme that
it happens to equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import FLOATING
from ..errors import DTypeError, OptionError
from ._declare import Array, op
from ._out import with_out
from .arithmetic import floor_divide, mul, true_divide
from .gather import _put_at, indexed, scattered
from .index import _take
from .join import cat
from .select import _where
from .shape import _reshape


@with_out
def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """y[index[i][j]][j] combines the values src[i][j] for dim 0, and so on; others as in input.

    reduce: "sum", "prod", "mean", "amax" or "amin". include_self: what input holds takes part.

    >>> import sensorium as sn
    >>> index, src = sn.tensor([0, 0, 1]), sn.tensor([3.0, 5.0, 7.0])
    >>> sn.scatter_reduce(sn.tensor([1.0, 1.0, 1.0]), 0, index, src, "amax")
    tensor([5., 7., 1.])
    """
    combine = _combiner("scatter_reduce", reduce, ("sum", "prod", "mean", "amax", "amin"))
    x, values, place = scattered("scatter_reduce", input, dim, index, src)
    return _combined(combine, input, x, values, place, include_self)


@with_out
def index_reduce(
    input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """The slice index[i] of dim combines the slices i of source; other slices as in input.

    reduce: "prod", "mean", "amax" or "amin". include_self: what input holds takes part.

    >>> import sensorium as sn
    >>> index, source = sn.tensor([0, 0]), sn.tensor([3.0, 5.0])
    >>> sn.index_reduce(sn.ones(2), 0, index, source, "mean", include_self=False)
    tensor([4., 1.])
    """
    combine = _combiner("index_reduce", reduce, ("prod", "mean", "amax", "amin"))
    x, values, place = indexed("index_reduce", input, dim, index, source)
    return _combined(combine, input, x, values, place, include_self)


def _combiner(name: str, reduce: str, allowed: tuple[str, ...]) -> Callable[..., Any]:
    if reduce not in allowed:
        raise OptionError(f"{name}: reduce is one of {', '.join(allowed)}, got {reduce!r}")
    return _COMBINERS[reduce]


def _combined(
    combine: Callable[..., Any], input: Any, x: Any, values: Any, place: Any, include_self: bool
) -> Any:
    """Both functions on flattened tensors: the cell of every value, then the combination."""
    array = x.array
    cells = np.arange(array.size, like=array).reshape(array.shape)[place].reshape(-1)
    flat = combine(_reshape(x, (-1,)), _reshape(values, (-1,)), cells, include_self)
    return _reshape(flat, tuple(input.shape))


# -- sum and mean ----------------------------------------------------------------------------------
def _sums(input: Any, src: Any, cells: Any, include_self: bool) -> Any:
    start = input if include_self else _put_at(input, _zero(input), (cells,), False)
    return _put_at(start, src, (cells,), True)


def _zero(x: Any) -> Any:
    """0 as a number of x's type."""
    return x.dtype.type(0).item()


def _means(input: Any, src: Any, cells: Any, include_self: bool) -> Any:
    total = _sums(input, src, cells, include_self)
    count = np.bincount(cells, minlength=input.shape[0])
    count = count + 1 if include_self else np.maximum(count, 1)
    if input.dtype in FLOATING:
        return true_divide(total, count.astype(input.dtype))
    if input.dtype.kind == "b":
        raise DTypeError("mean: bool has no mean; cast it first")
    return floor_divide(total, count.astype(input.dtype))


# -- product ---------------------------------------------------------------------------------------
def _products(input: Any, src: Any, cells: Any, include_self: bool) -> Any:
    """Products by halves: neighbours of one cell are multiplied until each cell has one value.

    Multiplications only, so first and second derivatives are exact where values are 0.
    """
    if not cells.size:
        return _put_at(input, src, (cells,), False)
    order = np.argsort(cells, kind="stable")
    values, cells = _take(src, (order,)), cells[order]
    while not (first := _firsts(cells)).all():
        left = np.flatnonzero(_ranks(first) % 2 == 0)
        last = np.append(first[1:], np.ones_like(first[:1]))  # nobody of the same cell follows
        values = _pairs(values, left, ~last[left])
        cells = cells[left]
    own = _take(input, (cells,))
    return _put_at(input, mul(own, values) if include_self else values, (cells,), False)


def _firsts(cells: Any) -> Any:
    """Where in the sorted cells a new one begins."""
    return np.concatenate((cells[:1] == cells[:1], cells[1:] != cells[:-1]))


def _ranks(first: Any) -> Any:
    """How many of the same cell come before each."""
    return np.arange(first.size, like=first) - np.flatnonzero(first)[np.cumsum(first) - 1]


def _pairs(values: Any, left: Any, paired: Any) -> Any:
    """values[left] times the right neighbour where there is one."""
    alone = _take(values, (left[~paired],))
    both = mul(_take(values, (left[paired],)), _take(values, (left[paired] + 1,)))
    back = np.argsort(np.concatenate((np.flatnonzero(~paired), np.flatnonzero(paired))))
    return _take(cat([alone, both]), (back,))


# -- extremes --------------------------------------------------------------------------------------
@op
def _extremes(input: Array, src: Array, cells: Any, largest: bool, include_self: bool) -> Array:
    """input with the largest (or smallest) of the values of each cell."""
    y = input.copy()
    if not include_self:
        y[cells] = src  # one of them; the others join it below
    (np.maximum if largest else np.minimum).at(y, cells, src)
    return y


@_extremes.grad
def _(g, input, src, y, cells, include_self):
    old, new, best = (getattr(v, "array", v) for v in (input, src, y))
    kept, won = old == best, new == best[cells]
    if not include_self:
        kept[cells] = False
    count = kept.astype(best.dtype)
    np.add.at(count, cells, won.astype(best.dtype))
    share = g / np.maximum(count, 1)
    return _where(kept, share, 0.0), _where(won, _take(share, (cells,)), 0.0)


@_extremes.samples(reference=lambda *args: _slow_extremes(*args))
def _(rng):
    yield rng.normal(size=4), rng.normal(size=5), np.array([0, 2, 2, 3, 0]), True, True
    yield rng.normal(size=4), rng.normal(size=3), np.array([1, 1, 3]), False, False


def _slow_extremes(x: Any, src: Any, cells: Any, largest: bool, include_self: bool) -> Any:
    y = list(x)
    for cell in set(cells.tolist()):
        values = [v for v, c in zip(src, cells) if c == cell] + ([x[cell]] if include_self else [])
        y[cell] = (max if largest else min)(values)
    return np.array(y)


def _largest(input: Any, src: Any, cells: Any, include_self: bool) -> Any:
    _want_order("amax", input)
    return _extremes(input, src, cells, True, include_self)


def _smallest(input: Any, src: Any, cells: Any, include_self: bool) -> Any:
    _want_order("amin", input)
    return _extremes(input, src, cells, False, include_self)


def _want_order(name: str, input: Any) -> None:
    if input.dtype.kind == "c":
        raise DTypeError(f"{name}: complex numbers have no order, got {input.dtype}")


_COMBINERS = {
    "sum": _sums,
    "mean": _means,
    "prod": _products,
    "amax": _largest,
    "amin": _smallest,
}
