"""Max pooling over windows, in one, two and three dimensions.

A max pool also says which tap of its window won (counted row by row; the first of equal ones); its
gradient sends g there.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..autograd.mode import mode
from ..backends.cpu import onednn
from ._declare import Array, op
from .conv import Pairs, taps
from .pool import _lowest, _out, _padded, _plan, _slow_windows, _zeros_padded


# -- the ops ---------------------------------------------------------------------------------------
@op(outputs=("y", "winner"))
def _max_pool(
    input: Array, kernel: Any, stride: Any, padding: Pairs, dilation: Any, train: bool
) -> Array:
    """The largest value of every window and, if train, which tap of the window it came from."""
    out = _out(input.shape, kernel, stride, padding, dilation)
    padded = _padded(input, padding, _lowest(input.dtype))
    best: Any = None
    winner: Any = None
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
    winner = getattr(winner, "array", winner)
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


# -- what users call -------------------------------------------------------------------------------
def _max(
    name: str,
    n: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
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
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of every window of (N, C, T); with return_indices also where it stood.

    >>> import sensorium as sn
    >>> sn.nn.functional.max_pool1d(sn.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    tensor([[[3., 2.]]])
    """
    return _max("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode,
                return_indices)  # fmt: skip


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
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
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of every window of (N, C, D, H, W); with return_indices also where it stood.

    >>> import sensorium as sn
    >>> sn.nn.functional.max_pool3d(sn.ones(1, 1, 2, 2, 2), 2).shape
    sensorium.Size([1, 1, 1, 1, 1])
    """
    return _max("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode,
                return_indices)  # fmt: skip
