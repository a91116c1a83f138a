"""Texts in files: ``TextFolder``, a folder a class, and ``IMDB``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

from sensorium.data import Dataset
from sensorium.errors import FormatError, OutOfBoundsError

from ._read import MAX_TEXT, File, check_encoding, read_text
from ._splits import Splits, find_root, split_of


class TextFolder(Dataset):
    """root/class/*.txt as (text, number of the class), the classes in alphabetical order.

    Files are read when they are asked for, ``max_bytes`` each at most. ``classes``, ``class_to_idx``,
    ``samples`` (path, number) and ``targets`` are those of ImageFolder. Raises ``FormatError`` for a
    root without classes or texts, ``CorruptError`` for a text that is not in its encoding.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     Path(root, "good").mkdir()
    ...     _ = Path(root, "good", "1.txt").write_text("I like it")
    ...     TextFolder(root)[0]
    ('I like it', 0)
    """

    def __init__(
        self,
        root: File,
        *,
        extensions: Sequence[str] = (".txt",),
        encoding: str = "utf-8",
        transform: Callable[[str], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        max_bytes: int = MAX_TEXT,
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(f"TextFolder: {self.root} is not a folder")
        self.classes = sorted(p.name for p in self.root.iterdir() if p.is_dir())
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        ends = tuple(end.lower() for end in extensions)
        self.samples = [
            (path, number)
            for name, number in self.class_to_idx.items()
            for path in texts_below(self.root / name, ends)
        ]
        if not self.samples:
            raise FormatError(
                f"TextFolder: {self.root} has no folders with files that end in {list(extensions)}"
            )
        self.targets = [number for _, number in self.samples]
        self.encoding, self.max_bytes = check_encoding(encoding), max_bytes
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = pick(self, self.samples, index)
        text: Any = read_text(path, self.encoding, self.max_bytes)
        if self.transform is not None:
            text = self.transform(text)
        return text, target if self.target_transform is None else self.target_transform(target)

    def __repr__(self) -> str:
        return f"TextFolder({len(self)} texts of {len(self.classes)} classes at {self.root})"


def texts_below(folder: Path, ends: tuple[str, ...]) -> list[Path]:
    """The files of a folder and the folders in it that end so, in the order of their names."""
    found = [p for p in folder.rglob("*") if p.name.lower().endswith(ends) and p.is_file()]
    return sorted(found)


def pick(dataset: Dataset, samples: Sequence[Any], index: int) -> Any:
    """Sample index, negative ones from the end."""
    if not -len(samples) <= index < len(samples):
        raise OutOfBoundsError(
            f"{type(dataset).__name__}: index {index} is out of range for {len(samples)} samples"
        )
    return samples[index]


# -- IMDB ----------------------------------------------------------------------------------------
_LABELS = {"neg": 1, "pos": 2}


class IMDBSplit(Dataset):
    """One split of IMDB: (1 for negative or 2 for positive, text of the review)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.samples = [
            (label, path)
            for name, label in _LABELS.items()
            for path in texts_below(folder / name, (".txt",))
        ]
        missing = [name for name, label in _LABELS.items() if label not in dict(self.samples)]
        if missing:
            raise FormatError(f"IMDB: {folder / missing[0]} has no reviews (*.txt)")
        self.targets = [label for label, _ in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[int, str]:
        label, path = pick(self, self.samples, index)
        return label, read_text(path, "utf-8", MAX_TEXT)

    def __repr__(self) -> str:
        return f"IMDB({len(self)} reviews at {self.folder})"


@overload
def IMDB(root: File, split: str) -> IMDBSplit: ...
@overload
def IMDB(root: File, split: tuple[str, ...] = ("train", "test")) -> tuple[IMDBSplit, ...]: ...
def IMDB(root: File, split: Splits = ("train", "test")) -> Any:
    """Film reviews (Maas et al., 2011) as (label, text): label 1 negative, 2 positive.

    One split is a dataset, several are a tuple of them. root holds aclImdb/train/neg/*.txt and so on,
    itself or in a folder IMDB: the archive aclImdb_v1.tar.gz of
    https://ai.stanford.edu/~amaas/data/sentiment, unpacked. The unlabelled reviews are left out.
    """
    base = find_root(root, ("IMDB/aclImdb", "datasets/IMDB/aclImdb", "aclImdb", ""), "train/neg")
    return split_of(split, ("train", "test"), lambda name: IMDBSplit(base / name), "IMDB")
