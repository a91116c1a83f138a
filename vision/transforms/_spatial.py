"""Flips, erasing and Gaussian blur, for Pillow images, arrays and Tensors (..., C, H, W)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from sensorium.errors import OptionError, ShapeError
from sensorium.tensor import Tensor

from ._convert import pil_to_tensor, to_pil_image
from ._images import (
    ImageLike,
    cast,
    check_image,
    is_float,
    is_pil,
    like,
    mapped,
    working,
)
from ._pad import pad


# -- flips ---------------------------------------------------------------------------------------
def horizontal_flip(img: ImageLike) -> ImageLike:
    """Left becomes right.

    >>> horizontal_flip(np.array([[[1, 2, 3]]]))
    array([[[3, 2, 1]]])
    """
    if is_pil(img):
        return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return mapped(check_image("horizontal_flip", img, 2), lambda x: _flipped(x, -1))


def vertical_flip(img: ImageLike) -> ImageLike:
    """Top becomes bottom."""
    if is_pil(img):
        return img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return mapped(check_image("vertical_flip", img, 2), lambda x: _flipped(x, -2))


def _flipped(x: Any, axis: int) -> Any:
    """A copy: a view with a negative stride would be copied by whatever comes next."""
    if isinstance(x, Tensor):
        return x.flip(axis)
    return np.ascontiguousarray(x[..., ::-1] if axis == -1 else x[..., ::-1, :], like=x)


hflip, vflip = horizontal_flip, vertical_flip


# -- erase ---------------------------------------------------------------------------------------
def erase(
    img: ImageLike, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False
) -> ImageLike:
    """Rows i to i + h and columns j to j + w replaced by v, which broadcasts against (C, h, w).

    inplace writes into the array or Tensor given. What lies outside the image is left out.

    >>> erase(np.zeros((1, 2, 3)), 0, 1, 2, 1, 9.0)
    array([[[0., 9., 0.],
            [0., 9., 0.]]])
    """
    if min(i, j, h, w) < 0:
        raise ShapeError(f"erase: want i, j, h, w of at least 0, got {(i, j, h, w)}")
    if is_pil(img):
        return to_pil_image(erase(pil_to_tensor(img), i, j, h, w, v, True), img.mode)
    check_image("erase", img)
    if inplace:
        return _erased(img, i, j, h, w, v)
    return mapped(img, lambda x: _erased(_copy(x), i, j, h, w, v))


def _copy(x: Any) -> Any:
    return x.clone() if isinstance(x, Tensor) else x.copy()


def _erased(x: Any, i: int, j: int, h: int, w: int, v: Any) -> Any:
    """x with the rectangle written over."""
    rows, columns = min(i + h, x.shape[-2]) - i, min(j + w, x.shape[-1]) - j
    values = np.asarray(v.numpy(force=True) if isinstance(v, Tensor) else v)
    if rows <= 0 or columns <= 0:
        return x
    fits = values.ndim <= 3 and all(
        a in (1, b) for a, b in zip(values.shape[::-1], (w, h, x.shape[-3]))
    )
    if not fits:
        raise ShapeError(f"erase: v {values.shape} does not broadcast to {(x.shape[-3], h, w)}")
    block = np.broadcast_to(values, (*values.shape[:-2], h, w) if values.ndim else (h, w))
    x[..., i : i + rows, j : j + columns] = like(x, block[..., :rows, :columns])
    return x


# -- blur ----------------------------------------------------------------------------------------
def gaussian_blur(
    img: ImageLike,
    kernel_size: int | Sequence[int],
    sigma: float | Sequence[float] | None = None,
) -> ImageLike:
    """The image under a normalised Gaussian window; the border is mirrored ("reflect").

    kernel_size is odd: one number, or (across, down). sigma, in pixels, likewise; None means
    0.15 kernel_size + 0.35. Integers are rounded. Pillow images take the same way.

    >>> gaussian_blur(np.array([[[0.0, 0.0, 1.0, 0.0, 0.0]]]), (3, 1), 1.0).round(3)
    array([[[0.   , 0.274, 0.452, 0.274, 0.   ]]])
    """
    sizes, widths = blur_options("gaussian_blur", kernel_size, sigma)
    if is_pil(img):
        return to_pil_image(gaussian_blur(pil_to_tensor(img), sizes, widths), img.mode)
    check_image("gaussian_blur", img)
    border = [sizes[0] // 2, sizes[1] // 2]
    return mapped(img, lambda x: _blurred(pad(working(x), border, 0, "reflect"), x, sizes, widths))


def blur_options(op: str, kernel_size: Any, sigma: Any) -> tuple[list[int], list[float]]:
    """Both as (across, down)."""
    sizes = list(kernel_size) if isinstance(kernel_size, Sequence) else [kernel_size]
    if len(sizes) not in (1, 2) or any(
        not isinstance(n, int) or n < 1 or n % 2 == 0 for n in sizes
    ):
        raise OptionError(f"{op}: kernel_size wants odd positive numbers, got {kernel_size!r}")
    sizes = [sizes[0], sizes[-1]]
    if sigma is None:
        return sizes, [0.15 * n + 0.35 for n in sizes]
    widths = [float(s) for s in sigma] if isinstance(sigma, Sequence) else [float(sigma)]
    if len(widths) not in (1, 2) or not all(0 < s < math.inf for s in widths):
        raise OptionError(f"{op}: sigma wants one or two positive numbers, got {sigma!r}")
    return sizes, [widths[0], widths[-1]]


def _window(size: int, sigma: float) -> list[float]:
    """exp(-t² / 2 sigma²) at whole t around the middle, with sum 1."""
    t = np.arange(size) - (size - 1) / 2
    weight = np.exp(-0.5 * (t / sigma) ** 2)
    return (weight / weight.sum()).tolist()


def _blurred(padded: Any, x: Any, sizes: list[int], widths: list[float]) -> Any:
    """The two windows one after the other: a Gaussian is the product of its sides."""
    height, width = x.shape[-2:]
    across = [
        padded[..., k : k + width] * weight for k, weight in enumerate(_window(sizes[0], widths[0]))
    ]
    y = _sum(across)
    down = [
        y[..., k : k + height, :] * weight for k, weight in enumerate(_window(sizes[1], widths[1]))
    ]
    y = _sum(down)
    return y if is_float(x) else cast(y.round(), x.dtype)


def _sum(parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
