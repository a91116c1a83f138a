"""embedding_bag: the sum, mean or maximum of the rows that every bag of integers names.

Follows ``torch.nn.functional.embedding_bag``. Gradients are dense: sparse=True is taken and changes
nothing. scale_grad_by_freq divides by how often the row itself was used, which PyTorch's CPU kernel
means to do but looks up under another row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import float32
from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ._declare import Array, op
from .cast import to_dtype
from .gather import _integers, _lookup, _shrink_rows
from .index import _add_at, _take
from .shape import reshape

_MODES = ("sum", "mean", "max")


# -- a gradient scaled on its way back -------------------------------------------------------------
@op(warns=False)
def _weigh_gradient(input: Array, factor: Any) -> Array:
    """A copy of input; its gradient comes back times factor."""
    return input.copy()


@_weigh_gradient.grad
def _(g, factor):
    return g * factor


@_weigh_gradient.samples(reference=lambda x, factor: np.array(x), smooth=False)
def _(rng):
    yield rng.normal(size=(3, 2)), np.array([[1.0], [0.5], [2.0]])


# -- bags ------------------------------------------------------------------------------------------
def _check_bags(rows: Any, offsets: Any) -> None:
    if rows.ndim == 2 and offsets is not None:
        raise ShapeError(
            f"embedding_bag: input {rows.shape} is a bag in every row, so offsets must be None"
        )
    if rows.ndim == 1 and (offsets is None or offsets.ndim != 1):
        got = None if offsets is None else tuple(offsets.shape)
        raise ShapeError(f"embedding_bag: a 1-D input wants 1-D offsets, got {got}")
    if rows.ndim not in (1, 2):
        raise ShapeError(f"embedding_bag: input must have 1 or 2 dimensions, got {rows.shape}")


def _bags(rows: Any, offsets: Any, include_last: bool) -> tuple[Any, int]:
    """The bag of every item, and how many bags there are; items behind the last bag have bag -1."""
    _check_bags(rows, offsets)
    if rows.ndim == 2:
        return np.repeat(np.arange(rows.shape[0]), rows.shape[1]), rows.shape[0]
    starts = _integers("embedding_bag", offsets)
    if starts.dtype != rows.dtype:
        raise DTypeError(
            f"embedding_bag: input and offsets must be of one type, got {rows.dtype} "
            f"and {starts.dtype}"
        )
    if include_last and not starts.size:
        raise ShapeError("embedding_bag: include_last_offset wants at least one offset, got none")
    ends = starts if include_last else np.append(starts, rows.size)
    lengths = np.diff(ends)
    if starts.size and (starts[0] != 0 or (lengths < 0).any() or ends[-1] > rows.size):
        raise OutOfBoundsError(
            f"embedding_bag: offsets must start at 0, rise, and end at {rows.size} or before, "
            f"got {starts.tolist() if starts.size < 9 else starts[[0, -1]].tolist()}"
        )
    bag = np.full(rows.size, -1)
    bag[: int(ends[-1]) if starts.size else 0] = np.repeat(np.arange(len(lengths)), lengths)
    return bag, len(lengths)


def _largest(weight: Any, rows: Any, bag: Any, count: int) -> Any:
    """The largest value of every column of every bag, zeros for an empty bag."""
    if not rows.size:
        return _add_at(_lookup(weight, rows, None), (count, weight.shape[1]), (bag,))
    values = weight.array[rows]
    starts = np.flatnonzero(np.append(True, bag[1:] != bag[:-1]))
    best = np.maximum.reduceat(values, starts, axis=0)
    segment = np.cumsum(np.append(False, bag[1:] != bag[:-1]))
    hit = (values == best[segment]) | np.isnan(values)
    place = np.where(hit, np.arange(len(rows))[:, None], len(rows))
    winner = rows[np.minimum.reduceat(place, starts, axis=0)]  # (bags with items, E)
    found = _take(weight, (winner, np.arange(weight.shape[1])))
    return _add_at(found, (count, weight.shape[1]), (bag[starts],))


def _added(weight: Any, rows: Any, bag: Any, count: int, factors: Any, frequent: bool) -> Any:
    """The sum of every bag's rows, each times its factor if there are factors."""
    found, kind = _lookup(weight, rows, None), weight.dtype
    if frequent:
        often = np.bincount(rows.astype(np.int64), minlength=weight.shape[0])[rows]
        found = _weigh_gradient(found, (1 / often).astype(kind)[:, None])
    if kind.itemsize == 2:  # half types add up in float32
        found = to_dtype(found, float32)
        factors = None if factors is None else to_dtype(factors, float32)
    if factors is not None:
        found = found * reshape(factors, (-1, 1))
    return to_dtype(_add_at(found, (count, weight.shape[1]), (bag,)), kind)


