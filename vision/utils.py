"""Looking at batches: ``make_grid`` lays images out in one, ``save_image`` writes it to a file.

Follows ``torchvision.utils``. Left out: drawing boxes, masks and keypoints.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.tensor import Tensor

__all__ = ["make_grid", "save_image"]

Images = Tensor | Sequence[Tensor]


def make_grid(
    tensor: Images,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images (N, C, H, W), or a list of (C, H, W), nrow to a row, as one image (3 or C, H', W').

    Gray images become three alike. padding pixels of pad_value stand between and around.
    normalize brings value_range (None: the smallest and largest value, of each image with
    scale_each) to [0, 1]. One image alone is returned without a border, as in torchvision.

    >>> import sensorium as sn
    >>> make_grid(sn.zeros(5, 1, 4, 4), nrow=3).shape
    sensorium.Size([3, 14, 20])
    """
    _check_options(nrow, padding, value_range)
    x = _batch(tensor)  # (N, C, H, W)
    x = np.repeat(x, 3, axis=1) if x.shape[1] == 1 else x
    if normalize:
        x = _normalized(x, value_range, scale_each)
    if len(x) == 1:
        return Tensor(x[0])
    count, channels, height, width = x.shape
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    down, across = height + padding, width + padding
    grid = np.full(
        (channels, rows * down + padding, columns * across + padding), pad_value, x.dtype
    )
    for k, image in enumerate(x):
        top, left = k // columns * down + padding, k % columns * across + padding
        grid[:, top : top + height, left : left + width] = image
    return Tensor(grid)


def _check_options(nrow: int, padding: int, value_range: tuple[float, float] | None) -> None:
    if nrow < 1 or padding < 0:
        raise OptionError(
            f"make_grid: want nrow of at least 1 and padding of at least 0, got {nrow} and {padding}"
        )
    if value_range is not None and not value_range[0] < value_range[1]:
        raise OptionError(f"make_grid: value_range wants (low, high), got {value_range!r}")


def _batch(tensor: Images) -> np.ndarray:
    """The images as a NumPy array (N, C, H, W)."""
    parts = [tensor] if isinstance(tensor, Tensor) else list(tensor)
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        raise DTypeError("make_grid: want a Tensor or a sequence of Tensors, at least one")
    if len({tuple(part.shape) for part in parts}) > 1:
        raise ShapeError(
            f"make_grid: want images of one shape, got {[tuple(p.shape) for p in parts[:5]]}"
        )
    arrays = [part.numpy(force=True) for part in parts]
    x = arrays[0] if isinstance(tensor, Tensor) else np.stack(arrays)
    x = x[None, None] if x.ndim == 2 else x[None] if x.ndim == 3 else x
    if x.ndim != 4 or 0 in x.shape:
        raise ShapeError(f"make_grid: want images (N, C, H, W), got {x.shape}")
    return x


def _normalized(
    x: np.ndarray, value_range: tuple[float, float] | None, scale_each: bool
) -> np.ndarray:
    """(x - low) / (high - low), within [0, 1]."""
    if x.dtype.kind in "biu":
        raise DTypeError(f"make_grid: normalize wants float images, got {x.dtype}")
    if value_range is not None:
        low, high = (np.asarray(v, x.dtype) for v in value_range)
    else:
        axes = (1, 2, 3) if scale_each else (0, 1, 2, 3)
        low, high = x.min(axes, keepdims=True), x.max(axes, keepdims=True)
    span = np.maximum(high - low, np.asarray(1e-5, x.dtype))
    return (np.clip(x, low, high) - low) / span


def save_image(
    tensor: Images,
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    *,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> None:
    """``make_grid`` as an image file; floats in [0, 1] become round(255 x), integers stay.

    format is Pillow's name, for files that have no suffix to tell it.
    """
    grid = make_grid(tensor, nrow, padding, normalize, value_range, scale_each, pad_value)
    pixels: Any = grid.numpy()
    if pixels.dtype.kind not in "biu":
        pixels = np.clip(pixels.astype(np.float32) * 255 + 0.5, 0, 255)
    Image.fromarray(np.ascontiguousarray(pixels.astype(np.uint8).transpose(1, 2, 0))).save(
        fp, format
    )
