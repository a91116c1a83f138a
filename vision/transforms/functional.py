"""Transforms as functions, under the names of ``torchvision.transforms.v2.functional``.

Each takes a Pillow image, or an array or Tensor (..., C, H, W), and gives the same kind back.
Pillow images are resampled by Pillow, the others by ``_resample``; sizes come from ``_shapes``
for all. Arrays are channels-first everywhere except in ``to_tensor``, ``to_image`` and
``to_pil_image``, which read arrays as (H, W, C), as torchvision does. Left out: what is random.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from sensorium.errors import DTypeError, ShapeError

from . import _resample
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
    chosen,
    gathered,
    is_float,
    is_pil,
    join,
    like,
    mapped,
    per_channel,
)
from ._interpolation import PILLOW, InterpolationMode, interpolation_mode
from ._shapes import Size, crop_origin, crop_padding, padding_ltrb, resized, sizes

__all__ = [
    "InterpolationMode",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "get_dimensions",
    "get_num_channels",
    "get_size",
    "normalize",
    "pad",
    "pil_to_tensor",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "to_dtype",
    "to_grayscale",
    "to_image",
    "to_pil_image",
    "to_tensor",
]


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


# -- crop and pad --------------------------------------------------------------------------------
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


PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def pad(
    img: ImageLike,
    padding: Size,
    fill: float | Sequence[float] = 0,
    padding_mode: str = "constant",
) -> ImageLike:
    """Pixels added around the image: padding is one number, [left/right, top/bottom] or
    [left, top, right, bottom].

    constant: fill, a number or one for each channel; edge: the border pixel; reflect: mirrored
    without the border pixel; symmetric: mirrored with it.

    >>> pad(np.array([[[1, 2, 3]]]), [2, 0], padding_mode="reflect")
    array([[[3, 2, 1, 2, 3, 2, 1]]])
    """
    if padding_mode not in PADDING_MODES:
        raise DTypeError(f"pad: mode {padding_mode!r} is not one of {', '.join(PADDING_MODES)}")
    border = padding_ltrb(padding)
    _, height, width = get_dimensions(img)
    _check_border(border, (height, width), padding_mode)
    if is_pil(img):
        return _padded_pil(img, border, fill, padding_mode)
    return mapped(img, lambda x: _padded(x, border, fill, padding_mode))


def _check_border(border: list[int], image: tuple[int, int], mode: str) -> None:
    """Padding that the mode can make from an image of this size."""
    if min(border) < 0:
        raise ShapeError(f"pad: padding {border} is negative; use crop")
    room = {"reflect": 1, "symmetric": 0}.get(mode)
    most = (max(border[1::2]), max(border[0::2]))
    if room is not None and (most[0] > image[0] - room or most[1] > image[1] - room):
        raise ShapeError(
            f"pad: {mode} padding {border} is too wide for {image[0]} x {image[1]} pixels"
        )


def _padded_pil(img: Image.Image, border: list[int], fill: Any, mode: str) -> Image.Image:
    """A Pillow image with a border; a palette stays with its image."""
    if mode == "constant":
        values = fill if isinstance(fill, Sequence) else [fill] * len(img.getbands())
        colour = tuple(values if img.mode == "F" else (int(v) for v in values))
        return ImageOps.expand(img, tuple(border), colour if len(colour) > 1 else colour[0])
    rows, columns = _border_index(img.height, img.width, border, mode)
    pixels = np.asarray(img)[rows[:, None], columns]
    if img.mode == "1":  # the only mode whose samples are packed
        return Image.fromarray(pixels)
    out = Image.frombytes(img.mode, (len(columns), len(rows)), pixels.tobytes())
    if img.mode == "P":
        out.putpalette(img.getpalette() or [], "RGB")
    return out


def _border_index(
    height: int, width: int, border: list[int], mode: str
) -> tuple[np.ndarray, np.ndarray]:
    """Which old row and column each new one copies."""
    left, top, right, bottom = border
    mode = "edge" if mode == "constant" else mode
    return (
        np.pad(np.arange(height), (top, bottom), mode),  # type: ignore[call-overload]
        np.pad(np.arange(width), (left, right), mode),  # type: ignore[call-overload]
    )


def _padded(x: Any, border: list[int], fill: Any, mode: str) -> Any:
    """An array or Tensor (..., H, W) with a border: gathered, then masked where it is constant."""
    height, width = x.shape[-2:]
    y = gathered(x, *_border_index(height, width, border, mode))
    if mode != "constant":
        return y
    left, top, right, bottom = border
    mask = np.pad(np.ones((height, width), bool), ((top, bottom), (left, right)))
    scalar = not isinstance(fill, Sequence)
    return chosen(mask, y, like(y, fill) if scalar else per_channel("pad", "fill", fill, y))


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


def rgb_to_grayscale(img: ImageLike, num_output_channels: int = 1) -> ImageLike:
    """0.2989 R + 0.587 G + 0.114 B (ITU-R BT.601), as one channel or the same three times.

    Pillow images use Pillow's "L", which has the same weights in fixed point. Integers are cut, as
    in torchvision.
    """
    if num_output_channels not in (1, 3):
        raise ShapeError(
            f"rgb_to_grayscale: num_output_channels {num_output_channels} is not 1 or 3"
        )
    if is_pil(img):
        gray = img.convert("L")
        return gray if num_output_channels == 1 else Image.merge("RGB", [gray] * 3)
    channels = check_image("rgb_to_grayscale", img).shape[-3]
    if channels not in (1, 3):
        raise ShapeError(f"rgb_to_grayscale: want 1 or 3 channels, got {channels}")
    one = img if channels == 1 else mapped(img, _luma)
    return one if num_output_channels == 1 else mapped(one, lambda x: join([x] * 3, -3))


def _luma(x: Any) -> Any:
    work = x if is_float(x) else cast(x, np.dtype(np.float32))
    red, green, blue = (work[..., c : c + 1, :, :] for c in range(3))
    return cast(red * 0.2989 + green * 0.587 + blue * 0.114, x.dtype)


to_grayscale = rgb_to_grayscale
