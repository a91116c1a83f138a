"""What random transforms share: where their numbers come from, and one draw for each image.

Numbers come from ``sensorium``'s default generator, so ``sn.manual_seed`` repeats them, or from the
``generator`` that a transform was given. Deviation from ``torchvision.transforms.v2``: a batch
(..., C, H, W) gets one draw for every image in it, where torchvision draws once for all, so that
augmenting a batch does what augmenting its samples would. The numbers that belong to a seed are
others than PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.generator import Generator, source_of

from ._classes import Transform
from ._images import ImageLike, check_image, is_pil, like, mapped, stacked

Source = np.random.Generator


# -- draws ---------------------------------------------------------------------------------------
def uniform(source: Source, span: tuple[float, float]) -> float:
    """A number between low and high."""
    low, high = span
    return low + (high - low) * float(source.random())


def below(source: Source, end: int) -> int:
    """A whole number in [0, end)."""
    return int(source.integers(0, end))


# -- options -------------------------------------------------------------------------------------
def chance(op: str, p: float) -> float:
    """p as a probability."""
    if not 0 <= p <= 1:
        raise OptionError(f"{op}: p {p} is not within 0 to 1")
    return float(p)


def span(op: str, name: str, value: Any, low: float, high: float) -> tuple[float, float]:
    """value as (least, most), both within low and high."""
    if not isinstance(value, Sequence) or len(value) != 2:
        raise OptionError(f"{op}: {name} wants two numbers, got {value!r}")
    least, most = float(value[0]), float(value[1])
    if not low <= least <= most <= high:
        raise OptionError(f"{op}: {name} {value!r} is not a range within {low} to {high}")
    return least, most


def around(
    op: str, name: str, value: Any, center: float, low: float, high: float
) -> tuple[float, float]:
    """A number d as (center - d, center + d) cut to low, or a range as it is."""
    if isinstance(value, Sequence):
        return span(op, name, value, low, high)
    if not value >= 0:
        raise OptionError(f"{op}: {name} must not be negative, got {value}")
    return span(op, name, (max(center - value, low), center + value), low, high)


def callables(op: str, transforms: Any) -> list[Callable[[Any], Any]]:
    """A non-empty list of callables."""
    fits = isinstance(transforms, Sequence) and len(transforms) > 0
    if not fits or not all(callable(t) for t in transforms):
        raise DTypeError(f"{op}: want at least one callable in a sequence, got {transforms!r}")
    return list(transforms)


# -- the base ------------------------------------------------------------------------------------
class RandomTransform(Transform):
    """``draw`` what to do with one image, then ``apply`` it; None from draw leaves the image alone.

    generator: where numbers come from instead of the default generator. Leave it out in a
    ``DataLoader`` with workers: each would go on with a copy of its own.

    >>> class RandomDim(RandomTransform):
    ...     def draw(self, img, source):
    ...         return uniform(source, (0.5, 1.0))
    ...     def apply(self, img, drawn):
    ...         return img * drawn
    >>> RandomDim()(np.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    def __init__(self, *, generator: Generator | None = None) -> None:
        self._generator = generator

    def draw(self, img: ImageLike, source: Source) -> Any:
        """The random choices for one image."""
        raise DTypeError(f"{type(self).__name__}: draw is not defined")

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        """The image after these choices."""
        raise DTypeError(f"{type(self).__name__}: apply is not defined")

    def forward(self, img: ImageLike) -> ImageLike:
        if is_pil(img):
            return self._one(img)
        check_image(type(self).__name__, img)
        return self._one(img) if img.ndim == 3 else mapped(img, self._each)

    def _one(self, img: ImageLike) -> ImageLike:
        drawn = self.draw(img, source_of(self._generator))
        return img if drawn is None else self.apply(img, drawn)

    def _each(self, batch: Any) -> Any:
        """Every image of (..., C, H, W) on its own."""
        lead, shape = tuple(batch.shape[:-3]), tuple(batch.shape[-3:])
        count = math.prod(lead)
        # An empty batch still has to say which size comes out.
        images = batch.reshape(count, *shape) if count else [like(batch, np.zeros(shape))]
        done = [self._one(image) for image in images]
        if len({tuple(image.shape) for image in done}) > 1:
            raise ShapeError(
                f"{type(self).__name__}: the images of a batch came out in different shapes, "
                f"{tuple(done[0].shape)} first; apply it to single images"
            )
        return stacked(done)[:count].reshape(*lead, *done[0].shape)


class Sometimes(RandomTransform):
    """The base of transforms that happen with probability p, and then leave nothing to chance."""

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        super().__init__(generator=generator)
        self.p = chance(type(self).__name__, p)

    def draw(self, img: ImageLike, source: Source) -> Any:
        return True if source.random() < self.p else None


# -- choosing among transforms -------------------------------------------------------------------
class RandomApply(Sometimes):
    """All transforms, one after the other, with probability p; else none.

    >>> from sensorium.vision.transforms import Identity
    >>> RandomApply([Identity()], p=0.5)(np.ones((1, 1, 1)))
    array([[[1.]]])
    """

    def __init__(
        self,
        transforms: Sequence[Callable[[Any], Any]],
        p: float = 0.5,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(p, generator=generator)
        self.transforms = callables("RandomApply", transforms)

    def apply(self, img: ImageLike, drawn: Any) -> ImageLike:
        for transform in self.transforms:
            img = transform(img)
        return img


class RandomChoice(RandomTransform):
    """One of the transforms; p are their weights, alike unless given."""

    def __init__(
        self,
        transforms: Sequence[Callable[[Any], Any]],
        p: Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.transforms = callables("RandomChoice", transforms)
        weights = [1.0] * len(self.transforms) if p is None else [float(w) for w in p]
        if (
            len(weights) != len(self.transforms)
            or min(weights) < 0
            or not 0 < sum(weights) < math.inf
        ):
            raise OptionError(
                f"RandomChoice: want {len(self.transforms)} weights of at least 0 that are not all 0, "
                f"got {p!r}"
            )
        self.p = [w / sum(weights) for w in weights]

    def draw(self, img: ImageLike, source: Source) -> int:
        at = int(np.searchsorted(np.cumsum(self.p), source.random(), side="right"))
        return min(at, max(i for i, w in enumerate(self.p) if w))  # rounding may leave 1 - 1e-16

    def apply(self, img: ImageLike, drawn: int) -> ImageLike:
        return self.transforms[drawn](img)


class RandomOrder(RandomTransform):
    """All transforms in random order."""

    def __init__(
        self, transforms: Sequence[Callable[[Any], Any]], *, generator: Generator | None = None
    ) -> None:
        super().__init__(generator=generator)
        self.transforms = callables("RandomOrder", transforms)

    def draw(self, img: ImageLike, source: Source) -> list[int]:
        return list(source.permutation(len(self.transforms)))

    def apply(self, img: ImageLike, drawn: list[int]) -> ImageLike:
        for at in drawn:
            img = self.transforms[at](img)
        return img
