"""Colour: grayscale, brightness, contrast, saturation, hue, sharpness, gamma, inversion.

The formulas of ``torchvision.transforms.v2.functional``: floats are taken as [0, 1], integers as
[0, max] and results are cut to whole numbers. Pillow images go through ``ImageEnhance``. Deviation:
the alpha of a Pillow image survives a change of hue, where torchvision makes the image opaque.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from sensorium.errors import DTypeError, OptionError, ShapeError

from ._convert import max_value, to_dtype
from ._images import (
    ImageLike,
    cast,
    check_image,
    is_float,
    is_pil,
    join,
    mapped,
    namespace,
    working,
)

_PILLOW_MODES = ("L", "LA", "RGB", "RGBA")


# -- grayscale -----------------------------------------------------------------------------------
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
    check_image("rgb_to_grayscale", img)
    one = img if _colours("rgb_to_grayscale", img) == 1 else mapped(img, _gray)
    return one if num_output_channels == 1 else mapped(one, lambda x: join([x] * 3, -3))


def _colours(op: str, img: Any) -> int:
    """1 or 3 channels of an array or Tensor (..., C, H, W)."""
    channels = int(img.shape[-3])
    if channels not in (1, 3):
        raise ShapeError(f"{op}: want 1 or 3 channels, got {channels} (shape {tuple(img.shape)})")
    return channels


def _luma(x: Any) -> Any:
    """(..., 1, H, W) in floats."""
    red, green, blue = (working(x)[..., c : c + 1, :, :] for c in range(3))
    return red * 0.2989 + green * 0.587 + blue * 0.114


def _gray(x: Any) -> Any:
    return cast(_luma(x), x.dtype)


# -- blending ------------------------------------------------------------------------------------
def _within(y: Any, dtype: Any) -> Any:
    """y clipped to what an image of dtype may hold, and in that type; fractions are cut."""
    return cast(namespace(y).clip(y, 0, max_value(np.dtype(dtype))), dtype)


def _blend(x: Any, other: Any, ratio: float) -> Any:
    """ratio x + (1 - ratio) other, within bounds."""
    return _within(working(x) * ratio + other * (1.0 - ratio), x.dtype)


def _adjusted(
    op: str,
    img: ImageLike,
    factor: float,
    enhance: Callable[[Image.Image], Any],
    work: Callable[[Any], Any],
) -> ImageLike:
    """What the four enhancements share: the checks, and the way for each kind of image."""
    if not factor >= 0:
        raise OptionError(f"{op}: the factor must not be negative, got {factor}")
    if is_pil(img):
        return enhance(_pillow(op, img)).enhance(factor)
    _colours(op, check_image(op, img))
    return mapped(img, work)


def _pillow(op: str, img: Image.Image) -> Image.Image:
    if img.mode not in _PILLOW_MODES:
        raise DTypeError(
            f"{op}: mode {img.mode!r} is not one of {', '.join(_PILLOW_MODES)}; convert it first"
        )
    return img


def adjust_brightness(img: ImageLike, brightness_factor: float) -> ImageLike:
    """brightness_factor x img: 0 is black, 1 the image itself.

    >>> adjust_brightness(np.array([[[100, 200]]], np.uint8), 1.5)
    array([[[150, 255]]], dtype=uint8)
    """
    return _adjusted(
        "adjust_brightness",
        img,
        brightness_factor,
        ImageEnhance.Brightness,
        lambda x: _within(working(x) * float(brightness_factor), x.dtype),
    )


def adjust_contrast(img: ImageLike, contrast_factor: float) -> ImageLike:
    """The image blended with its mean gray value: 0 is all gray, 1 the image itself.

    >>> adjust_contrast(np.array([[[0.0, 1.0]]]), 0.5)
    array([[[0.25, 0.75]]])
    """
    return _adjusted(
        "adjust_contrast",
        img,
        contrast_factor,
        ImageEnhance.Contrast,
        lambda x: _blend(x, _mean_gray(x), float(contrast_factor)),
    )


def _mean_gray(x: Any) -> Any:
    """The mean over (C, H, W) of the gray image, kept as (..., 1, 1, 1)."""
    gray = working(x) if x.shape[-3] == 1 else _floored(_luma(x), x)
    flat = gray.reshape(*gray.shape[:-3], -1)
    return flat.mean(-1).reshape(*gray.shape[:-3], 1, 1, 1)


def _floored(y: Any, x: Any) -> Any:
    """y as whole numbers where x has them."""
    return y if is_float(x) else namespace(y).floor(y)


def adjust_saturation(img: ImageLike, saturation_factor: float) -> ImageLike:
    """The image blended with its gray version: 0 is gray, 1 the image itself.

    >>> adjust_saturation(np.array([[[1.0]], [[0.0]], [[0.0]]]), 0.0).ravel().round(4)
    array([0.2989, 0.2989, 0.2989])
    """
    return _adjusted(
        "adjust_saturation",
        img,
        saturation_factor,
        ImageEnhance.Color,
        lambda x: (
            x if x.shape[-3] == 1 else _blend(x, _floored(_luma(x), x), float(saturation_factor))
        ),
    )


def adjust_sharpness(img: ImageLike, sharpness_factor: float) -> ImageLike:
    """The image blended with a smoothed one: 0 is blurred, 1 the image itself, 2 sharper.

    Smoothed is (3 x 3 pixels with weights 1, in the middle 5) / 13; the border stays as it is.
    """
    return _adjusted(
        "adjust_sharpness",
        img,
        sharpness_factor,
        ImageEnhance.Sharpness,
        lambda x: _sharpened(x, float(sharpness_factor)),
    )


def _sharpened(x: Any, factor: float) -> Any:
    height, width = x.shape[-2:]
    if min(height, width) <= 2:
        return x
    y = working(x)
    across = y[..., :-2] + y[..., 1:-1] + y[..., 2:]  # (..., H, W - 2)
    square = across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :]
    inner = y[..., 1:-1, 1:-1]
    smooth = (square + inner * 4.0) * (1.0 / 13.0)
    smooth = smooth if is_float(x) else smooth.round()
    middle = inner * factor + smooth * (1.0 - factor)
    rows = join([y[..., 1:-1, :1], middle, y[..., 1:-1, -1:]], -1)
    return _within(join([y[..., :1, :], rows, y[..., -1:, :]], -2), x.dtype)


# -- hue -----------------------------------------------------------------------------------------
def adjust_hue(img: ImageLike, hue_factor: float) -> ImageLike:
    """Hues turned by hue_factor of the colour circle, in [-0.5, 0.5]; gray images pass.

    Integers go through floats in [0, 1]; Pillow images through its 8-bit HSV, so that they turn
    by int(255 hue_factor) of 256 steps.

    >>> adjust_hue(np.array([[[1.0]], [[0.0]], [[0.0]]]), 1 / 3).ravel().round(6)  # red to green
    array([0., 1., 0.])
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise OptionError(f"adjust_hue: hue_factor {hue_factor} is not within -0.5 to 0.5")
    if is_pil(img):
        return _turned_pillow(img, hue_factor)
    check_image("adjust_hue", img)
    if _colours("adjust_hue", img) == 1:
        return img
    return mapped(img, lambda x: _turned(x, float(hue_factor)))


