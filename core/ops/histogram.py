"""Counting values: bincount, histc, histogram, histogramdd.

The bins are half-open but the last, which holds its right edge too; values outside, and nan, count
nowhere. Edges are computed in the input's type, as in PyTorch. None of these has a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import bfloat16, float16, float32, float64
from ..errors import DTypeError, OptionError, ShapeError
from ..tensor import Tensor, wrap
from ._out import with_out


# -- bincount --------------------------------------------------------------------------------------
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often 0, 1, 2, ... occur in a vector of integers; with weights, the sums of their weights.

    The counts are int64; sums are float32 for float32 weights, else float64.

    >>> import sensorium as sn
    >>> sn.bincount(sn.tensor([1, 1, 3]))
    tensor([0, 2, 0, 1])
    """
    x = input.array
    if x.dtype.kind not in "iu":
        raise DTypeError(f"bincount: want integers, got {x.dtype}")
    if x.ndim != 1 or (x.size and int(x.min()) < 0):
        raise ShapeError(
            f"bincount: want a vector of integers of at least 0, got shape {tuple(x.shape)}"
            + (f" with {int(x.min())}" if x.size else "")
        )
    if minlength < 0:
        raise ShapeError(f"bincount: minlength must not be negative, got {minlength}")
    if not x.size:
        return wrap(np.zeros(minlength, np.int64, like=x))
    if weights is None:
        return wrap(np.bincount(x.astype(np.int64), None, minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise ShapeError(
            f"bincount: weights {tuple(weights.shape)} must have the shape of input {x.shape}"
        )
    kind = float32 if weights.dtype == float32 else float64
    return wrap(np.bincount(x.astype(np.int64), weights.array, minlength).astype(kind))


# -- bins ------------------------------------------------------------------------------------------
def _check_values(name: str, x: Any, kinds: Any = (float32, float64)) -> None:
    if x.dtype not in kinds:
        raise DTypeError(f"{name}: want {' or '.join(map(str, kinds))} values, got {x.dtype}")


def _line(low: Any, high: Any, bins: int, x: Any) -> Any:
    """bins + 1 edges from low to high: both halves are counted from their own end."""
    step = x.dtype.type((high - low) / x.dtype.type(bins))
    count = np.arange(bins + 1, like=x)
    near = low + step * count.astype(x.dtype)
    return np.where(count < (bins + 1) // 2, near, high - step * (bins - count).astype(x.dtype))


def _check_range(name: str, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ShapeError(f"{name}: the range [{low}, {high}] is not finite")
    if low > high:
        raise ShapeError(f"{name}: the range ends before it begins: [{low}, {high}]")


def _span(name: str, x: Any, range: Sequence[float] | None) -> tuple[Any, Any]:
    """The outer edges for the values x: as given, or their extremes; never equal."""
    if range is None:
        range = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    low, high = (x.dtype.type(v) for v in range)
    _check_range(name, float(low), float(high))
    half = x.dtype.type(0.5)
    return (low - half, high + half) if low == high else (low, high)


def _bin_of(x: Any, edges: Any) -> Any:
    """The bin of each value, -1 for those outside."""
    place = np.searchsorted(edges, x, side="right") - 1
    place = np.where(x == edges[-1], len(edges) - 2, place)
    return np.where((x >= edges[0]) & (x <= edges[-1]), place, -1)


@with_out
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many values fall in each of bins equal parts of [min, max], in input's type.

    Where min equals max the range is that of the values.

    >>> import sensorium as sn
    >>> sn.histc(sn.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    _check_values("histc", input, (float32, float64, float16, bfloat16))
    if bins < 1:
        raise ShapeError(f"histc: want at least 1 bin, got {bins}")
    x = input.array.reshape(-1)
    low, high = float(min), float(max)
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    _check_range("histc", low, high)
    if low == high:
        low, high = low - 1, high + 1
    kind = x.dtype.type
    low, high = kind(low), kind(high)
    x = x[(x >= low) & (x <= high)]
    place = ((x - low) * kind(bins) / (high - low)).astype(np.int64)
    counts = np.bincount(np.minimum(place, bins - 1), minlength=bins)
    return wrap(counts.astype(input.dtype))


class Histogram(NamedTuple):
    """Counts, and the edges of the bins they belong to."""

    hist: Any
    bin_edges: Any


def _given_edges(name: str, bins: Any, dtype: Any) -> Any:
    if bins.ndim != 1 or not bins.numel():
        raise ShapeError(f"{name}: edges must be a vector, got shape {tuple(bins.shape)}")
    if bins.dtype != dtype:
        raise DTypeError(f"{name}: edges are {bins.dtype} but the input {dtype}")
    return bins.array


def _count_bins(name: str, bins: Any) -> int:
    if not isinstance(bins, int) or bins < 1:
        raise ShapeError(f"{name}: want at least 1 bin, got {bins}")
    return bins


def _tally(x: Any, edges: Sequence[Any], weight: Any, density: bool) -> Any:
    """The histogram of the points x (n, N) over the product of N lists of edges."""
    shape = tuple(len(e) - 1 for e in edges)
    places = [_bin_of(x[:, i], e) for i, e in enumerate(edges)]
    inside = np.ones(len(x), bool, like=x)
    flat = np.zeros(len(x), np.int64, like=x)
    for place, n in zip(places, shape):
        inside &= place >= 0
        flat = flat * n + place
    weights = None if weight is None else weight[inside]
    hist = np.bincount(flat[inside], weights, math.prod(shape)).astype(x.dtype).reshape(shape)
    if density:
        hist = hist / hist.sum()
        for i, e in enumerate(edges):
            hist = hist / np.diff(e).reshape([-1 if k == i else 1 for k in range(len(edges))])
    return hist.astype(x.dtype)


def _weights(name: str, input: Any, weight: Any, shape: Any) -> Any:
    if weight is None:
        return None
    if weight.dtype != input.dtype or tuple(weight.shape) != tuple(shape):
        raise ShapeError(
            f"{name}: weight must be {input.dtype} of shape {tuple(shape)}, got {weight.dtype} "
            f"{tuple(weight.shape)}"
        )
    return weight.array.reshape(-1)


@with_out
def histogram(
    input: Any,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Any = None,
    density: bool = False,
) -> Histogram:
    """How many values fall in each bin, and the edges: (bins,) and (bins + 1,), in input's type.

    bins: a number of equal bins over range (the values' own by default), or a vector of edges.
    weight counts for each value; density divides by the total and by the widths.

    >>> import sensorium as sn
    >>> sn.histogram(sn.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    name = "histogram"
    _check_values(name, input)
    x = input.array.reshape(-1)
    if isinstance(bins, Tensor):
        if range is not None:
            raise OptionError(f"{name}: range {range} and edges were given; want one of them")
        edges = _given_edges(name, bins, input.dtype)
    else:
        count = _count_bins(name, bins)
        if range is not None and len(range) != 2:
            raise ShapeError(f"{name}: range must be two numbers, got {len(range)}")
        edges = _line(*_span(name, x, range), count, x)
    weights = _weights(name, input, weight, input.shape)
    return Histogram(wrap(_tally(x[:, None], [edges], weights, density)), wrap(edges))


def _all_edges(name: str, x: Any, bins: Any, range: Sequence[float] | None) -> list[Any]:
    """The edges of every coordinate of the points x (n, N)."""
    n = x.shape[1]
    given = [bins] * n if isinstance(bins, int) else list(bins)
    if len(given) != n:
        raise ShapeError(f"{name}: want bins for {n} coordinates, got {len(given)}")
    if isinstance(given[0], Tensor):
        return [_given_edges(name, e, x.dtype) for e in given]
    if range is not None and len(range) != 2 * n:
        raise ShapeError(f"{name}: range wants {2 * n} numbers, got {len(range)}")
    ends = [None] * n if range is None else [range[2 * i : 2 * i + 2] for i in np.arange(n)]
    return [
        _line(*_span(name, x[:, i], e), _count_bins(name, b), x)
        for i, (e, b) in enumerate(zip(ends, given))
    ]


def histogramdd(
    input: Any,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Any = None,
    density: bool = False,
) -> Histogram:
    """How many of the points (..., N) fall in each cell of a grid: N dimensions, and N edge vectors.

    bins: one number, N numbers, or N vectors of edges; range: 2 N numbers. Else as ``histogram``.

    >>> import sensorium as sn
    >>> sn.histogramdd(sn.tensor([[0.0, 1.0], [1.0, 0.0]]), bins=[2, 2]).hist
    tensor([[0., 1.],
            [1., 0.]])
    """
    name = "histogramdd"
    _check_values(name, input)
    if input.ndim < 2:
        raise ShapeError(f"{name}: want points (..., N), got shape {tuple(input.shape)}")
    x = input.array.reshape(-1, input.shape[-1])
    edges = _all_edges(name, x, bins, range)
    weights = _weights(name, input, weight, input.shape[:-1])
    return Histogram(wrap(_tally(x, edges, weights, density)), tuple(map(wrap, edges)))
