"""Power-average pooling, fractional max pooling and local response normalisation.

All three are compositions of the pools beside this file. Follows ``torch.nn.functional``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ._dims import pair_up
from .activation import relu
from .avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from .exponential import abs, neg, sign
from .gather import gather
from .join import pad
from .max_pool import max_pool1d, max_pool2d, max_pool3d
from .power import pow
from .shape import reshape

_AVG = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}
_MAX = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}


# -- the norm of every window ----------------------------------------------------------------------
def _lp(n: int, input: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    name = f"lp_pool{n}d"
    k = pair_up(name, "kernel_size", kernel_size, n, 1)
    if norm_type == 0:
        raise OutOfBoundsError(f"{name}: norm_type must not be 0, got {norm_type}")
    if norm_type == math.inf:
        return _MAX[n](abs(input), k, stride, 0, 1, ceil_mode)
    if norm_type == -math.inf:
        return neg(_MAX[n](neg(abs(input)), k, stride, 0, 1, ceil_mode))
    mean = _AVG[n](pow(input, norm_type), k, stride, 0, ceil_mode)
    total = sign(mean) * relu(abs(mean)) * math.prod(k)  # relu: no gradient where the sum is 0
    return pow(total, 1.0 / norm_type)


def lp_pool1d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p), p = norm_type, over every window of (N, C, T); the maximum for infinity.

    >>> import sensorium as sn
    >>> sn.nn.functional.lp_pool1d(sn.tensor([[[3.0, 4.0]]]), 2, 2)
    tensor([[[5.]]])
    """
    return _lp(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p), p = norm_type, over every window of (N, C, H, W).

    The sum has x^p, not |x|^p: odd powers keep their sign, and the root of a negative sum is nan.

    >>> import sensorium as sn
    >>> sn.nn.functional.lp_pool2d(sn.ones(1, 1, 2, 2), 2, 2)
    tensor([[[[2.]]]])
    """
    return _lp(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p), p = norm_type, over every window of (N, C, D, H, W).

    >>> import sensorium as sn
    >>> sn.nn.functional.lp_pool3d(sn.ones(1, 1, 2, 2, 2), 3, 2).item()
    2.0
    """
    return _lp(3, input, norm_type, kernel_size, stride, ceil_mode)


# -- windows at random places ----------------------------------------------------------------------
def _starts(samples: Any, n: int, out: int, k: int) -> Any:
    """Where out windows of k start among n places, by a random number in [0, 1): (N, C, out)."""
    kind = samples.dtype.type
    steps = np.arange(out).astype(samples.dtype)
    alpha = kind(n - k) / kind(max(out - 1, 1))
    starts = ((samples[..., None] + steps) * alpha).astype(np.int64)
    starts -= (samples * alpha).astype(np.int64)[..., None]
    starts[..., out - 1] = n - k
    return starts


def _random_places(samples: Any, sizes: Any, k: Any, out: Any) -> Any:
    """The flat places of every window: (N, C, *out, taps). samples (N, C, dims)."""
    dims = len(sizes)
    order = (1, 0) if dims == 2 else (0, 1, 2)  # of two numbers PyTorch takes the first for W
    flat = np.zeros((*samples.shape[:2], *(1,) * 2 * dims), np.int64)
    for d, (n, o, size) in enumerate(zip(sizes, out, k)):
        starts = _starts(samples[..., order[d]], n, o, size)
        at = starts[..., None] + np.arange(size)  # (N, C, out, k)
        shape = [1] * (2 * dims)
        shape[d], shape[dims + d] = o, size
        flat = flat * n + at.reshape(*samples.shape[:2], *shape)
    return flat.reshape(*samples.shape[:2], *out, math.prod(k))


def _fractional_size(name: str, n: int, input: Any, size: Any, ratio: Any) -> tuple[int, ...]:
    if (size is None) == (ratio is None):
        raise ShapeError(f"{name}: give output_size or output_ratio, got {size} and {ratio}")
    if size is not None:
        return pair_up(name, "output_size", size, n, 1)
    ratios = tuple(ratio) if hasattr(ratio, "__len__") else (ratio,) * n
    if len(ratios) != n or not all(0 < r < 1 for r in ratios):
        raise ShapeError(f"{name}: output_ratio wants {n} values between 0 and 1, got {ratio}")
    return tuple(int(m * r) for m, r in zip(input.shape[-n:], ratios))


