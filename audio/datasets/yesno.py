"""YesNo: 60 recordings of a man saying eight times yes or no in Hebrew, 8 kHz (OpenSLR 1).

    root/waves_yesno/0_0_1_0_1_0_1_1.wav

Names, layout and tuples of ``torchaudio.datasets.YESNO``. Left out: downloading.
"""

from __future__ import annotations

import re

from sensorium.errors import CorruptError
from sensorium.tensor import Tensor

from ._base import AudioDataset, StrPath, existing, load_at_rate

SAMPLE_RATE = 8_000
_ARCHIVE = "http://www.openslr.org/resources/1/waves_yesno.tar.gz"


class YESNO(AudioDataset):
    """(waveform (1, T), sample rate, [0 or 1 for each word]) of each recording; 1 is yes.

    FileNotFoundError where root/waves_yesno is missing, CorruptError for a WAV file there whose
    name is not made of zeros and ones, DecodeError for a damaged one when it is taken.
    """

    def __init__(self, root: StrPath, *, folder_in_archive: str = "waves_yesno") -> None:
        super().__init__(root)
        self.folder = existing(self.root / folder_in_archive, "YesNo", _ARCHIVE)
        self.samples = sorted(path.stem for path in self.folder.glob("*.wav"))
        for stem in self.samples:
            if not re.fullmatch(r"[01](_[01])*", stem):
                raise CorruptError(f"{self.folder}: {stem}.wav is not named like 0_1_1_0.wav")

    def __getitem__(self, n: int) -> tuple[Tensor, int, list[int]]:
        stem = self._at(n)
        waveform = load_at_rate(self.folder / f"{stem}.wav", SAMPLE_RATE)
        return waveform, SAMPLE_RATE, [int(word) for word in stem.split("_")]
