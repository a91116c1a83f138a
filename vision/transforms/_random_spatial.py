"""Random crops, flips, rotations, affine maps and erasing, under torchvision's names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.generator import Generator

from . import functional as F
from ._images import ImageLike, image_size, is_float, is_pil
from ._interpolation import InterpolationMode, interpolation_mode
from ._pad import PADDING_MODES
from ._random import RandomTransform, Sometimes, Source, around, below, chance, span, uniform
from ._shapes import Size, padding_ltrb, sizes
from ._spatial import hflip, vflip
from ._warp import Fill, affine, rotate

_TRIES = 10  # torchvision's, before a crop or an erasure falls back
_ANGLES = (-math.inf, math.inf)


# -- crops ---------------------------------------------------------------------------------------
class RandomCrop(RandomTransform):
    """A crop of size (height, width), or a square, anywhere in the image.

    padding is added first (see ``functional.pad``); pad_if_needed then adds what is missing to the
    crop's size, on both sides. Else ShapeError where the image is smaller than the crop.

    >>> RandomCrop(32, padding=4)
    RandomCrop(size=(32, 32), padding=[4, 4, 4, 4], pad_if_needed=False, fill=0, padding_mode=constant)
    """

    def __init__(
        self,
        size: Size,
        padding: Size | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        wanted = sizes("RandomCrop", size)
        self.size = (wanted[0], wanted[-1])
        self.padding = None if padding is None else padding_ltrb(padding)
        if padding_mode not in PADDING_MODES:
            raise DTypeError(
                f"RandomCrop: mode {padding_mode!r} is not one of {', '.join(PADDING_MODES)}"
            )
        self.pad_if_needed, self.fill, self.padding_mode = pad_if_needed, fill, padding_mode

    def _border(self, height: int, width: int) -> list[int]:
        """[left, top, right, bottom] in all."""
        left, top, right, bottom = self.padding or [0, 0, 0, 0]
        down = max(self.size[0] - (height + top + bottom), 0) if self.pad_if_needed else 0
        across = max(self.size[1] - (width + left + right), 0) if self.pad_if_needed else 0
        return [left + across, top + down, right + across, bottom + down]

    def draw(self, img: ImageLike, source: Source) -> Any:
        height, width = image_size(img)
        border = self._border(height, width)
        room = (
            height + border[1] + border[3] - self.size[0],
            width + border[0] + border[2] - self.size[1],
        )
        if min(room) < 0:
            raise ShapeError(
                f"RandomCrop: {height} x {width} pixels with padding {border} are smaller than the "
                f"crop {self.size[0]} x {self.size[1]}"
            )
        return border, below(source, room[0] + 1), below(source, room[1] + 1)

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        border, top, left = drawn
        if any(border):
            img = F.pad(img, border, self.fill, self.padding_mode)
        return F.crop(img, top, left, *self.size)


class RandomResizedCrop(RandomTransform):
    """A crop of random area and shape, resized: the training crop of Inception and ResNet.

    The crop has a share in scale of the area, and width / height in ratio, evenly in its logarithm;
    after ten tries that do not fit, it is the largest one in the middle whose ratio is allowed.

    >>> from PIL import Image
    >>> RandomResizedCrop(224)(F.to_tensor(Image.new("RGB", (320, 240)))).shape
    sensorium.Size([3, 224, 224])
    """

    def __init__(
        self,
        size: Size,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | str | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        wanted = sizes("RandomResizedCrop", size)
        self.size = (wanted[0], wanted[-1])
        self.scale = span("RandomResizedCrop", "scale", scale, 0.0, math.inf)
        self.ratio = positive("RandomResizedCrop", "ratio", ratio)
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    def draw(self, img: ImageLike, source: Source) -> tuple[int, int, int, int]:
        """(top, left, height, width)."""
        height, width = image_size(img)
        for _ in range(_TRIES):
            h, w = _rectangle(source, height * width, self.scale, self.ratio, wide=True)
            if 0 < w <= width and 0 < h <= height:
                return below(source, height - h + 1), below(source, width - w + 1), h, w
        return self._middle(height, width)

    def _middle(self, height: int, width: int) -> tuple[int, int, int, int]:
        least, most = self.ratio
        h, w = height, width
        if width / height < least:
            h = min(max(round(width / least), 1), height)
        elif width / height > most:
            w = min(max(round(height * most), 1), width)
        return (height - h) // 2, (width - w) // 2, h, w

    def apply(self, img: ImageLike, drawn: tuple[int, int, int, int]) -> ImageLike:
        return F.resized_crop(img, *drawn, self.size, self.interpolation, self.antialias)


def positive(op: str, name: str, value: Any) -> tuple[float, float]:
    """A range of numbers above 0: its logarithm is drawn."""
    low, high = span(op, name, value, 0.0, math.inf)
    if low <= 0 or high == math.inf:
        raise OptionError(f"{op}: {name} {value!r} wants numbers above 0")
    return low, high


def _rectangle(
    source: Source,
    area: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    wide: bool,
) -> tuple[int, int]:
    """(height, width) with a share of area; the ratio is width / height if wide, else its inverse."""
    target = area * uniform(source, scale)
    log = uniform(source, (math.log(ratio[0]), math.log(ratio[1])))
    aspect = math.exp(log if wide else -log)
    return round(math.sqrt(target / aspect)), round(math.sqrt(target * aspect))


# -- flips ---------------------------------------------------------------------------------------
class RandomHorizontalFlip(Sometimes):
    """Left becomes right with probability p.

    >>> RandomHorizontalFlip(p=1.0)(np.array([[[1, 2, 3]]]))
    array([[[3, 2, 1]]])
    """

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        return hflip(img)


class RandomVerticalFlip(Sometimes):
    """Top becomes bottom with probability p."""

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        return vflip(img)


# -- rotation and affine maps --------------------------------------------------------------------
class RandomRotation(RandomTransform):
    """A turn by an angle in degrees = (least, most), or (-degrees, degrees); see
    ``functional.rotate``."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | str | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.degrees = around("RandomRotation", "degrees", degrees, 0.0, *_ANGLES)
        self.interpolation = interpolation_mode(interpolation)
        self.expand, self.center, self.fill = expand, center, fill

    def draw(self, img: ImageLike, source: Source) -> float:
        return uniform(source, self.degrees)

    def apply(self, img: ImageLike, drawn: float) -> ImageLike:
        return rotate(img, drawn, self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(RandomTransform):
    """A turn, shift, scaling and shear of random size; see ``functional.affine``.

    degrees as in ``RandomRotation``. translate (a, b): up to a widths and b heights either way.
    scale: a range. shear, degrees: a number or range for x, or the ranges of x and y in one of 4.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | str | int = InterpolationMode.NEAREST,
        fill: Fill = 0,
        center: Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.degrees = around("RandomAffine", "degrees", degrees, 0.0, *_ANGLES)
        self.translate = None if translate is None else _shares(translate)
        self.scale = None if scale is None else positive("RandomAffine", "scale", scale)
        self.shear = None if shear is None else _leans(shear)
        self.interpolation = interpolation_mode(interpolation)
        self.fill, self.center = fill, center

    def draw(self, img: ImageLike, source: Source) -> Any:
        height, width = image_size(img)
        angle = uniform(source, self.degrees)
        reach = [s * n for s, n in zip(self.translate or (0.0, 0.0), (width, height))]
        shift = [round(uniform(source, (-r, r))) if self.translate else 0 for r in reach]
        scale = uniform(source, self.scale) if self.scale else 1.0
        shear = [uniform(source, lean) for lean in self.shear or []]
        return angle, shift, scale, [*shear, 0.0, 0.0][:2]

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        angle, shift, scale, shear = drawn
        return affine(img, angle, shift, scale, shear, self.interpolation, self.fill, self.center)


def _shares(translate: Any) -> tuple[float, float]:
    if len(translate) != 2 or not all(0 <= share <= 1 for share in translate):
        raise OptionError(f"RandomAffine: translate wants two numbers in [0, 1], got {translate!r}")
    return float(translate[0]), float(translate[1])


def _leans(shear: Any) -> list[tuple[float, float]]:
    """The ranges of x and, with four numbers, of y."""
    values = list(shear) if isinstance(shear, Sequence) else shear
    if isinstance(values, list) and len(values) == 4:
        return [span("RandomAffine", "shear", values[k : k + 2], *_ANGLES) for k in (0, 2)]
    return [around("RandomAffine", "shear", values, 0.0, *_ANGLES)]


# -- erasing -------------------------------------------------------------------------------------
class RandomErasing(RandomTransform):
    """With probability p a rectangle is overwritten (Zhong et al., 2017).

    It has a share in scale of the area, and height / width in ratio, evenly in its logarithm;
    after ten tries that do not fit, the image stays. value: a number, one for each channel, or
    "random": normal values for floats, any value of its type for integers (torchvision writes
    normal values cut to whole numbers there, which are nearly all 0). inplace writes into the
    image.

    >>> RandomErasing(p=1.0, scale=(0.5, 0.5), ratio=(1, 1))(np.ones((1, 4, 4))).sum()
    np.float64(7.0)
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0.0,
        inplace: bool = False,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        if isinstance(value, str) and value != "random":
            raise OptionError(f"RandomErasing: value {value!r} is not a number or 'random'")
        self.p = chance("RandomErasing", p)
        self.scale = span("RandomErasing", "scale", scale, 0.0, 1.0)
        self.ratio = positive("RandomErasing", "ratio", ratio)
        self.value, self.inplace = value, inplace

    def draw(self, img: ImageLike, source: Source) -> Any:
        """(top, left, height, width, values)."""
        if source.random() >= self.p:
            return None
        channels, height, width = F.get_dimensions(img)
        for _ in range(_TRIES):
            h, w = _rectangle(source, height * width, self.scale, self.ratio, wide=False)
            if h < height and w < width:
                values = self._values(img, (channels, h, w), source)
                return below(source, height - h + 1), below(source, width - w + 1), h, w, values
        return None

    def _values(self, img: ImageLike, shape: tuple[int, int, int], source: Source) -> Any:
        if self.value != "random":
            numbers = np.asarray(self.value, dtype=np.float64).reshape(-1, 1, 1)
            if len(numbers) not in (1, shape[0]):
                raise ShapeError(
                    f"RandomErasing: value has {len(numbers)} numbers but the image has "
                    f"{shape[0]} channels"
                )
            return numbers
        if not is_pil(img) and is_float(img):
            return source.standard_normal(shape)
        whole = np.iinfo(np.uint8 if is_pil(img) else np.dtype(img.dtype))
        return source.integers(whole.min, whole.max, shape, dtype=whole.dtype, endpoint=True)

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        top, left, height, width, values = drawn
        return F.erase(img, top, left, height, width, values, self.inplace)

    def forward(self, img: ImageLike) -> ImageLike:
        if not self.inplace or is_pil(img) or getattr(img, "ndim", 0) <= 3:
            return super().forward(img)
        for at in np.ndindex(*img.shape[:-3]):
            self._one(img[at])  # a view
        return img
