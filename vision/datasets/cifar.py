"""CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009).

    root/cifar-10-batches-py/     data_batch_1 ... data_batch_5   test_batch   batches.meta
    root/cifar-10-batches-bin/    the same as .bin                             batches.meta.txt
    root/cifar-100-python/        train   test   meta
    root/cifar-100-binary/        train.bin   test.bin   fine_label_names.txt

Whichever of the two layouts is there is read, the Python one first. Its files are pickles; they
are read as data (``_pickles``), never executed. A record is 3 x 32 x 32 bytes, red, green, blue.
Names and attributes follow ``torchvision.datasets``. Left out: downloading. The archives are
published with MD5 sums only, at https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sensorium.errors import CorruptError, IntegrityError, TruncatedError

from ._base import Transform, VisionDataset, split_name
from ._pickles import read_pickle
from .folder import at
from .mnist import check_labels

_PIXELS = 3 * 32 * 32
_NAMES_LIMIT = 1 << 20  # bytes of a list of names


@dataclass(frozen=True)
class _Layout:
    """A variant as a row: folders, files and keys of both layouts."""

    python: str
    binary: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    names: str  # of the binary layout
    names_key: str  # in meta
    labels_key: str
    label_bytes: int  # of a binary record; the last one is read
    classes: int
    published: tuple[int, int]  # images in a training file and in a test file
    md5: Mapping[str, str]  # of the Python layout, as torchvision has them


_CIFAR10 = _Layout(
    python="cifar-10-batches-py",
    binary="cifar-10-batches-bin",
    train=tuple(f"data_batch_{k}" for k in range(1, 6)),
    test=("test_batch",),
    meta="batches.meta",
    names="batches.meta.txt",
    names_key="label_names",
    labels_key="labels",
    label_bytes=1,
    classes=10,
    published=(10_000, 10_000),
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
)

_CIFAR100 = _Layout(
    python="cifar-100-python",
    binary="cifar-100-binary",
    train=("train",),
    test=("test",),
    meta="meta",
    names="fine_label_names.txt",
    names_key="fine_label_names",
    labels_key="fine_labels",
    label_bytes=2,  # coarse, fine
    classes=100,
    published=(50_000, 10_000),
    md5={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    },
)


class CIFAR10(VisionDataset):
    """60 000 colour images of 32 x 32 pixels in 10 classes, 50 000 to train on.

    data is uint8 (N, H, W, C), targets a list of int; a sample is (Pillow image "RGB", int).

    verify: compare files with their published MD5 sums, as torchvision does, wherever a file of the
    Python layout has as many images as the published one; smaller sets of one's own have no sums.
    It finds damage; it is no protection from forgery. ``IntegrityError`` names the file and both
    sums; ``FormatError`` and its kin whatever contradicts itself; FileNotFoundError what is missing.
    """

    _layout = _CIFAR10

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        *,
        verify: bool = True,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train, self._verify = train, verify
        names = self._layout.train if train else self._layout.test
        folder, binary = self._find(names)
        if binary:
            parts = [self._binary(folder / f"{name}.bin") for name in names]
            self.classes = _names_file(folder / self._layout.names)
        else:
            parts = [self._python(folder / name) for name in names]
            self.classes = self._names_in(folder / self._layout.meta)
        self._check_classes(folder)
        pixels = np.concatenate([images for images, _ in parts])
        self.data = np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        self.targets: list[int] = [label for _, labels in parts for label in labels.tolist()]
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    # -- which files -----------------------------------------------------------------------------
    def _find(self, names: Sequence[str]) -> tuple[Path, bool]:
        """(folder, whether it is the binary layout), with every file there."""
        python, binary = self.root / self._layout.python, self.root / self._layout.binary
        use_binary = not python.is_dir() and binary.is_dir()
        if use_binary:
            files = [binary / f"{name}.bin" for name in names] + [binary / self._layout.names]
        else:
            files = [python / name for name in [*names, self._layout.meta]]
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{type(self).__name__}: missing {', '.join(missing)}; the layouts "
                f"{self._layout.python} and {self._layout.binary} are published at "
                "https://www.cs.toronto.edu/~kriz/cifar.html"
            )
        return (binary if use_binary else python), use_binary

    # -- the Python layout -----------------------------------------------------------------------
    def _python(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """(images (N, 3072), labels (N)) of one batch."""
        batch = read_pickle(path)
        images, labels = batch.get("data"), batch.get(self._layout.labels_key)
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2:
            raise CorruptError(f"{path}: 'data' is not a uint8 array (N, {_PIXELS})")
        if images.shape[1] != _PIXELS:
            raise CorruptError(f"{path}: images of {images.shape[1]} bytes, want {_PIXELS}")
        if type(labels) is not list or any(type(label) is not int for label in labels):
            raise CorruptError(
                f"{path}: {self._layout.labels_key!r} is not a list of whole numbers"
            )
        if len(labels) != len(images):
            raise CorruptError(f"{path}: {len(labels)} labels for {len(images)} images")
        self._check_sum(path, len(images))
        if any(not 0 <= label < self._layout.classes for label in labels):
            check_labels(path, np.array(labels, dtype=object), self._layout.classes)
        return images, np.array(labels, dtype=np.int64)

    def _check_sum(self, path: Path, images: int) -> None:
        if not self._verify or images != self._layout.published[not self.train]:
            return
        found = _md5_of(path)
        if found != self._layout.md5[path.name]:
            raise IntegrityError(
                f"{path}: MD5 {found}, published is {self._layout.md5[path.name]}; "
                "verify=False reads it all the same"
            )

    def _names_in(self, path: Path) -> list[str]:
        names = read_pickle(path).get(self._layout.names_key)
        if type(names) is not list or not all(type(name) is str for name in names):
            raise CorruptError(f"{path}: {self._layout.names_key!r} is not a list of names")
        return names

    # -- the binary layout -----------------------------------------------------------------------
    def _binary(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Records of label bytes, the last of which counts, and one image."""
        data = np.fromfile(path, np.uint8)
        record = self._layout.label_bytes + _PIXELS
        if len(data) == 0 or len(data) % record:
            raise TruncatedError(
                f"{path}: {len(data)} bytes are not a whole number of records of {record}"
            )
        records = data.reshape(-1, record)
        labels = records[:, self._layout.label_bytes - 1].astype(np.int64)
        check_labels(path, labels, self._layout.classes)
        return records[:, self._layout.label_bytes :], labels

    def _check_classes(self, folder: Path) -> None:
        if (
            len(self.classes) != self._layout.classes
            or len(set(self.classes)) != self._layout.classes
        ):
            raise CorruptError(
                f"{folder}: {len(set(self.classes))} different names for {self._layout.classes} classes"
            )

    # -- samples ---------------------------------------------------------------------------------
    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(at(self, self.data, index))
        return self.transformed(image, self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return split_name(self.train)


class CIFAR100(CIFAR10):
    """CIFAR-10's sibling with 100 classes: the "fine" labels are read."""

    _layout = _CIFAR100


def _names_file(path: Path) -> list[str]:
    """One name a line; empty lines do not count."""
    if path.stat().st_size > _NAMES_LIMIT:
        raise CorruptError(f"{path}: {path.stat().st_size} bytes are too many for a list of names")
    try:
        return path.read_bytes().decode().split()
    except UnicodeDecodeError:
        raise CorruptError(f"{path}: the names are not text") from None


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
