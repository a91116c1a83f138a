"""Average pooling over windows, in one, two and three dimensions."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..errors import DTypeError, ShapeError
from ..tensor import wrap
from ._declare import Array, op
from ._dims import pair_up
from ._out import with_out
from .arithmetic import trunc_divide
from .conv import Pairs, out_size, taps
from .max_pool import _POOLS
from .pool import _out, _padded, _plan, _slow_windows, _zeros_padded


# -- the ops ---------------------------------------------------------------------------------------
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


# -- what users call -------------------------------------------------------------------------------
def _window_sizes(shape: Any, k: Any, s: Any, p: Any, pairs: Pairs, include_pad: bool) -> Any:
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
    name: str,
    n: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    if input.ndim == n + 1:
        return _avg(name, n, input[None], kernel_size, stride, padding, ceil_mode,
                    count_include_pad, divisor_override)[0]  # fmt: skip
    if input.dtype.kind not in "fVc" and input.dtype != np.int64:
        raise DTypeError(f"{name}: want a floating-point or int64 x, got {input.dtype}")
    k, s, pairs, _ = _plan(name, n, input, kernel_size, stride, padding, 1, ceil_mode)
    y = _sum_pool(input, k, s, pairs)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ShapeError(f"{name}: divisor_override must not be 0")
        return y / divisor_override if y.dtype != np.int64 else trunc_divide(y, divisor_override)
    p = pair_up(name, "padding", padding, n)
    counts = _window_sizes(input.shape, k, s, p, pairs, count_include_pad)
    if y.dtype == np.int64:  # towards 0, as PyTorch
        return trunc_divide(y, wrap(np.asarray(counts.astype(np.int64), like=y.array)))
    if (counts == prod(k)).all():
        return y * (1 / prod(k))
    return y * np.asarray(1 / counts, dtype=input.dtype, like=input.array)


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of every window of (N, C, T).

    >>> import sensorium as sn
    >>> sn.nn.functional.avg_pool1d(sn.tensor([[[1.0, 3.0]]]), 2)
    tensor([[[2.]]])
    """
    return _avg("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                None)  # fmt: skip


@with_out
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
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


@with_out
def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window of (N, C, D, H, W).

    >>> import sensorium as sn
    >>> sn.nn.functional.avg_pool3d(sn.ones(1, 1, 2, 2, 2), 2).item()
    1.0
    """
    return _avg("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                divisor_override)  # fmt: skip
