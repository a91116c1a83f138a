"""The interpolation modes, under torchvision's names and Pillow's numbers."""

from __future__ import annotations

from enum import Enum
from typing import Any

from PIL import Image

from sensorium.errors import DTypeError


class InterpolationMode(Enum):
    """How ``resize`` computes new pixels; the names and values of torchvision's enum."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


PILLOW = {
    InterpolationMode.NEAREST: Image.Resampling.NEAREST,
    InterpolationMode.NEAREST_EXACT: Image.Resampling.NEAREST,
    InterpolationMode.BILINEAR: Image.Resampling.BILINEAR,
    InterpolationMode.BICUBIC: Image.Resampling.BICUBIC,
    InterpolationMode.BOX: Image.Resampling.BOX,
    InterpolationMode.HAMMING: Image.Resampling.HAMMING,
    InterpolationMode.LANCZOS: Image.Resampling.LANCZOS,
}

_BY_NUMBER = {int(number): mode for mode, number in PILLOW.items() if mode.name == number.name}


def interpolation_mode(interpolation: Any) -> InterpolationMode:
    """The mode that a member, its value ("bilinear") or Pillow's number (2) names.

    >>> interpolation_mode("bicubic") is interpolation_mode(3) is InterpolationMode.BICUBIC
    True
    """
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int) and interpolation in _BY_NUMBER:
        return _BY_NUMBER[interpolation]
    for mode in InterpolationMode:
        if mode.value == interpolation:
            return mode
    names = ", ".join(mode.value for mode in InterpolationMode)
    raise DTypeError(f"resize: interpolation {interpolation!r} is not one of {names}")
