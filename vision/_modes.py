"""Changing what a decoded image's pixels mean, without losing any silently.

Pillow's ``convert`` clips 16-bit samples to 255 and ignores orientation; here 16-bit samples are
scaled, orientation is applied, and modes without a known white are refused. Left out: colour
profiles (ICC), which torchvision ignores too.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from ._containers import Damaged

MODES = ("L", "LA", "RGB", "RGBA")

_ORIENTATION = 0x0112

# EXIF 2.32, table 6: what undoes each stored orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image) -> Image.Transpose | None:
    """What turns the image as its EXIF tag asks; None for nothing, no tag, or a broken one."""
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 -- any plugin, any tag: metadata must not cost the picture
        return None


def as_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image with 8-bit samples in mode L, LA, RGB or RGBA.

    16-bit gray is scaled (v * 255 / 65535, rounded), palettes are looked up, CMYK and YCbCr become
    RGB by Pillow's formulas, and an alpha channel that mode lacks is dropped, not composed, as by
    Pillow's ``convert`` and torchvision. Damaged for 32-bit and float samples: nobody says what is
    white.

    >>> as_mode(Image.new("I;16", (1, 1), 0x8000), "L").getpixel((0, 0))
    128
    """
    if image.mode == mode:
        return image
    image = _eight_bits(image)
    if image.mode in ("P", "PA", "La", "RGBa", "RGBX"):
        has_alpha = image.mode != "P" or "transparency" in image.info
        image = image.convert("RGBA" if has_alpha and image.mode != "RGBX" else "RGB")
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit gray as 8-bit gray; other modes unchanged; Damaged where the range is unknown."""
    sixteen = image.mode.startswith("I;16") or (
        image.mode == "I" and image.format in ("PNG", "PPM")
    )
    if sixteen:
        return Image.fromarray(_scaled(np.asarray(image)))
    if image.mode in ("I", "F"):
        raise Damaged(
            f"its samples are {'32-bit integers' if image.mode == 'I' else 'floats'} of unknown "
            "range; open it with mode=None and scale the values"
        )
    return image


def _scaled(samples: np.ndarray) -> np.ndarray:
    """Samples of 0...65535 as the nearest of 0...255."""
    return ((samples.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def as_stored(image: Image.Image) -> Image.Image:
    """The image without palette, CMYK or bit packing, otherwise as the file stores it.

    1-bit becomes L, a palette RGB (RGBA where it is transparent), CMYK and YCbCr RGB; 16-bit gray
    keeps its 16 bits.
    """
    if image.mode in MODES or image.mode.startswith("I;16"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        return Image.fromarray(np.asarray(image).astype(np.uint16))
    alpha = image.mode in ("PA", "La", "RGBa") or "transparency" in image.info
    return as_mode(image, "RGBA" if alpha else "RGB")
