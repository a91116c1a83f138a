"""Resampling an image array along its two axes: weights, then two banded matrix products.

    y = R x Cᵀ      R (H', H), C (W', W): row i holds what new pixel i takes from the old ones

With antialiasing the filter is stretched by the scale, as in Pillow and in PyTorch's
``interpolate(antialias=True)``; without, two or four old pixels make a new one, as in PyTorch's
plain modes (``align_corners=False``). Written with functions that NumPy and CuPy share, and with
operators that Tensors share, so gradients pass. Left out: ``align_corners=True``.

Sources: Keys, "Cubic convolution interpolation", 1981 (a = -1/2 with antialiasing, -3/4 without,
both as PyTorch); Turkowski, "Filters for common resampling tasks", 1990 (the others).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

Taps = tuple[np.ndarray, np.ndarray]
"""(index, weight), both (n_out, taps): new pixel i is the sum of weight[i] * old[index[i]]."""


# -- filters -------------------------------------------------------------------------------------
def triangle(t: np.ndarray) -> np.ndarray:
    """1 - |t| where |t| < 1."""
    return np.maximum(1.0 - np.abs(t), 0.0)


def keys(t: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' cubic: interpolating, support 2; a is its slope at 1."""
    t = np.abs(t)
    near = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    far = (((t - 5.0) * t + 8.0) * t - 4.0) * a
    return np.where(t < 1.0, near, np.where(t < 2.0, far, 0.0))


def box(t: np.ndarray) -> np.ndarray:
    """1 where -1/2 < t <= 1/2."""
    return ((t > -0.5) & (t <= 0.5)).astype(np.float64)


def hamming(t: np.ndarray) -> np.ndarray:
    """sinc t under a Hamming window of half-width 1."""
    return np.where(np.abs(t) < 1.0, np.sinc(t) * (0.54 + 0.46 * np.cos(np.pi * t)), 0.0)


def lanczos(t: np.ndarray) -> np.ndarray:
    """sinc t under a sinc window of half-width 3."""
    return np.where(np.abs(t) < 3.0, np.sinc(t) * np.sinc(t / 3.0), 0.0)


FILTERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "box": (box, 0.5),
    "bilinear": (triangle, 1.0),
    "hamming": (hamming, 1.0),
    "bicubic": (keys, 2.0),
    "lanczos": (lanczos, 3.0),
}
"""Filter and support, by interpolation mode."""


# -- taps ----------------------------------------------------------------------------------------
@lru_cache(maxsize=128)
def taps(n_in: int, n_out: int, mode: str, antialias: bool) -> Taps:
    """What each of n_out pixels takes from n_in; weights sum to 1.

    >>> taps(4, 2, "bilinear", True)[1].round(3)
    array([[0.429, 0.429, 0.143, 0.   , 0.   ],
           [0.143, 0.429, 0.429, 0.   , 0.   ]])
    """
    found = _stretched(n_in, n_out, mode) if antialias else _plain(n_in, n_out, mode)
    for array in found:
        array.setflags(write=False)  # shared by every caller
    return found


def _stretched(n_in: int, n_out: int, mode: str) -> Taps:
    """The filter, stretched by the scale when shrinking, around each new pixel's centre."""
    kernel, support = FILTERS[mode]
    scale = n_in / n_out
    stretch = max(scale, 1.0)
    centre = (np.arange(n_out) + 0.5) * scale
    first = np.maximum((centre - support * stretch + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support * stretch + 0.5).astype(np.int64), n_in)
    index = first[:, None] + np.arange(2 * math.ceil(support * stretch) + 1)
    weight = kernel((index - centre[:, None] + 0.5) / stretch)
    weight[index >= last[:, None]] = 0.0
    weight /= weight.sum(axis=1, keepdims=True)
    return np.minimum(index, n_in - 1), weight


def _plain(n_in: int, n_out: int, mode: str) -> Taps:
    """Two (bilinear) or four (bicubic) neighbours; the border pixel stands for those beyond it."""
    at = (np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5
    if mode == "bilinear":
        at = np.maximum(at, 0.0)
        index = np.floor(at)[:, None] + np.arange(2)
        weight = triangle(at[:, None] - index)
    else:
        index = np.floor(at)[:, None] + np.arange(-1, 3)
        weight = keys(at[:, None] - index, a=-0.75)
    return np.clip(index, 0, n_in - 1).astype(np.int64), weight


def nearest(n_in: int, n_out: int, exact: bool) -> np.ndarray:
    """The old pixel that each new one copies: floor(i s), or floor((i + 1/2) s) when exact.

    In float32, as PyTorch computes it: the choice between two pixels depends on the rounding.

    >>> nearest(5, 3, exact=False), nearest(5, 3, exact=True)
    (array([0, 1, 3]), array([0, 2, 4]))
    """
    scale = np.float32(n_in) / np.float32(n_out)
    at = (np.arange(n_out, dtype=np.float32) + np.float32(0.5 if exact else 0.0)) * scale
    return np.minimum(np.floor(at).astype(np.int64), n_in - 1)


# -- products ------------------------------------------------------------------------------------
_BAND = 32  # new pixels a product: a narrow band wastes few multiplications by zero


def cheaper_order(old: tuple[int, int], new: tuple[int, int]) -> tuple[int, int]:
    """The axes, -2 for rows and -1 for columns, in the order that multiplies less.

    >>> cheaper_order((500, 400), (10, 400)), cheaper_order((400, 500), (400, 10))
    ((-2, -1), (-1, -2))
    """
    rows = new[0] * old[1] * (old[0] + new[1])
    columns = old[0] * new[1] * (old[1] + new[0])
    return (-2, -1) if rows <= columns else (-1, -2)


def resample(
    x: Any, axis: int, n_out: int, mode: str, antialias: bool, like: Any, join: Any
) -> Any:
    """x (..., H, W), float32 or float64, with n_out pixels along axis -2 or -1.

    like(array) brings a weight matrix to x's kind, type and device; join(parts, axis) concatenates.
    """
    if x.shape[axis] == n_out:  # every filter here passes through the old pixels
        return x
    index, weight = taps(x.shape[axis], n_out, mode, antialias)
    parts = []
    for start in range(0, n_out, _BAND):
        low, matrix = _band(index[start : start + _BAND], weight[start : start + _BAND])
        high = low + matrix.shape[1]
        if axis == -2:
            parts.append(like(matrix) @ x[..., low:high, :])
        else:
            parts.append(x[..., low:high] @ like(matrix.T))
    return parts[0] if len(parts) == 1 else join(parts, axis)


def _band(index: np.ndarray, weight: np.ndarray) -> tuple[int, np.ndarray]:
    """(first old pixel, dense matrix) of some rows of taps; several taps may fall on one pixel."""
    low = int(index.min())
    matrix = np.zeros((len(index), int(index.max()) + 1 - low))
    np.add.at(matrix, (np.arange(len(index))[:, None], index - low), weight)
    return low, matrix