def _checked_samples(name: str, n: int, input: Any, samples: Any) -> Any:
    shape = (*input.shape[:2], n)
    if samples is None:
        from ..random import rand

        return rand(*shape, dtype=input.dtype).array
    given = tuple(samples.shape)
    if given[1:] != shape[1:] or given[0] < shape[0] or samples.dtype != input.dtype:
        raise ShapeError(
            f"{name}: _random_samples must be {shape} {input.dtype}, got {given} {samples.dtype}"
        )
    return samples.array[: shape[0]]


def _fractional(
    n: int, input: Any, kernel: Any, size: Any, ratio: Any, indices: bool, samples: Any
) -> Any:
    name = f"fractional_max_pool{n}d"
    if input.dtype.kind not in "fV":
        raise DTypeError(f"{name}: want a floating-point input, got {input.dtype}")
    if input.ndim == n + 1:
        y = _fractional(n, input[None], kernel, size, ratio, True, samples)
        return (y[0][0], y[1][0]) if indices else y[0][0]
    if input.ndim != n + 2:
        raise ShapeError(f"{name}: want {n + 1} or {n + 2} dimensions, got {tuple(input.shape)}")
    k, sizes = pair_up(name, "kernel_size", kernel, n, 1), tuple(input.shape[2:])
    out = _fractional_size(name, n, input, size, ratio)
    if min(out) < 1 or any(o + a - 1 > m for o, a, m in zip(out, k, sizes)):
        raise ShapeError(f"{name}: {out} windows of kernel_size {k} do not fit into {sizes}")
    samples = _checked_samples(name, n, input, samples)
    return _windows_max(input, _random_places(samples, sizes, k, out), out, indices)


def _windows_max(input: Any, places: Any, out: tuple[int, ...], indices: bool) -> Any:
    """The largest value of windows given as places (N, C, *out, taps) of the flattened planes."""
    from ..tensor import wrap

    lead = tuple(input.shape[:2])
    plane = reshape(input, (*lead, math.prod(input.shape[2:])))
    windows = places.reshape(*lead, math.prod(out), places.shape[-1])
    values = plane.array[np.arange(lead[0])[:, None, None, None],
                         np.arange(lead[1])[:, None, None], windows]  # fmt: skip
    winner = np.take_along_axis(windows, values.argmax(-1)[..., None], -1)[..., 0]
    y = reshape(gather(plane, 2, wrap(winner)), (*lead, *out))
    return (y, wrap(winner.reshape(*lead, *out))) if indices else y


def fractional_max_pool2d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest values of windows of (N, C, H, W) that start at random steps.

    Give the output's size, or its ratio to the input's. Source: Graham, "Fractional max-pooling"
    (2014).

    >>> import sensorium as sn
    >>> sn.nn.functional.fractional_max_pool2d(sn.ones(1, 3, 9, 9), 2, output_ratio=0.7).shape
    sensorium.Size([1, 3, 6, 6])
    """
    return _fractional(
        2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool3d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest values of windows of (N, C, D, H, W) that start at random steps.

    >>> import sensorium as sn
    >>> sn.nn.functional.fractional_max_pool3d(sn.ones(1, 3, 5, 5, 5), 2, output_size=3).shape
    sensorium.Size([1, 3, 3, 3, 3])
    """
    return _fractional(
        3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


# -- local response normalisation ------------------------------------------------------------------
def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    """x / (k + alpha mean)^beta, mean: of the squares of size neighbouring channels of (N, C, *).

    Channels beyond the first and last count as zeros. Source: Krizhevsky et al., "ImageNet
    classification with deep convolutional neural networks" (2012), whose alpha multiplies the sum.

    >>> import sensorium as sn
    >>> sn.nn.functional.local_response_norm(sn.ones(1, 2, 1), 2, alpha=2.0, beta=1.0).flatten()
    tensor([0.5000, 0.3333])
    """
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise ShapeError(f"local_response_norm: want 3 or more dimensions (N, C, *), got {shape}")
    if size < 1:
        raise ShapeError(f"local_response_norm: size must be at least 1, got {size}")
    if 0 in shape:
        return input
    squares = reshape(input * input, (shape[0], 1, shape[1], -1))
    squares = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = reshape(avg_pool2d(squares, (size, 1), 1), shape)
    return input / pow(mean * alpha + k, beta)
