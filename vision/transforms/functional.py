"""Transforms as functions, under the names of ``torchvision.transforms.v2.functional``.

Each takes a Pillow image, or an array or Tensor (..., C, H, W), and gives the same kind back.
Pillow images are resampled by Pillow, the others by ``_resample``; sizes come from ``_shapes``
for all. Arrays are channels-first everywhere except in ``to_tensor``, ``to_image`` and
``to_pil_image``, which read arrays as (H, W, C), as torchvision does. Left out: boxes and masks,
perspective and elastic maps. What is random lies in the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.errors import DTypeError, ShapeError

from . import _resample
from ._color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    invert,
    rgb_to_grayscale,
)
from ._convert import (
    convert_image_dtype,
    pil_to_tensor,
    to_dtype,
    to_image,
    to_pil_image,
    to_tensor,
)
from ._images import (
    ImageLike,
    cast,
    check_image,
    gathered,
    is_float,
    is_pil,
    join,
    like,
    mapped,
    per_channel,
)
from ._interpolation import PILLOW, InterpolationMode, interpolation_mode
from ._pad import pad
from ._shapes import Size, crop_origin, crop_padding, resized, sizes
from ._spatial import erase, gaussian_blur, hflip, horizontal_flip, vertical_flip, vflip
from ._warp import affine, rotate

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "erase",
    "gaussian_blur",
    "get_dimensions",
    "get_num_channels",
    "get_size",
    "hflip",
    "horizontal_flip",
    "invert",
    "normalize",
    "pad",
    "pil_to_tensor",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "to_dtype",
    "to_grayscale",
    "to_image",
    "to_pil_image",
    "to_tensor",
    "vertical_flip",
    "vflip",
]

to_grayscale = rgb_to_grayscale


# -- sizes ---------------------------------------------------------------------------------------
def get_dimensions(img: ImageLike) -> list[int]:
    """[C, H, W].

    >>> get_dimensions(np.zeros((2, 3, 4, 5), np.uint8))
    [3, 4, 5]
    """
    if is_pil(img):
        return [len(img.getbands()), img.height, img.width]
    shape = tuple(check_image("get_dimensions", img, 2).shape)
    return [shape[-3] if len(shape) > 2 else 1, *shape[-2:]]


def get_size(img: ImageLike) -> list[int]:
    """[H, W]."""
    return get_dimensions(img)[1:]


def get_num_channels(img: ImageLike) -> int:
    """C."""
    return get_dimensions(img)[0]


# -- resize --------------------------------------------------------------------------------------
def resize(
    img: ImageLike,
    size: Size | None,
    interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> ImageLike:
    """The image resampled to size: (height, width), or the new shorter side.

    max_size bounds the longer side; size None makes the longer side max_size. antialias=False
    matters for arrays and Tensors in modes bilinear and bicubic; Pillow always antialiases. Integer
    images are rounded to the nearest value and clipped, float ones are not clipped; box, hamming
    and lanczos are antialiased by nature.

    Numerics: Pillow's for its images; PyTorch's ``interpolate`` for the others. uint8 is within one
    level of Pillow; PyTorch's CPU kernel rounds its weights to 16 bits and so differs by one level,
    in bicubic rarely by two.

    >>> resize(np.eye(4, dtype=np.float32)[None], (2, 2), "bilinear")[0].round(3)
    array([[0.388, 0.122],
           [0.122, 0.388]], dtype=float32)
    """
    mode = interpolation_mode(interpolation)
    if is_pil(img):
        new = resized((img.height, img.width), size, max_size)
        same = new == (img.height, img.width)
        return img if same else img.resize(new[::-1], PILLOW[mode])
    check_image("resize", img)
    new = resized(tuple(img.shape[-2:]), size, max_size)
    if new == tuple(img.shape[-2:]):
        return img
    return mapped(img, lambda x: _resized(x, new, mode, bool(antialias)))


def _resized(x: Any, new: tuple[int, int], mode: InterpolationMode, antialias: bool) -> Any:
    """An array or Tensor (..., H, W) at the size new, in its own element type."""
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        exact = mode is InterpolationMode.NEAREST_EXACT
        rows, columns = (_resample.nearest(n, m, exact) for n, m in zip(x.shape[-2:], new))
        return gathered(x, rows, columns)
    if not antialias and mode not in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
        raise DTypeError(f"resize: {mode.value} wants antialias=True for arrays and Tensors")
    if x.dtype.kind in "bc":
        raise DTypeError(f"resize: {mode.value} is not defined for {x.dtype}; use nearest")
    wide = x.dtype == np.float64 or (x.dtype.kind in "iu" and x.dtype.itemsize > 2)
    work = np.dtype(np.float64 if wide else np.float32)
    if x.dtype == np.uint8:  # as Pillow and PyTorch's CPU kernel: columns first, bytes in between
        for axis in (-1, -2):
            x = _rounded(_along(cast(x, work), axis, new, mode, antialias), x.dtype)
        return x
    y = cast(x, work)
    for axis in _resample.cheaper_order(tuple(x.shape[-2:]), new):
        y = _along(y, axis, new, mode, antialias)
    return _rounded(y, x.dtype) if x.dtype.kind in "iu" else cast(y, x.dtype)


def _along(x: Any, axis: int, new: tuple[int, int], mode: InterpolationMode, smooth: bool) -> Any:
    """x resampled along one axis of its two."""
    return _resample.resample(x, axis, new[axis], mode.value, smooth, lambda w: like(x, w), join)


def _rounded(y: Any, dtype: np.dtype[Any]) -> Any:
    """Float values as the nearest integers that dtype holds.

    Halves go up in bytes, as in Pillow and PyTorch's byte kernel, and to even in other types, as
    in torchvision.
    """
    info = np.iinfo(dtype)
    # The largest int64 has no float64; the largest float64 below it stands in.
    high = min(float(info.max), float(np.nextafter(2.0**63, 0.0)))
    whole = np.floor(y + y.dtype.type(0.5)) if dtype == np.uint8 else np.rint(y)
    return np.clip(whole, float(info.min), high).astype(dtype)


# -- crop ---------------------------------------------------------------------------------------
def crop(img: ImageLike, top: int, left: int, height: int, width: int) -> ImageLike:
    """height x width pixels from row top and column left; zeros where that is outside the image.

    >>> crop(np.arange(6).reshape(1, 2, 3), 1, 1, 2, 2)
    array([[[4, 5],
            [0, 0]]])
    """
    height, width = sizes("crop", (height, width))
    _, old_height, old_width = get_dimensions(img)
    below, right = top + height, left + width
    if min(below, right) <= 0 or top >= old_height or left >= old_width:
        raise ShapeError(
            f"crop: rows {top} to {below}, columns {left} to {right} lie outside "
            f"{old_height} x {old_width} pixels"
        )
    if is_pil(img):
        return img.crop((left, top, right, below))
    inside = img[..., max(top, 0) : below, max(left, 0) : right]
    border = [max(n, 0) for n in (-left, -top, right - old_width, below - old_height)]
    return pad(inside, border) if any(border) else inside


def center_crop(img: ImageLike, output_size: Size) -> ImageLike:
    """The middle of the image, (height, width) or a square; zeros around one that is smaller.

    >>> center_crop(np.arange(9).reshape(1, 3, 3), 1)
    array([[[4]]])
    """
    wanted = sizes("center_crop", output_size, "output_size")
    height, width = wanted[0], wanted[-1]
    _, old_height, old_width = get_dimensions(img)
    if height > old_height or width > old_width:
        img = pad(img, crop_padding((old_height, old_width), (height, width)))
        _, old_height, old_width = get_dimensions(img)
    return crop(img, *crop_origin((old_height, old_width), (height, width)), height, width)


def resized_crop(
    img: ImageLike,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Size,
    interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> ImageLike:
    """``crop``, then ``resize``."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


# -- values --------------------------------------------------------------------------------------
def normalize(
    img: ImageLike, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> ImageLike:
    """(img - mean) / std, channel by channel; img is a float array or Tensor (..., C, H, W).

    >>> normalize(np.ones((1, 1, 2), np.float32), [0.5], [0.25])
    array([[[2., 2.]]], dtype=float32)
    """
    if is_pil(img):
        raise DTypeError("normalize: got a PIL image; apply to_tensor first")
    check_image("normalize", img)
    if not is_float(img):
        raise DTypeError(
            f"normalize: want a float image, got {img.dtype}; convert_image_dtype first"
        )
    if not np.all(np.asarray(std, dtype=np.float64)):
        raise ShapeError(f"normalize: std {std!r} has a zero, which would divide by zero")
    if inplace:
        img -= per_channel("normalize", "mean", mean, img)
        img /= per_channel("normalize", "std", std, img)
        return img
    return mapped(img, lambda x: _normalized(x, mean, std))


def _normalized(x: Any, mean: Sequence[float], std: Sequence[float]) -> Any:
    centred = x - per_channel("normalize", "mean", mean, x)
    return centred / per_channel("normalize", "std", std, x)
