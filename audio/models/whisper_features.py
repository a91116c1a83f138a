"""Whisper's input: the log-mel spectrogram of 16 kHz sound, 100 frames a second.

    y = (max(log10(max(mel |stft(x)|^2, 1e-10)), top - 8) + 4) / 4,    top the recording's maximum

Frames of 25 ms (400 samples, periodic Hann window) every 10 ms, mel filters on Slaney's scale and with
his norm, from 0 to 8000 Hz; the last frame is left out. Radford et al. 2022, section 2.2; options and
numbers are those of Hugging Face's ``WhisperFeatureExtractor``. Left out: dithering.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import sensorium as sn
from sensorium import ops
from sensorium.errors import OptionError, ShapeError
from sensorium.tensor import Tensor

from ..functional import melscale_fbanks, resample

_FLOOR, _RANGE = 1e-10, 8.0


class WhisperFeatureExtractor:
    """Waveforms (T) or (N, T) in [-1, 1] -> features (N, feature_size, 100 chunk_length).

    Sound is cut or filled with silence to ``chunk_length`` seconds and resampled where it comes at
    another rate.

    >>> WhisperFeatureExtractor(feature_size=80)(sn.zeros(16000)).shape
    sensorium.Size([1, 80, 3000])
    """

    def __init__(
        self,
        feature_size: int = 80,
        sampling_rate: int = 16000,
        hop_length: int = 160,
        chunk_length: float = 30,
        n_fft: int = 400,
    ) -> None:
        if min(feature_size, sampling_rate, hop_length, n_fft) < 1 or chunk_length <= 0:
            raise OptionError("WhisperFeatureExtractor: every option must be positive")
        self.feature_size, self.sampling_rate = feature_size, sampling_rate
        self.hop_length, self.chunk_length, self.n_fft = hop_length, chunk_length, n_fft
        self.window = sn.hann_window(n_fft)
        top = sampling_rate / 2
        self.filters = melscale_fbanks(  # (F, M)
            n_fft // 2 + 1, 0.0, top, feature_size, sampling_rate, norm="slaney", mel_scale="slaney"
        ).t()

    @property
    def n_samples(self) -> int:
        """Samples of a chunk."""
        return round(self.chunk_length * self.sampling_rate)

    @property
    def nb_max_frames(self) -> int:
        """Frames of a chunk."""
        return self.n_samples // self.hop_length

    def __call__(self, waveform: Any, sampling_rate: int | None = None) -> Tensor:
        x = self.prepared(waveform, sampling_rate)[:, : self.n_samples]
        return self.log_mel(x, self.n_samples - x.shape[1])

    def prepared(self, waveform: Any, sampling_rate: int | None = None) -> Tensor:
        """The waveform as float32 (N, T) at the rate of the features."""
        x = waveform if isinstance(waveform, Tensor) else Tensor(np.asarray(waveform))
        x = x.to(sn.float32) if x.is_floating_point() else _refuse(x)
        if x.ndim not in (1, 2):
            raise ShapeError(
                f"Whisper features: want a waveform (T) or (N, T), got {tuple(x.shape)}"
            )
        x = x[None] if x.ndim == 1 else x
        if sampling_rate is None or sampling_rate == self.sampling_rate:
            return x
        return resample(x, sampling_rate, self.sampling_rate)

    @sn.no_grad()
    def log_mel(self, x: Tensor, padding: int = 0) -> Tensor:
        """Features (N, M, (T + padding) // hop) of x (N, T) followed by ``padding`` zeros.

        Silence that no frame of the sound reaches is filled in and not transformed.
        """
        frames = (x.shape[1] + padding) // self.hop_length
        near = min(padding, 2 * self.n_fft)
        x = sn.nn.functional.pad(x, (0, near))
        window = self.window.to(x.device)
        spectrum = sn.stft(x, self.n_fft, self.hop_length, window=window, return_complex=True)
        power = ops.abs_squared(spectrum[..., :frames])
        y = (self.filters.to(x.device) @ power).clamp(min=_FLOOR).log10()  # (N, M, frames)
        y = sn.nn.functional.pad(y, (0, frames - y.shape[-1]), value=math.log10(_FLOOR))
        y = sn.maximum(y, y.amax((1, 2), keepdim=True) - _RANGE)
        return (y + 4) / 4


def _refuse(x: Tensor) -> Tensor:
    raise OptionError(f"Whisper features: want samples in [-1, 1] as floats, got {x.dtype}")
