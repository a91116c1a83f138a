"""What pools over windows share: geometry, checked options, slow references.

``max_pool.py`` and ``avg_pool.py`` hold the pools.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ._dims import pair_up
from .conv import Pairs, out_size


# -- geometry --------------------------------------------------------------------------------------
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


# -- options ---------------------------------------------------------------------------------------
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
    name: str,
    n: int,
    input: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[Any, Any, Pairs, Any]:
    """Checked kernel, stride, padding pairs and dilation of a pool over n dimensions."""
    k = pair_up(name, "kernel_size", kernel, n, least=1)
    s = (
        k
        if stride is None or stride == () or stride == []
        else pair_up(name, "stride", stride, n, 1)
    )
    p = pair_up(name, "padding", padding, n)
    d = pair_up(name, "dilation", dilation, n, least=1)
    if any(2 * a > b for a, b in zip(p, k)):
        raise ShapeError(f"{name}: padding {p} must be at most half of kernel_size {k}")
    if input.ndim != n + 2:
        raise ShapeError(f"{name}: want {n + 1} or {n + 2} dimensions, got {tuple(input.shape)}")
    if 0 in input.shape[1:]:
        raise ShapeError(f"{name}: only the batch may be 0, got {tuple(input.shape)}")
    pairs = _ceil_padding(input, k, s, p, d, ceil_mode)
    if min(_out(input.shape, k, s, pairs, d)) < 1:
        raise ShapeError(f"{name}: kernel_size {k} does not fit into x {tuple(input.shape)}")
    return k, s, pairs, d