def _turned_pillow(img: Image.Image, hue_factor: float) -> Image.Image:
    if img.mode in ("L", "LA", "1", "I", "F"):
        return img
    hue, saturation, value = _pillow("adjust_hue", img).convert("HSV").split()
    steps = int(hue_factor * 255) % 256
    hue = hue.point([(step + steps) % 256 for step in range(256)])
    out = Image.merge("HSV", (hue, saturation, value)).convert(img.mode)
    if img.mode == "RGBA":
        out.putalpha(img.getchannel("A"))
    return out


def _turned(x: Any, hue_factor: float) -> Any:
    hue, saturation, value = _rgb_to_hsv(to_dtype(x, np.float32, True) if not is_float(x) else x)
    turned = hue + hue_factor
    return to_dtype(
        _hsv_to_rgb(turned - namespace(x).floor(turned), saturation, value), x.dtype, True
    )


def _rgb_to_hsv(x: Any) -> tuple[Any, Any, Any]:
    """Hue, saturation and value, each (..., 1, H, W) in [0, 1]; hue is 0 for gray.

    With V the largest channel and D = V - smallest: S = D / V, and H is (G - B) / 6D where red is
    the largest, 1/3 + (B - R) / 6D where green is, 2/3 + (R - G) / 6D else, modulo 1 (Smith, "Color
    gamut transform pairs", 1978; Python's ``colorsys`` is the same).
    """
    xp = namespace(x)
    red, green, blue = (x[..., c : c + 1, :, :] for c in range(3))
    value = xp.maximum(xp.maximum(red, green), blue)
    spread = value - xp.minimum(xp.minimum(red, green), blue)
    gray = spread == 0
    divisor = xp.where(gray, spread + 1, spread)
    saturation = spread / xp.where(gray, value - value + 1, value)
    sixth = xp.where(
        value == red,
        (green - blue) / divisor,
        xp.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    hue = sixth * (1.0 / 6.0)
    return hue - xp.floor(hue), saturation, value


def _hsv_to_rgb(hue: Any, saturation: Any, value: Any) -> Any:
    """V - V S max(0, min(k, 4 - k, 1)) with k = (n + 6 H) mod 6 and n = 5, 3, 1 for R, G, B."""
    xp, chroma = namespace(hue), value * saturation
    channels = []
    for n in (5, 3, 1):
        k = hue * 6 + n
        k = k - xp.floor(k * (1.0 / 6.0)) * 6
        channels.append(value - chroma * xp.clip(xp.minimum(k, 4 - k), 0, 1))
    return xp.clip(join(channels, -3), 0, 1)


# -- curves --------------------------------------------------------------------------------------
def adjust_gamma(img: ImageLike, gamma: float, gain: float = 1) -> ImageLike:
    """gain x img ^ gamma on [0, 1]: gamma above 1 darkens the shadows.

    >>> adjust_gamma(np.array([[[0.25, 1.0]]]), 0.5)
    array([[[0.5, 1. ]]])
    """
    if gamma < 0:
        raise OptionError(f"adjust_gamma: gamma must not be negative, got {gamma}")
    if is_pil(img):
        return _curved_pillow(_pillow("adjust_gamma", img), gamma, gain)
    check_image("adjust_gamma", img)
    return mapped(img, lambda x: _curved(x, gamma, gain))


def _curved_pillow(img: Image.Image, gamma: float, gain: float) -> Image.Image:
    curve = [min(255, int((256 - 1e-3) * gain * (level / 255.0) ** gamma)) for level in range(256)]
    flat = list(range(256))  # alpha is no light
    bands = [band.point(flat if name == "A" else curve) for name, band in _bands(img)]
    return Image.merge(img.mode, bands)


def _bands(img: Image.Image) -> list[tuple[str, Image.Image]]:
    return list(zip(img.getbands(), img.split()))


def _curved(x: Any, gamma: float, gain: float) -> Any:
    y = x if is_float(x) else to_dtype(x, np.float32, True)
    curved = namespace(y).clip((y ** float(gamma)) * float(gain), 0, 1)
    return to_dtype(curved, x.dtype, True)


def invert(img: ImageLike) -> ImageLike:
    """max - img: the negative.

    >>> invert(np.array([[[0, 255]]], np.uint8))
    array([[[255,   0]]], dtype=uint8)
    """
    if is_pil(img):
        bands = _bands(_pillow("invert", img))
        return Image.merge(
            img.mode,
            [b if name == "A" else b.point(range(255, -1, -1)) for name, b in bands],
        )
    check_image("invert", img)
    return mapped(img, _negative)


def _negative(x: Any) -> Any:
    if is_float(x):
        return 1 - x
    return ~x if x.dtype == np.bool_ else int(max_value(np.dtype(x.dtype))) - x
