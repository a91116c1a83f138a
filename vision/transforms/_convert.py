"""Conversions between Pillow images, arrays and Tensors, and between element types.

Follows torchvision to the value: 8-bit samples divided by 255 become [0, 1] in float32, and a
float in [0, 1] becomes an integer by cutting v * (max + 1 - 0.001). A deviation: 16-bit Pillow
images become uint16, where torchvision's ``to_tensor`` wraps them into int16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from sensorium.dtypes import DType, as_dtype, float32, get_default_dtype, is_floating_point
from sensorium.errors import DTypeError, ShapeError
from sensorium.tensor import Tensor

from ._images import cast, check_image, is_pil, mapped


# -- Pillow and (H, W, C) arrays to Tensors ------------------------------------------------------
def pil_to_tensor(pic: Image.Image) -> Tensor:
    """A Pillow image as a Tensor (C, H, W) of its own element type, values unchanged.

    >>> pil_to_tensor(Image.new("L", (2, 1), 7))
    tensor([[[7, 7]]], dtype=uint8)
    """
    if not is_pil(pic):
        raise DTypeError(f"pil_to_tensor: want a PIL image, got {type(pic).__name__}")
    return _channels_first(np.array(pic))


def _channels_first(pixels: Any) -> Tensor:
    """An array (H, W) or (H, W, C) as a contiguous Tensor (C, H, W)."""
    if pixels.ndim not in (2, 3):
        raise ShapeError(f"to_tensor: want shape (H, W) or (H, W, C), got {pixels.shape}")
    pixels = pixels.astype(as_dtype(pixels.dtype), copy=False)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return Tensor(np.ascontiguousarray(pixels.transpose(2, 0, 1), like=pixels))


def to_image(inpt: Any) -> Tensor:
    """A Pillow image or an array (H, W, C) as a Tensor (C, H, W), values unchanged.

    A Tensor passes, with a channel axis put before two dimensions.
    """
    if isinstance(inpt, Tensor):
        return inpt[None] if inpt.ndim == 2 else inpt
    if is_pil(inpt):
        return pil_to_tensor(inpt)
    return _channels_first(check_image("to_image", inpt, 2))


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or an array (H, W, C) as a Tensor (C, H, W); uint8 becomes float in [0, 1].

    Other element types keep their values. 1-bit images give 0.0 and 1.0.

    >>> to_tensor(np.array([[0, 255]], np.uint8))
    tensor([[[0., 1.]]])
    """
    if isinstance(pic, Tensor):
        raise DTypeError("to_tensor: want a PIL image or an array, got a Tensor")
    if is_pil(pic) and pic.mode == "1":
        pic = pic.convert("L")
    out = to_image(pic)
    if out.dtype != np.uint8:
        return out
    return mapped(out, lambda x: x.astype(get_default_dtype()) / _like_scalar(x, 255))


def _like_scalar(x: Any, value: float) -> Any:
    """value in the default float type, so that the quotient keeps it."""
    return np.asarray(value, dtype=get_default_dtype(), like=x)


# -- Tensors and arrays to Pillow ----------------------------------------------------------------
_MODES = {
    (1, "uint8"): "L",
    (1, "uint16"): "I;16",
    (1, "int16"): "I;16",
    (1, "int32"): "I",
    (1, "float32"): "F",
    (2, "uint8"): "LA",
    (3, "uint8"): "RGB",
    (4, "uint8"): "RGBA",
}

_ALTERNATIVES = {"RGB": ("YCbCr", "HSV"), "RGBA": ("CMYK", "RGBX")}


def to_pil_image(pic: Any, mode: str | None = None) -> Image.Image:
    """A Tensor (C, H, W) or an array (H, W, C), or (H, W) of either, as a Pillow image.

    Floats are taken as [0, 1] and become v * 255, cut, unless mode is "F". mode chooses among
    those with the same layout: "CMYK" or "RGBX" for four channels, "YCbCr" or "HSV" for three.

    >>> to_pil_image(np.zeros((2, 3, 3), np.uint8)).size
    (3, 2)
    """
    pixels = _channels_last(pic)
    if pixels.dtype.kind not in "iu" and mode != "F":
        pixels = (pixels.astype(np.float32) * 255).astype(np.uint8)
    found = _MODES.get((pixels.shape[2], str(pixels.dtype)))
    if found is None:
        raise DTypeError(
            f"to_pil_image: no Pillow mode holds {pixels.shape[2]} channels of {pixels.dtype}"
        )
    if mode not in (None, found, *_ALTERNATIVES.get(found, ())):
        raise DTypeError(f"to_pil_image: {pixels.dtype} pixels are mode {found!r}, not {mode!r}")
    return _as_pillow(pixels, mode or found)


