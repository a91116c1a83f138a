"""Transforms as objects that remember their options, under torchvision's names.

Each calls the function of ``functional`` that its docstring names; call the object on an image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from sensorium.dtypes import as_dtype, float32
from sensorium.errors import DTypeError, ShapeError
from sensorium.tensor import Tensor

from . import functional as F
from ._images import ImageLike
from ._interpolation import InterpolationMode, interpolation_mode
from ._pad import PADDING_MODES
from ._shapes import Size, check_limits, padding_ltrb, sizes


class Transform:
    """The base: ``transform(image)`` is ``transform.forward(image)``.

    A subclass defines forward; its public attributes are what repr shows.
    """

    def forward(self, img: Any) -> Any:
        """The transformed image."""
        raise DTypeError(f"{type(self).__name__}: forward is not defined")

    def __call__(self, img: Any) -> Any:
        return self.forward(img)

    def extra_repr(self) -> str:
        """The options, as they stand in repr."""
        return ", ".join(f"{k}={v}" for k, v in vars(self).items() if not k.startswith("_"))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


class Compose(Transform):
    """One transform after the other.

    >>> Compose([CenterCrop(2), PILToTensor()])(Image.new("L", (4, 4), 9))
    tensor([[[9, 9],
             [9, 9]]], dtype=uint8)
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        if not isinstance(transforms, Sequence) or not all(callable(t) for t in transforms):
            raise DTypeError(f"Compose: want a sequence of callables, got {transforms!r}")
        self.transforms = list(transforms)

    def forward(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = [str(t).replace("\n", "\n    ") for t in self.transforms]
        return "\n      ".join(["Compose(", *lines]) + "\n)"


class Lambda(Transform):
    """Any function of one argument as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise DTypeError(f"Lambda: want a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def forward(self, img: Any) -> Any:
        return self.lambd(img)

    def extra_repr(self) -> str:
        return getattr(self.lambd, "__name__", type(self.lambd).__name__)


class Identity(Transform):
    """The image as it is."""

    def forward(self, img: Any) -> Any:
        return img


# -- geometry ------------------------------------------------------------------------------------
class Resize(Transform):
    """``functional.resize``: size is (height, width), or the new shorter side, or None.

    >>> Resize(256)
    Resize(size=[256], interpolation=InterpolationMode.BILINEAR, antialias=True)
    """

    def __init__(
        self,
        size: Size | None,
        interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        check_limits("Resize", size, max_size)
        self.size = None if size is None else sizes("Resize", size)
        self.interpolation = interpolation_mode(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def forward(self, img: ImageLike) -> ImageLike:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def extra_repr(self) -> str:
        limit = "" if self.max_size is None else f"max_size={self.max_size}, "
        return (
            f"size={self.size}, interpolation={self.interpolation}, {limit}"
            f"antialias={self.antialias}"
        )


class CenterCrop(Transform):
    """``functional.center_crop``: size is (height, width) or a square's side.

    >>> CenterCrop(224)
    CenterCrop(size=(224, 224))
    """

    def __init__(self, size: Size) -> None:
        wanted = sizes("CenterCrop", size)
        self.size = (wanted[0], wanted[-1])

    def forward(self, img: ImageLike) -> ImageLike:
        return F.center_crop(img, self.size)


class Pad(Transform):
    """``functional.pad``."""

    def __init__(
        self,
        padding: Size,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        padding_ltrb(padding)
        if padding_mode not in PADDING_MODES:
            raise DTypeError(f"Pad: mode {padding_mode!r} is not one of {', '.join(PADDING_MODES)}")
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: ImageLike) -> ImageLike:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


# -- kind and type -------------------------------------------------------------------------------
class PILToTensor(Transform):
    """``functional.pil_to_tensor``."""

    def forward(self, img: Image.Image) -> Tensor:
        return F.pil_to_tensor(img)


class ToImage(Transform):
    """``functional.to_image``."""

    def forward(self, img: Any) -> Tensor:
        return F.to_image(img)


class ToTensor(Transform):
    """``functional.to_tensor``."""

    def forward(self, img: Any) -> Tensor:
        return F.to_tensor(img)


class ToPILImage(Transform):
    """``functional.to_pil_image``."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def forward(self, img: Any) -> Image.Image:
        return F.to_pil_image(img, self.mode)


class ToDtype(Transform):
    """``functional.to_dtype``."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        self.dtype, self.scale = as_dtype(dtype), scale

    def forward(self, img: ImageLike) -> ImageLike:
        return F.to_dtype(img, self.dtype, self.scale)


class ConvertImageDtype(Transform):
    """``functional.convert_image_dtype``."""

    def __init__(self, dtype: Any = float32) -> None:
        self.dtype = as_dtype(dtype)

    def forward(self, img: ImageLike) -> ImageLike:
        return F.convert_image_dtype(img, self.dtype)


# -- values --------------------------------------------------------------------------------------
class Normalize(Transform):
    """``functional.normalize``: (img - mean) / std, channel by channel.

    >>> Normalize([0.5], [0.25])
    Normalize(mean=[0.5], std=[0.25], inplace=False)
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        if not np.all(np.asarray(std, dtype=np.float64)):
            raise ShapeError(f"Normalize: std {std!r} has a zero, which would divide by zero")
        self.mean, self.std, self.inplace = list(mean), list(std), inplace

    def forward(self, img: ImageLike) -> ImageLike:
        return F.normalize(img, self.mean, self.std, self.inplace)


class Grayscale(Transform):
    """``functional.rgb_to_grayscale``."""

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ShapeError(f"Grayscale: num_output_channels {num_output_channels} is not 1 or 3")
        self.num_output_channels = num_output_channels

    def forward(self, img: ImageLike) -> ImageLike:
        return F.rgb_to_grayscale(img, self.num_output_channels)
