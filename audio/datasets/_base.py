"""What the audio datasets share: folders that must exist, sorted files, indices, one sample rate."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sensorium.data import Dataset
from sensorium.errors import CorruptError, OutOfBoundsError
from sensorium.tensor import Tensor

from ..io import load

StrPath = str | os.PathLike[str]
Transform = Callable[[Any], Any]


class AudioDataset(Dataset):
    """A dataset below a folder; what is found there is listed once, in an order of its own."""

    def __init__(self, root: StrPath) -> None:
        self.root = Path(root).expanduser()

    def __len__(self) -> int:
        return len(self._items())

    def _items(self) -> Sequence[Any]:
        return self.samples  # type: ignore[attr-defined]

    def _at(self, index: int) -> Any:
        """Item index, or an error that names the dataset and its length."""
        items = self._items()
        if not -len(items) <= index < len(items):
            raise OutOfBoundsError(
                f"{type(self).__name__}: index {index} is out of range for {len(items)} samples"
            )
        return items[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples in {str(self.root)!r})"


def existing(folder: Path, what: str, where: str) -> Path:
    """folder, if it is one; FileNotFoundError says what belongs there and where it is published."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: there is no such folder; {what} is expected there, unpacked from {where}"
        )
    return folder


def load_at_rate(path: StrPath, rate: int) -> Tensor:
    """The waveform of a dataset whose recordings all have one rate; CorruptError for another."""
    waveform, found = load(path)
    if found != rate:
        raise CorruptError(f"{path}: {found} samples a second, but the dataset has {rate}")
    return waveform
