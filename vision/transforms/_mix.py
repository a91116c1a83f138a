"""Two images in one: MixUp and CutMix, on a batch and its labels.

Names, defaults and formulas of ``torchvision.transforms.v2``: one share for the whole batch, every
image paired with the one before it. Call them on a batch in the training loop, or at the end of a
``collate_fn``. Deviation: the labels stand as a second argument, not anywhere in a structure.
"""

from __future__ import annotations

import math

import numpy as np

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from sensorium.generator import Generator, source_of
from sensorium.tensor import Tensor

from ._images import check_image, is_float
from ._random import Source, below


class _Mix:
    """What both share: the options, the share drawn, and the labels."""

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        name = type(self).__name__
        if not 0 < alpha < math.inf:
            raise OptionError(f"{name}: alpha wants a positive number, got {alpha}")
        if num_classes is not None and num_classes < 1:
            raise OptionError(f"{name}: num_classes wants a positive number, got {num_classes}")
        self.alpha, self.num_classes, self._generator = float(alpha), num_classes, generator

    def mixed(self, images: Tensor, share: float, source: Source) -> tuple[Tensor, float]:
        """The images, and the share that the first of each pair kept."""
        raise DTypeError(f"{type(self).__name__}: mixed is not defined")

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward(images, labels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(images (N, C, H, W), label shares (N, K)) from labels (N) or (N, K)."""
        name = type(self).__name__
        if not isinstance(images, Tensor) or not isinstance(labels, Tensor):
            raise DTypeError(f"{name}: want two Tensors, images and labels")
        check_image(name, images, 3)
        if images.ndim != 4 or labels.ndim not in (1, 2) or len(images) != len(labels):
            raise ShapeError(
                f"{name}: want images (N, C, H, W) and labels (N) or (N, K), got "
                f"{tuple(images.shape)} and {tuple(labels.shape)}"
            )
        source = source_of(self._generator)
        images, kept = self.mixed(images, float(source.beta(self.alpha, self.alpha)), source)
        one_hot = self._one_hot(labels, images)
        return images, one_hot * kept + one_hot.roll(1, 0) * (1.0 - kept)

    def _one_hot(self, labels: Tensor, images: Tensor) -> Tensor:
        """Class numbers as rows of 0 and 1, in the images' float type; shares pass."""
        name = type(self).__name__
        if labels.ndim == 2:
            if self.num_classes not in (None, labels.shape[1]):
                raise ShapeError(
                    f"{name}: num_classes is {self.num_classes} but labels have {labels.shape[1]} "
                    f"columns {tuple(labels.shape)}"
                )
            return labels if is_float(labels) else labels.to(sn.float32)
        if self.num_classes is None:
            raise OptionError(f"{name}: labels that are class numbers want num_classes")
        numbers = labels.numpy(force=True)
        wrong = numbers[(numbers < 0) | (numbers >= self.num_classes)]
        if len(wrong):
            raise OutOfBoundsError(
                f"{name}: label {int(wrong[0])} is not within 0 to {self.num_classes - 1}"
            )
        rows = np.eye(self.num_classes, dtype=np.float32)[numbers]
        return Tensor(rows).to(images.device).to(images.dtype if is_float(images) else sn.float32)


class MixUp(_Mix):
    """lam x + (1 - lam) x', the labels alike; lam is drawn from Beta(alpha, alpha) (Zhang et al.,
    2018).

    >>> images, labels = MixUp(num_classes=3)(sn.rand(2, 3, 4, 4), sn.tensor([0, 2]))
    >>> images.shape, labels.shape
    (sensorium.Size([2, 3, 4, 4]), sensorium.Size([2, 3]))
    """

    def mixed(self, images: Tensor, share: float, source: Source) -> tuple[Tensor, float]:
        if not is_float(images):
            raise DTypeError(f"MixUp: want float images, got {images.dtype}; ToDtype first")
        return images * share + images.roll(1, 0) * (1.0 - share), share


class CutMix(_Mix):
    """A box of x' with the share 1 - lam of the area is put into x; labels by the area that it got
    (Yun et al., 2019).

    The box's middle lies anywhere; what reaches over the border is cut off.
    """

    def mixed(self, images: Tensor, share: float, source: Source) -> tuple[Tensor, float]:
        height, width = images.shape[-2:]
        x, y = below(source, width), below(source, height)
        half = 0.5 * math.sqrt(1.0 - share)
        across, down = int(half * width), int(half * height)
        left, right = max(x - across, 0), min(x + across, width)
        top, bottom = max(y - down, 0), min(y + down, height)
        out = images.clone()
        if bottom > top and right > left:
            out[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return out, 1.0 - (bottom - top) * (right - left) / (width * height)
