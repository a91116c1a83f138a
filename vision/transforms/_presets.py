"""The chain of transforms that belongs to a set of weights, as one object.

Follows ``torchvision.transforms._presets``. A deviation: a Pillow image of another mode (palette,
CMYK, 16-bit, with alpha) is first converted to gray or RGB, by the number of means, where
torchvision would fail later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from sensorium.dtypes import float32
from sensorium.errors import DecodeError, FormatError, ShapeError
from sensorium.tensor import Tensor

from .._containers import Damaged
from .._modes import as_mode
from . import functional as F
from ._classes import Transform
from ._images import ImageLike, check_image, is_pil
from ._interpolation import InterpolationMode, interpolation_mode
from ._shapes import Size, sizes

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_KEYS = {"resize", "crop", "interpolation", "mean", "std", "antialias"}
_PILLOW_MODES = {1: "L", 3: "RGB"}


class ImageClassification(Transform):
    """Resize, crop the middle, scale to [0, 1], subtract the mean, divide by the deviation.

    Takes a Pillow image or a Tensor or array (..., C, H, W), uint8 or float; gives float32 Tensors
    (..., C, crop, crop). Sizes are one number or (height, width).

    >>> ImageClassification(crop_size=2, resize_size=4)(Image.new("RGB", (8, 6))).shape
    sensorium.Size([3, 2, 2])
    """

    def __init__(
        self,
        *,
        crop_size: Size,
        resize_size: Size = 256,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.crop_size = sizes("ImageClassification", crop_size, "crop_size")
        self.resize_size = sizes("ImageClassification", resize_size, "resize_size")
        self.mean, self.std = [float(m) for m in mean], [float(s) for s in std]
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias
        if len(self.mean) != len(self.std) or not all(self.std):
            raise ShapeError(
                f"ImageClassification: want as many std as mean and none zero, got {std!r}, {mean!r}"
            )

    @classmethod
    def from_dict(cls, preprocessing: Mapping[str, Any]) -> ImageClassification:
        """The preset that a model card's preprocessing describes.

        Keys: crop (needed), resize, interpolation, mean, std, antialias. FormatError for any other.

        >>> ImageClassification.from_dict({"resize": 232, "crop": 224}).resize_size
        [232]
        """
        if wrong := set(preprocessing) - _KEYS:
            raise FormatError(
                f"preprocessing: unknown keys {sorted(wrong)}, want some of {sorted(_KEYS)}"
            )
        if "crop" not in preprocessing:
            raise FormatError(f"preprocessing: crop is missing from {dict(preprocessing)}")
        given = {k: v for k, v in preprocessing.items() if k not in ("crop", "resize")}
        return cls(
            crop_size=preprocessing["crop"],
            resize_size=preprocessing.get("resize", 256),
            **given,
        )

    def to_dict(self) -> dict[str, Any]:
        """What ``from_dict`` reads."""
        return {
            "resize": self.resize_size,
            "crop": self.crop_size,
            "interpolation": self.interpolation.value,
            "mean": self.mean,
            "std": self.std,
            "antialias": self.antialias,
        }

    def forward(self, img: ImageLike) -> Tensor:
        img = self._readable(img)
        img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        img = F.pil_to_tensor(img) if is_pil(img) else img
        return self._normalized(img if isinstance(img, Tensor) else Tensor(img))

    def _readable(self, img: ImageLike) -> ImageLike:
        """img with as many channels as there are means, or an error before any work."""
        if is_pil(img):
            return self._in_mode(img)
        channels = check_image("ImageClassification", img).shape[-3]
        if len(self.mean) != channels and 1 not in (channels, len(self.mean)):
            raise ShapeError(
                f"ImageClassification: want (..., {len(self.mean)}, H, W), got "
                f"{tuple(img.shape)}; to_image turns (H, W, C) into that"
            )
        return img

    def _in_mode(self, img: Image.Image) -> Image.Image:
        mode = _PILLOW_MODES.get(len(self.mean))
        try:
            return img if mode is None else as_mode(img, mode)
        except Damaged as error:
            raise DecodeError(f"ImageClassification: {error}") from None

    def _normalized(self, img: Tensor) -> Tensor:
        img = F.convert_image_dtype(img, float32)
        return F.normalize(img, self.mean, self.std)

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        lines = [f"{type(self).__name__}(", *(f"    {n}={getattr(self, n)}" for n in names), ")"]
        return "\n".join(lines)