def _check(input: Any, weight: Any, mode: str, frequent: bool, sparse: bool, factors: Any) -> None:
    if mode not in _MODES:
        raise DTypeError(f"embedding_bag: mode must be one of {', '.join(_MODES)}, got {mode!r}")
    if weight.ndim != 2 or weight.dtype.kind not in "fV":
        raise ShapeError(
            f"embedding_bag: weight must be floating-point (V, E), got {tuple(weight.shape)} "
            f"{weight.dtype}"
        )
    if (frequent or sparse) and mode == "max":
        raise DTypeError(
            "embedding_bag: scale_grad_by_freq and sparse are for sum and mean, got mode 'max'"
        )
    if factors is None:
        return
    if mode != "sum":
        raise DTypeError(f"embedding_bag: per_sample_weights is for mode 'sum', got mode {mode!r}")
    if tuple(factors.shape) != tuple(input.shape) or factors.dtype != weight.dtype:
        raise ShapeError(
            f"embedding_bag: per_sample_weights must be {tuple(input.shape)} {weight.dtype} as "
            f"input and weight are, got {tuple(factors.shape)} {factors.dtype}"
        )


def _check_range(name: str, rows: Any, n: int) -> None:
    if rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < n:
        worst = int(rows.min()) if int(rows.min()) < 0 else int(rows.max())
        raise OutOfBoundsError(f"embedding_bag: {name} {worst} is out of range for {n} rows")


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The sum, mean or maximum of weight[i] over the i of every bag: weight (V, E) -> (bags, E).

    input (bags, items), or (items,) with offsets (bags,): where each bag starts
    (include_last_offset: and where the last one ends). per_sample_weights multiply a sum's rows.
    Items padding_idx do not count; an empty bag gives zeros. max_norm shrinks used rows in place.

    >>> import sensorium as sn
    >>> rows = sn.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> sn.nn.functional.embedding_bag(sn.tensor([0, 1, 2]), rows, sn.tensor([0, 2]))
    tensor([[2., 3.],
            [5., 6.]])
    """
    _check(input, weight, mode, scale_grad_by_freq, sparse, per_sample_weights)
    rows = _integers("embedding_bag", input)
    bag, count = _bags(rows, offsets, include_last_offset)
    rows, n = rows.reshape(-1), weight.shape[0]
    _check_range("index", rows, n)
    keep = bag >= 0
    if padding_idx is not None:
        _check_range(
            "padding_idx", np.array([padding_idx + n if padding_idx < 0 else padding_idx]), n
        )
        keep &= rows != padding_idx % n
    if max_norm is not None:
        _shrink_rows(weight, rows, max_norm, norm_type)
    factors = None if per_sample_weights is None else reshape(per_sample_weights, (-1,))
    if not keep.all():
        rows, bag = rows[keep], bag[keep]
        factors = None if factors is None else _take(factors, (keep,))
    if mode == "max":
        return _largest(weight, rows, bag, count)
    total = _added(weight, rows, bag, count, factors, scale_grad_by_freq)
    if mode == "sum":
        return total
    sizes = np.maximum(np.bincount(bag, minlength=count), 1)[:, None]
    return total / np.asarray(sizes.astype(weight.dtype), like=weight.array)
