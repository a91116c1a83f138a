"""Handwritten digits and what was made in their image: MNIST, FashionMNIST, KMNIST.

    root/MNIST/raw/train-images-idx3-ubyte[.gz]   train-labels-idx1-ubyte[.gz]
    root/MNIST/raw/t10k-images-idx3-ubyte[.gz]    t10k-labels-idx1-ubyte[.gz]

Names, layout and attributes of ``torchvision.datasets``; the others lie in folders of their own
names. Left out: downloading. The files are published with MD5 sums only, and this package fetches
nothing that it cannot check; each class says where they are. What is read is checked against
itself: magic numbers, counts, lengths, label range and, in ``.gz`` files, their CRC-32.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from sensorium.errors import CorruptError
from sensorium.tensor import Tensor

from ._base import Transform, VisionDataset, split_name
from ._idx import read_idx
from .folder import at


class MNIST(VisionDataset):
    """LeCun, Cortes and Burges' digits: 60 000 images to train on, 10 000 to test, 28 x 28, 10
    classes.

    data is uint8 (N, H, W), targets int64 (N); a sample is (Pillow image "L", int). FileNotFoundError
    names the file that is missing. Published at http://yann.lecun.com/exdb/mnist/ and
    https://ossci-datasets.s3.amazonaws.com/mnist/.
    """

    classes: ClassVar[list[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        self.data, self.targets = self._load()

    @property
    def raw_folder(self) -> Path:
        """Where the files are."""
        return self.root / type(self).__name__ / "raw"

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Class name -> number."""
        return {name: number for number, name in enumerate(self.classes)}

    def _load(self) -> tuple[Tensor, Tensor]:
        half = "train" if self.train else "t10k"
        images = self._find(f"{half}-images-idx3-ubyte")
        labels = self._find(f"{half}-labels-idx1-ubyte")
        data, targets = read_idx(images, 3), read_idx(labels, 1)
        if len(data) != len(targets):
            raise CorruptError(
                f"{labels}: {len(targets)} labels for the {len(data)} images of {images.name}"
            )
        check_labels(labels, targets, len(self.classes))
        return Tensor(data), Tensor(targets.astype(np.int64))

    def _find(self, name: str) -> Path:
        """The plain file, else the gzipped one."""
        for path in (self.raw_folder / name, self.raw_folder / f"{name}.gz"):
            if path.is_file():
                return path
        raise FileNotFoundError(
            f"{self.raw_folder}: holds neither {name} nor {name}.gz; the docstring of "
            f"{type(self).__name__} says where they are published"
        )

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(at(self, self.data.array, index))
        return self.transformed(image, int(self.targets.array[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return split_name(self.train)


class FashionMNIST(MNIST):
    """Xiao, Rasul and Vollgraf's pieces of clothing (2017), in MNIST's format.

    Published at https://github.com/zalandoresearch/fashion-mnist.
    """

    classes: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """Clanuwat et al.'s cursive hiragana (2018), in MNIST's format.

    Published at https://github.com/rois-codh/kmnist (codh.rois.ac.jp/kmnist).
    """

    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


def check_labels(path: Path, labels: np.ndarray, classes: int) -> None:
    """Every label names a class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise CorruptError(
            f"{path}: label {int(labels[wrong[0]])} of sample {wrong[0]} is not within 0 to "
            f"{classes - 1}"
        )
