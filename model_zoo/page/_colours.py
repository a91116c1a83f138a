"""Numbers to colours, and pictures to addresses that a page can carry in itself."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

# Nine points of a scale from night to sunlight: even steps of lightness, safe for the colour-blind.
_SCALE = np.array(
    [
        (11, 8, 38), (43, 18, 92), (86, 22, 120), (131, 30, 119), (176, 43, 102),
        (216, 66, 76), (242, 107, 47), (252, 164, 40), (252, 236, 142),
    ],
    np.float32,
)  # fmt: skip


def colours(values: Any) -> np.ndarray:
    """RGB uint8 (..., 3) of values (...) in [0, 1]; what lies outside is drawn at the ends.

    >>> colours([0.0, 1.0]).tolist()
    [[11, 8, 38], [252, 236, 142]]
    """
    place = np.clip(np.asarray(values, np.float32), 0, 1) * (len(_SCALE) - 1)
    low = np.minimum(place.astype(int), len(_SCALE) - 2)
    part = (place - low)[..., None]
    mixed = _SCALE[low] * (1 - part) + _SCALE[low + 1] * part
    return np.rint(mixed).astype(np.uint8)


def css(value: float) -> str:
    """The colour of one value as CSS writes it.

    >>> css(0.0)
    '#0b0826'
    """
    return "#{:02x}{:02x}{:02x}".format(*colours(value))


def ink(value: float) -> str:
    """A colour for text on ``css(value)`` that can be read."""
    return "#16121f" if value > 0.62 else "#fff7ec"


def photograph(image: Image.Image, longest: int = 900) -> str:
    """A data address of the image as JPEG, its longer side at most ``longest`` pixels."""
    small = image.convert("RGB")
    small.thumbnail((longest, longest))
    return _address(small, "JPEG", quality=86)


def picture(values: Any) -> str:
    """A data address of an array (H, W) of numbers as a picture: the least dark, the largest light."""
    grid = np.asarray(values, np.float32)
    low, high = float(grid.min()), float(grid.max())
    return _address(Image.fromarray(colours((grid - low) / max(high - low, 1e-12))), "PNG")


def _address(image: Image.Image, kind: str, quality: int | None = None) -> str:
    out = io.BytesIO()
    image.save(out, kind, optimize=True, **({} if quality is None else {"quality": quality}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"
