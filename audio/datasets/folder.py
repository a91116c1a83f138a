"""Recordings in folders: one folder a class, the folder's name its label.

    root/yes/1.wav   root/yes/more/2.flac   root/no/3.wav

The audio counterpart of torchvision's ``ImageFolder``; order is that of the sorted names, the same
everywhere. All waveforms have one sample rate: the one asked for, else that of the first file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from sensorium.data.folders import files_below
from sensorium.errors import DecodeError
from sensorium.tensor import Tensor

from ..io import info, load
from ._base import AudioDataset, StrPath, Transform, existing

AUDIO_EXTENSIONS = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64",
)  # fmt: skip
_NAMED = 20  # classes an error lists


class AudioFolder(AudioDataset):
    """Recordings below one folder a class: (waveform (C, T), class number).

    classes, class_to_idx, samples [(path, number)] and targets [number] say what was found;
    sample_rate is the rate of every waveform. Files are resampled to sample_rate if it is given;
    else all must have the first file's rate. mono averages their channels. A loader(path) of one's
    own replaces all that, and sample_rate is then None unless given.

    FileNotFoundError for a missing root and for classes without files of these extensions;
    DecodeError, when the sample is taken, names the file that is damaged or has another rate.

    >>> import tempfile
    >>> from sensorium.audio.io import save
    >>> from sensorium.create import zeros
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("yes", "no"):
    ...         os.mkdir(f"{root}/{name}")
    ...         save(f"{root}/{name}/1.wav", zeros(1, 80), 8000)
    ...     data = AudioFolder(root)
    ...     waveform, target = data[1]
    >>> data.classes, data.sample_rate, tuple(waveform.shape), target
    (['no', 'yes'], 8000, (1, 80), 1)
    """

    def __init__(
        self,
        root: StrPath,
        loader: Callable[[str], Any] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        extensions: str | Sequence[str] = AUDIO_EXTENSIONS,
        *,
        sample_rate: int | None = None,
        mono: bool = False,
    ) -> None:
        super().__init__(root)
        existing(self.root, "one folder of recordings a class", "a dataset of one's own")
        self.loader, self.extensions, self.mono = loader, extensions, mono
        self.transform, self.target_transform = transform, target_transform
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self._find_samples()
        self.targets = [number for _, number in self.samples]
        self._resample = sample_rate is not None
        self.sample_rate = sample_rate
        if sample_rate is None and loader is None:
            self.sample_rate = info(self.samples[0][0]).sample_rate

    def find_classes(self, directory: StrPath) -> tuple[list[str], dict[str, int]]:
        """(names of the folders in directory, sorted; name -> number); hidden ones do not count."""
        names = sorted(
            entry.name
            for entry in os.scandir(directory)
            if entry.is_dir() and not entry.name.startswith(".")
        )
        if not names:
            raise FileNotFoundError(f"{directory}: holds no folders, want one for each class")
        return names, {name: number for number, name in enumerate(names)}

    def _find_samples(self) -> list[tuple[str, int]]:
        wanted = (self.extensions,) if isinstance(self.extensions, str) else tuple(self.extensions)
        endings = tuple(ending.lower() for ending in wanted)
        found = {
            name: [
                path
                for path in files_below(os.path.join(self.root, name))
                if path.lower().endswith(endings)
            ]
            for name in self.classes
        }
        empty = [name for name, paths in found.items() if not paths]
        if empty:
            names = ", ".join(empty[:_NAMED]) + (", ..." if len(empty) > _NAMED else "")
            raise FileNotFoundError(
                f"{self.root}: no recordings ({', '.join(wanted)}) in {len(empty)} classes: {names}"
            )
        return [(path, self.class_to_idx[name]) for name, paths in found.items() for path in paths]

    def _load(self, path: str) -> Tensor:
        wanted = self.sample_rate if self._resample else None
        waveform, rate = load(path, sample_rate=wanted, mono=self.mono)
        if rate != self.sample_rate:
            raise DecodeError(
                f"{path}: {rate} samples a second, but {self.samples[0][0]} has {self.sample_rate}; "
                "AudioFolder(..., sample_rate=...) resamples"
            )
        return waveform

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self._at(index)
        sample = self._load(path) if self.loader is None else self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)
