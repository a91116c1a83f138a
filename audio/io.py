"""Audio files in and out: ``load``, ``info`` and ``save``, with torchaudio's names.

Read: WAV (RIFX, RF64 and W64 too), AIFF, AU, FLAC, Ogg Vorbis, Ogg Opus and MP3, told apart by
content. Written: the same by the file's name or ``format``. Codecs are libsndfile's, through
soundfile, which is imported at the first use.

A recording is read whole or not at all: one that is shorter than its header says, has a damaged
page, or holds NaN is a ``DecodeError`` that names file and reason, and what decoding would cost is
compared with ``max_seconds`` and ``max_bytes`` before it starts. What no format can tell: a changed
byte among the samples of a WAV, AIFF or AU, which have no checksum, or inside an MP3 frame; and in
a FLAC, damage outside the part that is read.

Left out: streaming, other containers (MP4, Matroska), tags and pictures.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from sensorium.errors import OptionError
from sensorium.tensor import Tensor

from ._containers import FORMATS
from ._decode import Limits, Part, decode, recording
from ._encode import save
from ._layout import MAX_RATE, MIN_RATE
from ._sources import AudioSource, opened

if TYPE_CHECKING:
    from soundfile import SoundFile  # type: ignore[import-untyped]  # has no annotations file

__all__ = ["FORMATS", "MAX_BYTES", "MAX_SECONDS", "AudioMetaData", "info", "load", "save"]

MAX_SECONDS = 6 * 3600.0
"""Sound that is decoded at once unless told otherwise."""

MAX_BYTES = 1 << 30
"""Bytes as float32 that are decoded at once unless told otherwise: 1.7 h of 44.1 kHz stereo."""

_ENCODINGS = {
    "PCM_S8": ("PCM_S", 8),
    "PCM_U8": ("PCM_U", 8),
    "PCM_16": ("PCM_S", 16),
    "PCM_24": ("PCM_S", 24),
    "PCM_32": ("PCM_S", 32),
    "FLOAT": ("PCM_F", 32),
    "DOUBLE": ("PCM_F", 64),
    "ULAW": ("ULAW", 8),
    "ALAW": ("ALAW", 8),
    "VORBIS": ("VORBIS", 0),
    "OPUS": ("OPUS", 0),
    "MPEG_LAYER_III": ("MP3", 0),
}


@dataclasses.dataclass(frozen=True)
class AudioMetaData:
    """What ``info`` tells; the fields of ``torchaudio.AudioMetaData``, and the duration.

    bits_per_sample is 0 for codecs that have none; encoding is PCM_S, PCM_U, PCM_F, FLAC, ULAW,
    ALAW, VORBIS, OPUS, MP3, or libsndfile's own name of a rarer one.
    """

    sample_rate: int
    num_frames: int
    num_channels: int
    bits_per_sample: int
    encoding: str

    @property
    def duration(self) -> float:
        """num_frames / sample_rate, in seconds."""
        return self.num_frames / self.sample_rate


def info(source: AudioSource, *, allow_truncated: bool = False) -> AudioMetaData:
    """Rate, length, channels and encoding of a recording, from its header.

    The samples are not decoded, but the container is checked as ``load`` does: DecodeError for one
    that is not whole, unless allow_truncated. num_frames is then what libsndfile makes of it.

    >>> from sensorium.create import zeros
    >>> import io
    >>> file = io.BytesIO()
    >>> save(file, zeros(1, 8000), 16000, format="wav")
    >>> info(file.getvalue()).duration
    0.5
    """
    with (
        opened(source, "info", MAX_BYTES) as audio,
        recording(audio, allow_truncated) as found,
    ):
        return _metadata(found.file)


def _metadata(file: SoundFile) -> AudioMetaData:
    encoding, bits = _ENCODINGS.get(file.subtype, (file.subtype, 0))
    if file.format == "FLAC":
        encoding = "FLAC"
    return AudioMetaData(file.samplerate, file.frames, file.channels, bits, encoding)


def load(
    source: AudioSource,
    frame_offset: int = 0,
    num_frames: int = -1,
    normalize: bool = True,
    channels_first: bool = True,
    *,
    sample_rate: int | None = None,
    mono: bool = False,
    allow_truncated: bool = False,
    check_finite: bool = True,
    max_seconds: float = MAX_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> tuple[Tensor, int]:
    """A recording as (waveform, sample rate); the waveform is float32 (C, T).

    source is a path, the file's bytes, or a binary file read from where it stands. num_frames
    frames (-1: all) are read from frame_offset on, counted at the file's own rate; past the end
    there are fewer, or none (Ogg and MP3 are decoded from their start, to be exact). Integers are divided by 2 ** (bits - 1), which maps them into [-1, 1);
    floats keep their values, also beyond 1. normalize=False returns integers as stored: uint8 for 8
    bits, int16 for 16, int32 for 24 (in the upper bits) and 32. channels_first=False gives (T, C).

    mono averages the channels; sample_rate resamples (``audio.functional.resample``), to
    ceil(T * sample_rate / rate) frames.

    Errors: DecodeError for what is not audio, is damaged, is shorter than its header says (unless
    allow_truncated: what could be decoded), has NaN or infinity (unless check_finite=False), is
    longer than max_seconds or needs more than max_bytes as float32, or has more than 64 channels
    or a rate outside 1 to 768 kHz; FileNotFoundError; OptionError for options that exclude each
    other.

    >>> from sensorium.create import tensor
    >>> import io
    >>> file = io.BytesIO()
    >>> save(file, tensor([[0.5, -0.25]]), 8000, format="wav", bits_per_sample=16)
    >>> load(file.getvalue())
    (tensor([[ 0.5000, -0.2500]]), 8000)
    """
    _check_options(frame_offset, num_frames, normalize, sample_rate, mono)
    part = Part(frame_offset, num_frames, not normalize, allow_truncated, check_finite)
    with opened(source, "load", max_bytes) as audio:
        samples, rate = decode(audio, part, Limits(max_seconds, max_bytes), sample_rate)
    if mono and len(samples) > 1:
        samples = samples.mean(axis=0, keepdims=True)
    waveform = Tensor(samples)
    if sample_rate is not None and sample_rate != rate:
        waveform, rate = _resampled(waveform, rate, sample_rate), sample_rate
    if not channels_first:
        waveform = Tensor(np.ascontiguousarray(waveform.numpy().T))
    return waveform, rate


def _check_options(
    frame_offset: int, num_frames: int, normalize: bool, sample_rate: int | None, mono: bool
) -> None:
    if frame_offset < 0:
        raise OptionError(f"load: frame_offset must be at least 0, got {frame_offset}")
    if num_frames < -1:
        raise OptionError(f"load: num_frames must be at least 0, or -1 for all, got {num_frames}")
    if not normalize and (mono or sample_rate is not None):
        raise OptionError("load: mono and sample_rate want float samples, so not normalize=False")
    if sample_rate is not None and not MIN_RATE <= sample_rate <= MAX_RATE:
        raise OptionError(
            f"load: sample_rate must be {MIN_RATE} to {MAX_RATE} Hz, got {sample_rate}"
        )


def _resampled(waveform: Tensor, rate: int, new: int) -> Tensor:
    from .functional import resample

    if waveform.shape[-1] == 0:
        return waveform
    return resample(waveform, rate, new)
