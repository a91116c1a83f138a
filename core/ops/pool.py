"""Pooling over windows: max, average, and their adaptive forms, in one, two and three dimensions.

A max pool also says which tap of its window won (counted row by row; the first of equal ones); its
gradient sends g there. Adaptive pools divide the input into output_size windows of nearly equal size.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..autograd.mode import mode
from ..backends.cpu import onednn
from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from ._dims import pair_up
from .conv import Pairs, out_size, taps


# -- geometry ------------------------------------------------------------------------------------
def _out(x: Any, kernel: Any, stride: Any, padding: Pairs, dilation: Any) -> tuple[int, ...]:
    return tuple(
        out_size(n, k, s, p, d) for n, k, s, p, d in zip(x[2:], kernel, stride, padding, dilation)
    )


def _padded(x: Any, padding: Pairs, value: float) -> Any:
    if not any(a or b for a, b in padding):
        return x
    return np.pad(x, [(0, 0), (0, 0), *padding], constant_values=value)


def _lowest(dtype: Any) -> Any:
    return -np.inf if dtype.kind in "fV" else np.iinfo(dtype).min


def _zeros_padded(shape: Any, padding: Pairs, like: Any) -> tuple[Any, Any]:
    """Channels-last zeros of the padded shape, and the view of it that is not padding."""
    sizes = [n + a + b for n, (a, b) in zip(shape[2:], padding)]
    total = np.zeros((shape[0], *sizes, shape[1]), like.dtype, like=like)
    total = total.transpose(0, total.ndim - 1, *range(1, total.ndim - 1))
    inside = tuple(slice(a, a + n) for n, (a, _) in zip(shape[2:], padding))
    return total, total[(slice(None), slice(None), *inside)]


def _slow_windows(x: Any, kernel: Any, stride: Any, padding: Pairs, dilation: Any) -> Any:
    """For a reference: every output place with the input places of its window, None in padding."""
    out = _out(x.shape, kernel, stride, padding, dilation)
    for index in np.ndindex(*x.shape[:2], *out):
        window = []
        for place in np.ndindex(*kernel):
            at = [i * s + k * d - p for i, s, k, d, (p, _) in
                  zip(index[2:], stride, place, dilation, padding)]  # fmt: skip
            inside = all(0 <= a < n for a, n in zip(at, x.shape[2:]))
            window.append((*index[:2], *at) if inside else None)
        yield index, window


# -- max -----------------------------------------------------------------------------------------
@op(outputs=("y", "winner"))
def _max_pool(
    input: Array, kernel: Any, stride: Any, padding: Pairs, dilation: Any, train: bool
) -> Array:
    """The largest value of every window and, if train, which tap of the window it came from."""
    out = _out(input.shape, kernel, stride, padding, dilation)
    padded = _padded(input, padding, _lowest(input.dtype))
    best = winner = None
    for i, (_, where) in enumerate(taps(kernel, out, stride, dilation)):
        value = padded[where]
        if best is None:
            best, winner = value.copy(order="K"), np.zeros(value.shape, np.int32, like=value)
            continue
        wins = (value > best) | np.isnan(value)
        best = np.where(wins, value, best)
        winner = np.where(wins, np.int32(i), winner)
    return best, winner if train else None


@_max_pool.grad
def _(g, shapes, winner, kernel, stride, padding, dilation):
    return _max_unpool(g, winner, shapes[0], kernel, stride, padding, dilation)


@op
def _max_unpool(
    g: Array, winner: Any, shape: Any, kernel: Any, stride: Any, padding: Pairs, dilation: Any
) -> Array:
    """Every g at the place that won its window, zeros elsewhere."""
    winner = getattr(winner, "array", winner)
    total, inside = _zeros_padded(shape, padding, g)
    for i, (_, where) in enumerate(taps(kernel, g.shape[2:], stride, dilation)):
        total[where] += np.where(winner == i, g, g.dtype.type(0))
    return inside


@_max_unpool.grad
def _(h, winner, kernel, stride, padding, dilation):
    return _pick_winners(h, winner, kernel, stride, padding, dilation)


@op
def _pick_winners(
    input: Array, winner: Any, kernel: Any, stride: Any, padding: Pairs, dilation: Any
) -> Array:
    """The values at the places that won: what a max pool does, its winners given."""
    winner = getattr(winner, "array", winner)
    padded, total = _padded(input, padding, 0), 0
    for i, (_, where) in enumerate(taps(kernel, winner.shape[2:], stride, dilation)):
        total = total + np.where(winner == i, padded[where], input.dtype.type(0))
    return total


@_pick_winners.grad
def _(g, winner, shapes, kernel, stride, padding, dilation):
    return _max_unpool(g, winner, shapes[0], kernel, stride, padding, dilation)


def _no_nan(x: Any) -> bool:
    """Whether no value is nan; oneDNN's max pool would lose it. A dot product is the cheap test."""
    flat = x.ravel(order="K")
    return not np.isnan(np.dot(flat, flat))


