"""Pixels around an image: ``pad`` and what it is made of.

Follows torchvision's four modes, for Pillow images, arrays and Tensors alike. One integer index a
row and a column says which old pixel each new one copies, whatever the mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from sensorium.errors import DTypeError, ShapeError

from ._images import ImageLike, chosen, gathered, image_size, is_pil, like, mapped, per_channel
from ._shapes import Size, padding_ltrb

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
    height, width = image_size(img)
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
