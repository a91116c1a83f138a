"""Speech Commands: one-second recordings of 35 words at 16 kHz (P. Warden, arXiv:1804.03209).

    root/SpeechCommands/speech_commands_v0.02/validation_list.txt   testing_list.txt
    root/SpeechCommands/speech_commands_v0.02/yes/004ae714_nohash_0.wav

Names, layout and tuples of ``torchaudio.datasets.SPEECHCOMMANDS``. Left out: downloading and
unpacking its 2.4 GB. The archive of v0.02 is published with the sha256
af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from sensorium.errors import CorruptError, OptionError
from sensorium.tensor import Tensor

from ._base import AudioDataset, StrPath, existing, load_at_rate

SAMPLE_RATE = 16_000
_ARCHIVE = "http://download.tensorflow.org/data/{}.tar.gz"
_BACKGROUND = "_background_noise_"
# The lists and file names are data: a label, a speaker, a number, and no way out of the folder.
_NAME = re.compile(r"([A-Za-z0-9_-]+)/([A-Za-z0-9]+)_nohash_([0-9]{1,6})\.wav")

Metadata = tuple[str, int, str, str, int]


class SPEECHCOMMANDS(AudioDataset):
    """(waveform (1, T), sample rate, label, speaker id, utterance number) of each recording.

    subset is "training", "validation", "testing" as the dataset's lists part it, or None for all;
    recordings of background noise are no utterances and do not count. Waveforms have up to 16 000
    samples; about a tenth have fewer (``pad_collate`` makes batches of them). url is the
    release's name, or its address, of which the last part counts. labels are the words found.

    FileNotFoundError where the folder or a list is missing, CorruptError for a list that names
    anything but recordings, DecodeError for a damaged recording when it is taken.
    """

    def __init__(
        self,
        root: StrPath,
        url: str = "speech_commands_v0.02",
        folder_in_archive: str = "SpeechCommands",
        *,
        subset: Literal["training", "validation", "testing"] | None = None,
    ) -> None:
        super().__init__(root)
        if subset not in (None, "training", "validation", "testing"):
            raise OptionError(
                "SPEECHCOMMANDS: subset must be 'training', 'validation', 'testing' or None, "
                f"got {subset!r}"
            )
        release = url.rsplit("/", 1)[-1].removesuffix(".tar.gz")
        folder = self.root / folder_in_archive / release
        self.folder = existing(folder, "Speech Commands", _ARCHIVE.format(release))
        self.subset = subset
        self.samples = self._find()
        self.labels = sorted({label for _, _, label, _, _ in self.samples})

    def _find(self) -> list[Metadata]:
        if self.subset in ("validation", "testing"):
            return [metadata(name) for name in self._listed(self.subset)]
        names = sorted(
            f"{path.parent.name}/{path.name}"
            for path in self.folder.glob("*/*_nohash_*.wav")
            if path.parent.name != _BACKGROUND
        )
        if self.subset == "training":
            others = {*self._listed("validation"), *self._listed("testing")}
            names = [name for name in names if name not in others]
        return [metadata(name) for name in names]

    def _listed(self, subset: str) -> list[str]:
        """The names in validation_list.txt or testing_list.txt."""
        path = self.folder / f"{subset}_list.txt"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: the list of recordings for {subset} is missing")
        names = path.read_text("utf-8", "replace").split("\n")
        names = [name.strip() for name in names if name.strip()]
        for name in names:
            if not _NAME.fullmatch(name):
                raise CorruptError(f"{path}: {name!r} is not word/speaker_nohash_number.wav")
        return names

    def get_metadata(self, n: int) -> Metadata:
        """(path below the release's folder, sample rate, label, speaker id, utterance number)."""
        return self._at(n)

    def __getitem__(self, n: int) -> tuple[Tensor, int, str, str, int]:
        name, *rest = self._at(n)
        return load_at_rate(self.folder / name, SAMPLE_RATE), *rest


def metadata(name: str) -> Metadata:
    """What a recording's name says.

    >>> metadata("yes/004ae714_nohash_1.wav")
    ('yes/004ae714_nohash_1.wav', 16000, 'yes', '004ae714', 1)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise CorruptError(f"{name!r} is not word/speaker_nohash_number.wav")
    return str(Path(name)), SAMPLE_RATE, match[1], match[2], int(match[3])