@_max_pool.fast("onednn", when=lambda x, *_: onednn.takes_pool(x) and _no_nan(x))
def _(input, kernel, stride, padding, dilation, train):
    return onednn.pool_forward("max", input, kernel, stride, padding, dilation, train)


@_max_unpool.fast("onednn", when=lambda g, winner, *_: (
    onednn.takes_pool(g) and getattr(winner, "dtype", None) in (np.uint8, np.int8)))  # fmt: skip
def _(g, winner, shape, kernel, stride, padding, dilation):
    if not onednn.is_channels_last(winner):
        last = onednn.empty_channels_last(winner.shape, winner.dtype)
        last[...] = winner
        winner = last
    return onednn.pool_backward("max", g, shape, kernel, stride, padding, dilation, winner)


_POOLS = [  # x, kernel, stride, padding, dilation
    ((2, 3, 6), (2,), (2,), ((0, 0),), (1,)),
    ((1, 2, 5, 6), (3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2)),
    ((1, 2, 4, 3, 4), (2, 2, 2), (1, 1, 2), ((0, 0), (1, 0), (0, 0)), (1, 1, 1)),
]


def _spaced(rng: Any, shape: Any) -> Any:
    """Values that differ by much more than a finite difference."""
    return rng.permutation(prod(shape)).reshape(shape) * 0.1


def _slow_max(x: Any, kernel: Any, stride: Any, padding: Pairs, dilation: Any, train: bool) -> Any:
    shape = (*x.shape[:2], *_out(x.shape, kernel, stride, padding, dilation))
    y, winner = np.zeros(shape), np.zeros(shape, np.int32)
    for index, window in _slow_windows(x, kernel, stride, padding, dilation):
        values = [-np.inf if at is None else x[at] for at in window]
        y[index], winner[index] = max(values), values.index(max(values))
    return y, winner


@_max_pool.samples(reference=_slow_max)
def _(rng):
    for shape, *rest in _POOLS:
        yield _spaced(rng, shape), *rest, True


def _slow_unpool(g: Any, winner: Any, shape: Any, *rest: Any) -> Any:
    total = np.zeros(shape)
    for index, window in _slow_windows(total, *rest):
        if window[winner[index]] is not None:
            total[window[winner[index]]] += g[index]
    return total


@_max_unpool.samples(reference=_slow_unpool)
def _(rng):
    for shape, *rest in _POOLS:
        winner = _slow_max(_spaced(rng, shape), *rest, True)[1].astype(np.uint8)
        yield rng.normal(size=winner.shape), winner, shape, *rest


@_pick_winners.samples(reference=lambda x, winner, *rest: _slow_pick(x, winner, *rest))
def _(rng):
    for shape, *rest in _POOLS:
        winner = _slow_max(_spaced(rng, shape), *rest, True)[1]
        yield rng.normal(size=shape), winner, *rest


def _slow_pick(x: Any, winner: Any, *rest: Any) -> Any:
    y = np.zeros(winner.shape)
    for index, window in _slow_windows(x, *rest):
        at = window[winner[index]]
        y[index] = 0 if at is None else x[at]
    return y


# -- average -------------------------------------------------------------------------------------
@op
def _sum_pool(input: Array, kernel: Any, stride: Any, padding: Pairs) -> Array:
    """The sum of every window."""
    out = _out(input.shape, kernel, stride, padding, (1,) * len(kernel))
    padded, total = _padded(input, padding, 0), 0
    for _, where in taps(kernel, out, stride, (1,) * len(kernel)):
        total = total + padded[where]
    return total


@_sum_pool.grad
def _(g, shapes, kernel, stride, padding):
    return _sum_unpool(g, shapes[0], kernel, stride, padding)


