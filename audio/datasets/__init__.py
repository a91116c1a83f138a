"""Recordings on disk, by number, under torchaudio's names.

    AudioFolder       one folder a class: (waveform, class number)
    SPEECHCOMMANDS    35 spoken words: (waveform, rate, label, speaker, utterance)
    YESNO             eight words a recording: (waveform, rate, labels)
    pad_collate       batches of waveforms of different lengths

Nothing is downloaded or unpacked: each class says where its archive is published and which folder
it wants. Samples go through ``sensorium.data.DataLoader``, workers included; what is listed, and in
which order, depends on the names alone.
"""

from ._padding import pad_collate as pad_collate
from .folder import AUDIO_EXTENSIONS as AUDIO_EXTENSIONS, AudioFolder as AudioFolder
from .speechcommands import SPEECHCOMMANDS as SPEECHCOMMANDS
from .yesno import YESNO as YESNO