def _channels_last(pic: Any) -> np.ndarray:
    """The pixels as a NumPy array (H, W, C)."""
    check_image("to_pil_image", pic, 2)
    if pic.ndim > 3:
        raise ShapeError(f"to_pil_image: want two or three dimensions, got {tuple(pic.shape)}")
    tensor = isinstance(pic, Tensor)
    pixels = pic.numpy(force=True) if tensor else np.asarray(Tensor(pic).numpy(force=True))
    if pixels.ndim == 2:
        return pixels[:, :, None]
    return pixels.transpose(1, 2, 0) if tensor else pixels


def _as_pillow(pixels: np.ndarray, mode: str) -> Image.Image:
    """Pixels (H, W, C) under a mode of the same layout."""
    pixels = np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if mode in ("YCbCr", "HSV", "CMYK", "RGBX"):
        height, width = pixels.shape[:2]
        return Image.frombytes(mode, (width, height), pixels.tobytes())
    return Image.fromarray(pixels.view(np.uint16) if mode == "I;16" else pixels)


# -- element types -------------------------------------------------------------------------------
def max_value(dtype: DType) -> float:
    """What stands for 1.0 in this type."""
    return 1.0 if is_floating_point(dtype) or dtype.kind == "b" else float(np.iinfo(dtype).max)


def _bits(dtype: DType) -> int:
    """Bits of a non-negative value."""
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max).bit_length()


def to_dtype(inpt: Any, dtype: Any = float32, scale: bool = False) -> Any:
    """The image in another element type; with scale, values keep their meaning between types.

    Integers stand for [0, max], floats for [0, 1]: integer to float divides by max, float to
    integer cuts v * (max + 1 - 0.001), integer to integer shifts bits. Pillow images pass
    unchanged, as in torchvision.

    >>> to_dtype(np.array([[[255, 0]]], np.uint8), "float32", scale=True)
    array([[[1., 0.]]], dtype=float32)
    """
    if is_pil(inpt):
        return inpt
    old, new = as_dtype(check_image("to_dtype", inpt, 1).dtype), as_dtype(dtype)
    if old == new:
        return inpt
    if not scale or (is_floating_point(old) and is_floating_point(new)):
        return mapped(inpt, lambda x: cast(x, new))
    if isinstance(inpt, Tensor):  # one of the types is an integer: no gradient to keep
        return Tensor(_scaled(inpt.array, old, new))
    return _scaled(inpt, old, new)


def _scaled(x: Any, old: DType, new: DType) -> Any:
    """An array from type old to type new, one of them an integer."""
    if is_floating_point(old):
        return _to_integer(x, old, new)
    if is_floating_point(new):
        return x.astype(new) * np.asarray(1.0 / max_value(old), dtype=new, like=x)
    shift = _bits(new) - _bits(old)
    return x.astype(new) << shift if shift >= 0 else (x >> -shift).astype(new)


def _to_integer(x: Any, old: DType, new: DType) -> Any:
    if new.itemsize * 8 > {2: 16, 4: 24, 8: 53}[old.itemsize]:
        raise DTypeError(f"to_dtype: {old} cannot be scaled to {new} without loss")
    factor = np.asarray(max_value(new) + 1.0 - 1e-3, dtype=np.promote_types(old, float32), like=x)
    return (x * factor).astype(new)


def convert_image_dtype(image: Any, dtype: Any = float32) -> Any:
    """``to_dtype`` with scale=True.

    >>> convert_image_dtype(np.array([[[1.0, 0.5]]], np.float32), "uint8")
    array([[[255, 127]]], dtype=uint8)
    """
    return to_dtype(image, dtype, scale=True)
