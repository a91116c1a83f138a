"""Values by rank: kthvalue, median, nanmedian, mode, quantile, nanquantile, msort.

Gradients go to the elements that were chosen; of a median without dim, to all that equal it. nan
counts as the largest value, and is what a median or quantile of values with nan in them gives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import float32, float64
from ..errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from ..tensor import Tensor, wrap
from ._declare import Array, op
from ._dims import one_dim
from ._out import with_out
from .compare import isnan
from .composite import lerp
from .gather import gather
from .index import select
from .order import ValuesIndices, _picked, ordered, sort
from .rounding import ceil, floor, round
from .running import _scan
from .select import where
from .shape import movedim, reshape, unsqueeze


def _ordered(name: str, input: Any, kinds: str = "fViu") -> None:
    if input.dtype.kind not in kinds:
        raise DTypeError(f"{name}: not defined for {input.dtype}")


def _choose(name: str, input: Any, dim: int, keepdim: bool, places: Any) -> ValuesIndices:
    """The elements that places (an op of array and dim) names along dim, with their indices."""
    d = one_dim(name, dim, input.ndim)
    x = input if input.ndim else reshape(input, (1,))
    if x.shape[d] == 0:
        raise OutOfBoundsError(f"{name}: dim {d} of shape {tuple(input.shape)} is empty")
    found = _picked(x, select(places(x.detach(), d), d, 0), d, keepdim)
    if not input.ndim:
        return ValuesIndices(*(reshape(v, ()) for v in found))
    return found


# -- kthvalue --------------------------------------------------------------------------------------
@op(differentiable=0)
def _kth(input: Array, dim: int, k: int) -> Array:
    """Where along dim the k-th smallest value stands, counted from 1."""
    part = (slice(None),) * dim + (slice(k - 1, k),)
    return np.argpartition(ordered("kthvalue", input), k - 1, axis=dim)[part]


@_kth.samples(
    reference=lambda x, dim, k: np.apply_along_axis(
        lambda v: [sorted(range(len(v)), key=v.__getitem__)[k - 1]], dim, x
    )
)
def _(rng):
    yield rng.normal(size=(3, 6)), 1, 2
    yield rng.normal(size=(5, 2)), 0, 5


@with_out
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The k-th smallest value along dim, counted from 1, and where it stood.

    >>> import sensorium as sn
    >>> sn.kthvalue(sn.tensor([5, 1, 4]), 2)
    ValuesIndices(values=tensor(4), indices=tensor(2))
    """
    _ordered("kthvalue", input)
    d = one_dim("kthvalue", dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if not 1 <= k <= n:
        raise ShapeError(f"kthvalue: k must lie in 1..{n}, the size of dim {d}, got {k}")
    return _choose("kthvalue", input, dim, keepdim, lambda x, d: _kth(x, d, k))


# -- median ----------------------------------------------------------------------------------------
@op(differentiable=0)
def _median_place(input: Array, dim: int, ignore: bool) -> Array:
    """Where along dim the lower median stands, or the first nan if nan is not ignored."""
    x = np.moveaxis(ordered("median", input), dim, -1)
    bad = np.isnan(x)
    if not bad.any():
        return _kth.op.compute(input, dim, (input.shape[dim] + 1) // 2)
    order = np.argsort(x, axis=-1, kind="stable")
    count = x.shape[-1] - bad.sum(-1, keepdims=True)
    found = np.take_along_axis(order, np.maximum(count - 1, 0) // 2, -1)
    if not ignore:
        found = np.where(bad.any(-1, keepdims=True), bad.argmax(-1)[..., None], found)
    return np.moveaxis(found, -1, dim)


@_median_place.samples(
    reference=lambda x, dim, ignore: np.apply_along_axis(
        lambda v: [sorted(range(len(v)), key=v.__getitem__)[(len(v) - 1) // 2]], dim, x
    )
)
def _(rng):
    yield rng.normal(size=(3, 6)), 1, False
    yield rng.normal(size=(5, 2)), 0, True


@op
def _median(input: Array, ignore: bool) -> Array:
    """The lower median of all elements; nan for none."""
    flat = input.reshape(-1)
    if not flat.size:
        return np.asarray(math.nan, like=flat).astype(input.dtype)
    return flat[_median_place.op.compute(flat, 0, ignore)[0]]


@_median.grad
def _(g, input, y):
    bad = isnan(input)
    share = bad if bool(getattr(isnan(y), "array", isnan(y))) else input == y
    count = getattr(share, "array", share).sum()
    return where(share, g / max(int(count), 1), 0.0)


@_median.samples(reference=lambda x, ignore: np.sort(x, None)[(x.size - 1) // 2])
def _(rng):
    yield rng.normal(size=(3, 5)), False
    yield rng.normal(size=(4,)), True


def _median_of(name: str, input: Any, dim: int | None, keepdim: bool, ignore: bool) -> Any:
    _ordered(name, input)
    if dim is None:
        return _median(input, ignore)
    return _choose(name, input, dim, keepdim, lambda x, d: _median_place(x, d, ignore))


@with_out
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, of an even count the lower one; along dim also where it stood. nan if any is.

    >>> import sensorium as sn
    >>> sn.median(sn.tensor([4, 1, 3, 2]))
    tensor(2)
    """
    return _median_of("median", input, dim, keepdim, False)


@with_out
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """``median`` of the values that are not nan.

    >>> import sensorium as sn
    >>> sn.nanmedian(sn.tensor([4.0, float("nan"), 3.0]))
    tensor(3.)
    """
    return _median_of("nanmedian", input, dim, keepdim, True)


# -- mode ------------------------------------------------------------------------------------------
@op(differentiable=0)
def _mode_place(input: Array, dim: int) -> Array:
    """Where along dim the smallest of the most frequent values stands last."""
    rows = np.moveaxis(ordered("mode", input), dim, -1)
    order = np.argsort(rows, axis=-1, kind="stable")
    values = np.take_along_axis(rows, order, -1)
    last = np.ones(values.shape, bool, like=values)  # of a run of equal values
    last[..., :-1] = values[..., 1:] != values[..., :-1]
    place = np.arange(1, values.shape[-1] + 1, like=order)
    ends = _scan(np.where(last, place, 0), values.ndim - 1, np.maximum)
    run = place - np.concatenate([ends[..., :1] * 0, ends[..., :-1]], -1)
    best = np.argmax(np.where(last, run, 0), -1)[..., None]
    return np.moveaxis(np.take_along_axis(order, best, -1), -1, dim)


def _slow_mode(row: Any) -> Any:
    values = row.tolist()
    most = max(map(values.count, values))
    wanted = min(v for v in values if values.count(v) == most)
    return [max(i for i, v in enumerate(values) if v == wanted)]


@_mode_place.samples(reference=lambda x, dim: np.apply_along_axis(_slow_mode, dim, x))
def _(rng):
    yield rng.integers(0, 3, size=(4, 7)).astype(float), 1
    yield rng.integers(0, 3, size=(6, 2)).astype(float), 0


@with_out
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The most frequent value along dim, of several the smallest, and where it stood last.

    >>> import sensorium as sn
    >>> sn.mode(sn.tensor([3, 1, 3, 1, 2]))
    ValuesIndices(values=tensor(1), indices=tensor(3))
    """
    _ordered("mode", input, "fViub")
    return _choose("mode", input, dim, keepdim, _mode_place)


# -- quantile --------------------------------------------------------------------------------------
_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _check_quantile(name: str, input: Any, q: Any, interpolation: str) -> Any:
    """q as a tensor of input's type."""
    if input.dtype not in (float32, float64):
        raise DTypeError(f"{name}: want float32 or float64 values, got {input.dtype}")
    if not isinstance(q, Tensor):
        q = wrap(np.asarray(q, dtype=input.dtype, like=input.array))
    if q.dtype != input.dtype:
        raise DTypeError(f"{name}: q is {q.dtype} but input {input.dtype}")
    if q.ndim > 1:
        raise ShapeError(f"{name}: q must be a number or a vector, got shape {tuple(q.shape)}")
    if not input.numel():
        raise ShapeError(f"{name}: input has no elements (shape {tuple(input.shape)})")
    if interpolation not in _INTERPOLATIONS:
        raise OptionError(
            f"{name}: interpolation must be one of {', '.join(_INTERPOLATIONS)}, "
            f"got {interpolation!r}"
        )
    if not bool(((q.array >= 0) & (q.array <= 1)).all()):
        raise ShapeError(f"{name}: q must lie in 0..1, got {q.tolist()}")
    return q


def _ranks(rows: Any, q: Any, ignore: bool) -> Any:
    """Where in the sorted rows (*, n) the quantiles q (Q,) lie: (*, Q), or (1, Q) for all rows."""
    bad = np.isnan(rows.array)
    if not bad.any():
        return reshape(q * (rows.shape[-1] - 1), (1,) * (rows.ndim - 1) + (-1,))
    count = wrap((~bad).sum(-1, keepdims=True).astype(rows.dtype))
    if ignore:
        ranks = q * (count - 1)
        return where(ranks < 0, 0.0, ranks)
    return where(wrap(bad.any(-1, keepdims=True)), float(rows.shape[-1] - 1), q * (count - 1))


def _at_rank(rows: Any, ranks: Any) -> Any:
    index = ranks.detach().array.astype(np.int64)
    return gather(rows, -1, wrap(np.broadcast_to(index, (*rows.shape[:-1], index.shape[-1]))))


def _at_ranks(rows: Any, ranks: Any, interpolation: str) -> Any:
    """The values of the sorted rows at ranks that may lie between two of them."""
    if interpolation in ("lower", "higher", "nearest"):
        snap = {"lower": floor, "higher": ceil, "nearest": round}[interpolation]
        return _at_rank(rows, snap(ranks))
    low = floor(ranks)
    weight = 0.5 if interpolation == "midpoint" else ranks - low
    return lerp(_at_rank(rows, low), _at_rank(rows, ceil(ranks)), weight)


def _quantile(
    name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, ignore: bool
) -> Any:
    q = _check_quantile(name, input, q, interpolation)
    d = None if dim is None else one_dim(name, dim, input.ndim)
    rows = reshape(input, (-1,)) if d is None or not input.ndim else movedim(input, d, -1)
    rows = sort(rows, -1).values
    found = _at_ranks(rows, _ranks(rows, reshape(q, (-1,)), ignore), interpolation)
    found = movedim(found, -1, 0)  # (Q, *)
    if keepdim:
        kept = unsqueeze(found, d + 1) if d is not None and input.ndim else None
        found = reshape(found, (-1, *(1,) * input.ndim)) if kept is None else kept
    return found if q.ndim else found[0]


@with_out
def quantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Any:
    """The value below which a share q (0..1) of the values along dim lies; for a vector q a stack.

    Between two values, interpolation: "linear", "lower", "higher", "midpoint" or "nearest".

    >>> import sensorium as sn
    >>> sn.quantile(sn.tensor([1.0, 2.0, 3.0, 4.0]), 0.5)
    tensor(2.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@with_out
def nanquantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Any:
    """``quantile`` of the values that are not nan.

    >>> import sensorium as sn
    >>> sn.nanquantile(sn.tensor([1.0, float("nan"), 3.0]), 0.5)
    tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


@with_out
def msort(input: Any) -> Any:
    """The values in order along the first dimension.

    >>> import sensorium as sn
    >>> sn.msort(sn.tensor([[3, 1], [2, 4]]))
    tensor([[2, 1],
            [3, 4]])
    """
    return sort(input, 0).values