@_sum_pool.fast("onednn", when=onednn.takes_pool)
def _(input, kernel, stride, padding):
    ones = (1,) * len(kernel)
    y, _ = onednn.pool_forward("avg", input, kernel, stride, padding, ones, False)
    return np.multiply(y, y.dtype.type(prod(kernel)), out=y)


@op
def _sum_unpool(g: Array, shape: Any, kernel: Any, stride: Any, padding: Pairs) -> Array:
    """Every g added to all places of its window."""
    total, inside = _zeros_padded(shape, padding, g)
    for _, where in taps(kernel, g.shape[2:], stride, (1,) * len(kernel)):
        total[where] += g
    return inside


@_sum_unpool.grad
def _(h, kernel, stride, padding):
    return _sum_pool(h, kernel, stride, padding)


@_sum_pool.samples(reference=lambda x, *rest: _slow_sum(x, *rest))
def _(rng):
    for shape, kernel, stride, padding, _ in _POOLS:
        yield rng.normal(size=shape), kernel, stride, padding


def _slow_sum(x: Any, kernel: Any, stride: Any, padding: Pairs) -> Any:
    ones = (1,) * len(kernel)
    y = np.zeros((*x.shape[:2], *_out(x.shape, kernel, stride, padding, ones)))
    for index, window in _slow_windows(x, kernel, stride, padding, ones):
        y[index] = sum(x[at] for at in window if at is not None)
    return y


@_sum_unpool.samples(reference=lambda g, shape, *rest: _slow_spread(g, shape, *rest))
def _(rng):
    for shape, kernel, stride, padding, _ in _POOLS:
        out = _out(shape, kernel, stride, padding, (1,) * len(kernel))
        yield rng.normal(size=(*shape[:2], *out)), shape, kernel, stride, padding


def _slow_spread(g: Any, shape: Any, kernel: Any, stride: Any, padding: Pairs) -> Any:
    total = np.zeros(shape)
    for index, window in _slow_windows(total, kernel, stride, padding, (1,) * len(kernel)):
        for at in window:
            if at is not None:
                total[at] += g[index]
    return total


