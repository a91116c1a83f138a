"""Random colour and blur, under torchvision's names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.errors import OptionError
from sensorium.generator import Generator

from . import functional as F
from ._images import ImageLike
from ._random import RandomTransform, Sometimes, Source, around, span, uniform
from ._spatial import blur_options

_ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


class ColorJitter(RandomTransform):
    """Brightness, contrast, saturation and hue changed by random factors, in random order.

    brightness, contrast, saturation: a number d for factors in [max(0, 1 - d), 1 + d], or the
    range. hue: d for [-d, d], or the range, within -0.5 to 0.5. None and 0 leave a property alone.

    >>> ColorJitter(brightness=0.2, hue=0.1)
    ColorJitter(brightness=(0.8, 1.2), contrast=None, saturation=None, hue=(-0.1, 0.1))
    """

    def __init__(
        self,
        brightness: float | Sequence[float] | None = None,
        contrast: float | Sequence[float] | None = None,
        saturation: float | Sequence[float] | None = None,
        hue: float | Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.brightness = _factors("brightness", brightness, 1.0, 0.0, math.inf)
        self.contrast = _factors("contrast", contrast, 1.0, 0.0, math.inf)
        self.saturation = _factors("saturation", saturation, 1.0, 0.0, math.inf)
        self.hue = _factors("hue", hue, 0.0, -0.5, 0.5)

    def draw(self, img: ImageLike, source: Source) -> list[tuple[int, float]]:
        """(which adjustment, its factor), in order."""
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        order = source.permutation(4).tolist()
        factors = [None if r is None else uniform(source, r) for r in ranges]
        return [(which, f) for which in order if (f := factors[which]) is not None]

    def apply(self, img: ImageLike, drawn: list[tuple[int, float]]) -> ImageLike:
        for which, factor in drawn:
            img = _ADJUST[which](img, factor)
        return img


def _factors(
    name: str, value: Any, center: float, low: float, high: float
) -> tuple[float, float] | None:
    """The range, or None where it would change nothing."""
    if value is None:
        return None
    if not isinstance(value, Sequence) and name == "hue" and value > high:
        raise OptionError(f"ColorJitter: hue {value} is not within {low} to {high}")
    found = around("ColorJitter", name, value, center, low, high)
    return None if found == (center, center) else found


class RandomGrayscale(Sometimes):
    """Gray with probability p; the number of channels stays.

    >>> RandomGrayscale(p=1.0)(np.array([[[200]], [[100]], [[0]]], np.uint8)).ravel()
    array([118, 118, 118], dtype=uint8)
    """

    def __init__(self, p: float = 0.1, *, generator: Generator | None = None) -> None:
        super().__init__(p, generator=generator)

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        return F.rgb_to_grayscale(img, F.get_num_channels(img))


class RandomInvert(Sometimes):
    """The negative with probability p."""

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        return F.invert(img)


class RandomAdjustSharpness(Sometimes):
    """``functional.adjust_sharpness`` with probability p."""

    def __init__(
        self, sharpness_factor: float, p: float = 0.5, *, generator: Generator | None = None
    ) -> None:
        super().__init__(p, generator=generator)
        self.sharpness_factor = sharpness_factor

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        return F.adjust_sharpness(img, self.sharpness_factor)


class GaussianBlur(RandomTransform):
    """``functional.gaussian_blur`` with sigma drawn from a range, or fixed by one number."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        sigma: float | Sequence[float] = (0.1, 2.0),
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.kernel_size = tuple(blur_options("GaussianBlur", kernel_size, None)[0])
        wanted = sigma if isinstance(sigma, Sequence) else (sigma, sigma)
        self.sigma = span("GaussianBlur", "sigma", wanted, np.nextafter(0, 1), math.inf)

    def draw(self, img: ImageLike, source: Source) -> float:
        return uniform(source, self.sigma)

    def apply(self, img: ImageLike, drawn: float) -> ImageLike:
        return F.gaussian_blur(img, self.kernel_size, drawn)
