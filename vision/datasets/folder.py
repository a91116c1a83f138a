"""Images in folders: one folder a class, the folder's name its label.

    root/cat/1.jpg   root/cat/more/2.png   root/dog/3.jpg

Follows ``torchvision.datasets.folder``; order is that of the sorted names, the same everywhere.
Deviation: ``default_loader`` is ``vision.io.open_image``, which turns photographs upright by their
EXIF note, refuses damaged files by a ``DecodeError`` that names them, and limits their size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from sensorium.data.folders import files_below
from sensorium.errors import OptionError, OutOfBoundsError

from ..io import open_image
from ._base import Transform, VisionDataset

StrPath = str | os.PathLike[str]
Sample = tuple[str, int]

IMG_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
)  # fmt: skip
_NAMED = 20  # classes an error lists


def default_loader(path: StrPath) -> Image.Image:
    """The image file at path, upright and RGB."""
    return open_image(path)


def has_file_allowed_extension(filename: str, extensions: str | Sequence[str]) -> bool:
    """Whether filename ends in one of the extensions, in any case.

    >>> has_file_allowed_extension("a.JPG", (".jpg", ".png"))
    True
    """
    wanted = (extensions,) if isinstance(extensions, str) else extensions
    return filename.lower().endswith(tuple(e.lower() for e in wanted))


def is_image_file(filename: str) -> bool:
    """Whether filename ends in one of ``IMG_EXTENSIONS``."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


# -- finding -------------------------------------------------------------------------------------
def find_classes(directory: StrPath) -> tuple[list[str], dict[str, int]]:
    """(names of the folders in directory, sorted; name -> number).

    FileNotFoundError where there is none.
    """
    path = Path(directory)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: there is no such folder of classes")
    classes = sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"{path}: holds no folders, want one for each class")
    return classes, {name: number for number, name in enumerate(classes)}


def make_dataset(
    directory: StrPath,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | Sequence[str] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[Sample]:
    """[(path, class number), ...] of the files below directory, class by class.

    Either extensions or is_valid_file(path) says which files count. FileNotFoundError for classes
    without any, unless allow_empty.
    """
    if (extensions is None) == (is_valid_file is None):
        raise OptionError("make_dataset: want either extensions or is_valid_file, not both or none")
    root = os.path.expanduser(directory)
    numbers = find_classes(root)[1] if class_to_idx is None else class_to_idx
    if not numbers:
        raise OptionError("make_dataset: class_to_idx names no class")
    counts = is_valid_file or (lambda path: has_file_allowed_extension(path, extensions or ()))
    found = {
        name: [path for path in files_below(os.path.join(root, name)) if counts(path)]
        if os.path.isdir(os.path.join(root, name))
        else []
        for name in sorted(numbers)
    }
    empty = [name for name, paths in found.items() if not paths]
    if empty and not allow_empty:
        raise FileNotFoundError(_nothing(root, empty, extensions))
    return [(path, numbers[name]) for name, paths in found.items() for path in paths]


def _nothing(root: str, empty: list[str], extensions: str | Sequence[str] | None) -> str:
    names = ", ".join(empty[:_NAMED]) + (", ..." if len(empty) > _NAMED else "")
    wanted = (extensions,) if isinstance(extensions, str) else extensions
    hint = f" (extensions {', '.join(wanted)})" if wanted else ""
    return f"{root}: no files that count{hint} in {len(empty)} classes: {names}"


# -- datasets ------------------------------------------------------------------------------------
class DatasetFolder(VisionDataset):
    """Files of any kind below one folder a class: (loader(path), class number).

    classes, class_to_idx, samples [(path, number)] and targets [number] say what was found.
    ``find_classes`` and ``make_dataset`` may be overridden.
    """

    def __init__(
        self,
        root: StrPath,
        loader: Callable[[str], Any],
        extensions: str | Sequence[str] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root, self.class_to_idx, extensions, is_valid_file, allow_empty
        )
        self.loader, self.extensions = loader, extensions
        self.targets = [number for _, number in self.samples]

    @staticmethod
    def make_dataset(
        directory: StrPath,
        class_to_idx: dict[str, int],
        extensions: str | Sequence[str] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[Sample]:
        """``make_dataset``."""
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: StrPath) -> tuple[list[str], dict[str, int]]:
        """``find_classes``."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = at(self, self.samples, index)
        return self.transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images below one folder a class: (Pillow image, class number).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("cat", "dog"):
    ...         Path(root, name).mkdir()
    ...         Image.new("RGB", (4, 4)).save(Path(root, name, "1.png"))
    ...     data = ImageFolder(root)
    >>> data.classes, data.targets
    (['cat', 'dog'], [0, 1])
    """

    def __init__(
        self,
        root: StrPath,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(
            root, loader, extensions, transform, target_transform, is_valid_file, allow_empty
        )
        self.imgs = self.samples


def at(dataset: Any, values: Any, index: int) -> Any:
    """values[index], or an error that names the dataset and its length."""
    n = len(values)
    if not -n <= index < n:
        raise OutOfBoundsError(
            f"{type(dataset).__name__}: index {index} is out of range for {n} samples"
        )
    return values[index]