# -- what users call -----------------------------------------------------------------------------
def _ceil_padding(
    x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Pairs:
    """Padding pairs; ceil_mode adds what one more, partly empty window needs at the end."""
    pairs = []
    for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation):
        extra = 0
        if ceil_mode:
            span = n + 2 * p - d * (k - 1) - 1
            windows = -(-span // s) + 1
            windows -= (windows - 1) * s >= n + p  # the last window must start inside
            extra = max((windows - 1) * s + d * (k - 1) + 1 - (n + 2 * p), 0)
        pairs.append((p, p + extra))
    return tuple(pairs)


def _plan(
    name: str, n: int, input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> tuple[Any, Any, Pairs, Any]:
    """Checked kernel, stride, padding pairs and dilation of a pool over n dimensions."""
    k = pair_up(name, "kernel_size", kernel, n, least=1)
    s = k if stride is None or stride == () or stride == [] else pair_up(name, "stride", stride, n, 1)
    p = pair_up(name, "padding", padding, n)
    d = pair_up(name, "dilation", dilation, n, least=1)
    if any(2 * a > b for a, b in zip(p, k)):
        raise ShapeError(f"{name}: padding {p} must be at most half of kernel_size {k}")
    if input.ndim != n + 2:
        raise ShapeError(f"{name}: want {n + 1} or {n + 2} dimensions, got {tuple(input.shape)}")
    pairs = _ceil_padding(input, k, s, p, d, ceil_mode)
    if min(_out(input.shape, k, s, pairs, d)) < 1:
        raise ShapeError(f"{name}: kernel_size {k} does not fit into x {tuple(input.shape)}")
    return k, s, pairs, d


def _max(
    name: str, n: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:
    if input.ndim == n + 1:
        y = _max(name, n, input[None], kernel_size, stride, padding, dilation, ceil_mode,
                 return_indices)  # fmt: skip
        return (y[0][0], y[1][0]) if return_indices else y[0]
    k, s, pairs, d = _plan(name, n, input, kernel_size, stride, padding, dilation, ceil_mode)
    train = return_indices or (input.needs_grad and mode.enabled)
    y, winner = _max_pool(input, k, s, pairs, d, train)
    if not return_indices:
        return y
    return y, _flat_places(winner, input.shape, k, s, pairs, d)


def _flat_places(winner: Any, shape: Any, k: Any, s: Any, pairs: Pairs, d: Any) -> Any:
    """PyTorch's indices: the winner's place in its flattened plane."""
    from ..tensor import wrap

    rest = winner.array.astype(np.int64)
    place, step = np.zeros_like(rest), 1
    for axis in reversed(range(len(k))):
        rest, inside = np.divmod(rest, k[axis])
        starts = np.arange(rest.shape[2 + axis]) * s[axis] - pairs[axis][0]
        starts = starts.reshape(-1, *(1,) * (len(k) - 1 - axis))
        place += (np.asarray(starts, like=rest) + inside * d[axis]) * step
        step *= shape[2 + axis]
    return wrap(place)


def max_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:
    """The largest value of every window of (N, C, T); with return_indices also where it stood.

    >>> import sensorium as sn
    >>> sn.nn.functional.max_pool1d(sn.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    tensor([[[3., 2.]]])
    """
    return _max("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode,
                return_indices)  # fmt: skip


def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:
    """The largest value of every window of (N, C, H, W); with return_indices also where it stood.

    stride defaults to kernel_size; padding counts as -inf; ceil_mode allows a last partial window.

    >>> import sensorium as sn
    >>> sn.nn.functional.max_pool2d(sn.arange(4.0).reshape(1, 1, 2, 2), 2)
    tensor([[[[3.]]]])
    """
    return _max("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode,
                return_indices)  # fmt: skip


def max_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:
    """The largest value of every window of (N, C, D, H, W); with return_indices also where it stood.

    >>> import sensorium as sn
    >>> sn.nn.functional.max_pool3d(sn.ones(1, 1, 2, 2, 2), 2).shape
    sensorium.Size([1, 1, 1, 1, 1])
    """
    return _max("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode,
                return_indices)  # fmt: skip


def _window_sizes(
    shape: Any, k: Any, s: Any, p: Any, pairs: Pairs, include_pad: bool
) -> Any:
    """How many elements count in every window: (1, 1, *out)."""
    total = np.ones((1, 1) + (1,) * len(k))
    for axis, (n, size, step, pad, pair) in enumerate(zip(shape[2:], k, s, p, pairs)):
        out = out_size(n, size, step, pair, 1)
        start = np.arange(out) * step - pair[0]
        low, high = (-pad, n + pad) if include_pad else (0, n)
        counts = np.minimum(start + size, high) - np.maximum(start, low)
        total = total * counts.reshape(-1, *(1,) * (len(k) - 1 - axis))
    return total


def _avg(
    name: str, n: int, input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Any:
    if input.ndim == n + 1:
        return _avg(name, n, input[None], kernel_size, stride, padding, ceil_mode,
                    count_include_pad, divisor_override)[0]  # fmt: skip
    if input.dtype.kind not in "fVc":
        raise DTypeError(f"{name}: want a floating-point x, got {input.dtype}")
    k, s, pairs, _ = _plan(name, n, input, kernel_size, stride, padding, 1, ceil_mode)
    y = _sum_pool(input, k, s, pairs)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ShapeError(f"{name}: divisor_override must not be 0")
        return y / divisor_override
    p = pair_up(name, "padding", padding, n)
    counts = _window_sizes(input.shape, k, s, p, pairs, count_include_pad)
    if (counts == prod(k)).all():
        return y * (1 / prod(k))
    return y * np.asarray(1 / counts, dtype=input.dtype, like=input.array)


def avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of every window of (N, C, T).

    >>> import sensorium as sn
    >>> sn.nn.functional.avg_pool1d(sn.tensor([[[1.0, 3.0]]]), 2)
    tensor([[[2.]]])
    """
    return _avg("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                None)  # fmt: skip


def avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:
    """The mean of every window of (N, C, H, W).

    count_include_pad counts padding as zeros of the window; divisor_override divides by that instead.

    >>> import sensorium as sn
    >>> sn.nn.functional.avg_pool2d(sn.ones(1, 1, 2, 2), 2, padding=1)
    tensor([[[[0.2500, 0.2500],
              [0.2500, 0.2500]]]])
    """
    return _avg("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                divisor_override)  # fmt: skip


def avg_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:
    """The mean of every window of (N, C, D, H, W).

    >>> import sensorium as sn
    >>> sn.nn.functional.avg_pool3d(sn.ones(1, 1, 2, 2, 2), 2).item()
    1.0
    """
    return _avg("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                divisor_override)  # fmt: skip
