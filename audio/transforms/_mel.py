"""Filter banks over spectrograms and what is built on them: mel spectrograms, MFCC, LFCC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import sensorium as sn
from sensorium.errors import OptionError, ShapeError
from sensorium.nn import Module
from sensorium.tensor import Tensor, wrap

from .. import functional as F
from ._levels import AmplitudeToDB
from ._spectrogram import Spectrogram, WindowFn

_LOG_OFFSET = 1e-6  # added before the logarithm of MFCC and LFCC, as in torchaudio
_TOP_DB = 80.0
_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _through(name: str, x: Tensor, table: Tensor) -> Tensor:
    """The product with a table along the dimension before the last: (..., N, M) -> (..., K, M)."""
    if x.ndim < 2 or x.shape[-2] != table.shape[0]:
        raise ShapeError(
            f"{name}: want (..., {table.shape[0]}, time) for a table {tuple(table.shape)}, got "
            f"{tuple(x.shape)}"
        )
    return sn.matmul(x.transpose(-1, -2), table).transpose(-1, -2)


class MelScale(Module):
    """A spectrogram in n_mels bands of the mel scale: (..., n_stft, M) -> (..., n_mels, M).

    f_max: sample_rate // 2 if None; norm, mel_scale: as in ``functional.melscale_fbanks``.

    >>> import sensorium as sn
    >>> MelScale(n_mels=40, n_stft=201)(sn.ones(1, 201, 5)).shape
    sensorium.Size([1, 40, 5])
    """

    fb: Tensor

    def __init__(
        self,
        n_mels: int = 128,
        sample_rate: int = 16000,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_stft: int = 201,
        norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:
        super().__init__()
        self.n_mels, self.sample_rate, self.f_min = n_mels, sample_rate, f_min
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        self.norm, self.mel_scale = norm, mel_scale
        bank = F.melscale_fbanks(n_stft, f_min, self.f_max, n_mels, sample_rate, norm, mel_scale)
        self.register_buffer("fb", bank)

    def forward(self, specgram: Tensor) -> Tensor:
        return _through("MelScale", specgram, self.fb)

    def extra_repr(self) -> str:
        return f"n_mels={self.n_mels}, sample_rate={self.sample_rate}, f_max={self.f_max}"


class InverseMelScale(Module):
    """The spectrogram that fits a mel spectrogram best: (..., n_mels, M) -> (..., n_stft, M).

    The least-squares solution of the smallest norm, negative values set to 0. driver: torch's names of
    LAPACK routines; all of them find this solution.

    >>> import sensorium as sn
    >>> InverseMelScale(n_stft=201, n_mels=40)(sn.ones(1, 40, 5)).shape
    sensorium.Size([1, 201, 5])
    """

    fb: Tensor

    def __init__(
        self,
        n_stft: int,
        n_mels: int = 128,
        sample_rate: int = 16000,
        f_min: float = 0.0,
        f_max: float | None = None,
        norm: str | None = None,
        mel_scale: str = "htk",
        driver: str = "gels",
    ) -> None:
        super().__init__()
        if driver not in _DRIVERS:
            raise OptionError(f"InverseMelScale: driver must be one of {_DRIVERS}, got {driver!r}")
        self.n_mels, self.sample_rate, self.f_min = n_mels, sample_rate, f_min
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        bank = F.melscale_fbanks(n_stft, f_min, self.f_max, n_mels, sample_rate, norm, mel_scale)
        self.register_buffer("fb", bank)

    def forward(self, melspec: Tensor) -> Tensor:
        bank = self.fb.array
        inverse = np.linalg.pinv(bank.astype(np.float64)).astype(bank.dtype)  # (n_mels, n_stft)
        return _through("InverseMelScale", melspec, wrap(inverse)).relu()


class MelSpectrogram(Module):
    """``Spectrogram`` and ``MelScale``: (..., T) -> (..., n_mels, M).

    >>> import sensorium as sn
    >>> MelSpectrogram(16000, n_mels=80)(sn.ones(1, 16000)).shape
    sensorium.Size([1, 80, 81])
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        pad: int = 0,
        n_mels: int = 128,
        window_fn: WindowFn = sn.hann_window,
        power: float = 2.0,
        normalized: bool | str = False,
        wkwargs: Mapping[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool | None = None,
        norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:
        super().__init__()
        if onesided is False:
            raise OptionError("MelSpectrogram: filter banks are for onesided spectra")
        self.sample_rate, self.n_mels = sample_rate, n_mels
        self.spectrogram = Spectrogram(
            n_fft,
            win_length,
            hop_length,
            pad,
            window_fn,
            power,
            normalized,
            wkwargs,
            center,
            pad_mode,
        )
        self.mel_scale = MelScale(
            n_mels, sample_rate, f_min, f_max, n_fft // 2 + 1, norm, mel_scale
        )

    def forward(self, waveform: Tensor) -> Tensor:
        return self.mel_scale(self.spectrogram(waveform))


def _check_cepstra(name: str, dct_type: int, count: int, bands: int) -> None:
    if dct_type != 2:
        raise OptionError(f"{name}: dct_type must be 2, got {dct_type}")
    if count > bands:
        raise OptionError(f"{name}: {count} coefficients are more than the {bands} bands")


class MFCC(Module):
    """Mel-frequency cepstral coefficients: (..., T) -> (..., n_mfcc, M).

    The cosine transform of a mel spectrogram in decibels (top_db 80), or of its logarithm if log_mels.
    melkwargs: options of ``MelSpectrogram``.

    >>> import sensorium as sn
    >>> MFCC(16000, n_mfcc=13, melkwargs={"n_mels": 40})(sn.randn(1, 16000)).shape
    sensorium.Size([1, 13, 81])
    """

    dct_mat: Tensor

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mfcc: int = 40,
        dct_type: int = 2,
        norm: str | None = "ortho",
        log_mels: bool = False,
        melkwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_mfcc, self.norm = sample_rate, n_mfcc, norm
        self.dct_type, self.log_mels = dct_type, log_mels
        self.MelSpectrogram = MelSpectrogram(sample_rate, **(melkwargs or {}))
        self.amplitude_to_DB = AmplitudeToDB("power", _TOP_DB)
        _check_cepstra("MFCC", dct_type, n_mfcc, self.MelSpectrogram.n_mels)
        self.register_buffer("dct_mat", F.create_dct(n_mfcc, self.MelSpectrogram.n_mels, norm))

    def forward(self, waveform: Tensor) -> Tensor:
        mel = self.MelSpectrogram(waveform)
        mel = sn.log(mel + _LOG_OFFSET) if self.log_mels else self.amplitude_to_DB(mel)
        return _through("MFCC", mel, self.dct_mat)


class LFCC(Module):
    """Linear-frequency cepstral coefficients: (..., T) -> (..., n_lfcc, M); ``MFCC`` on a linear scale.

    speckwargs: options of ``Spectrogram``.

    >>> import sensorium as sn
    >>> LFCC(16000, n_filter=40, n_lfcc=13)(sn.randn(1, 16000)).shape
    sensorium.Size([1, 13, 81])
    """

    dct_mat: Tensor
    filter_mat: Tensor

    def __init__(
        self,
        sample_rate: int = 16000,
        n_filter: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_lfcc: int = 40,
        dct_type: int = 2,
        norm: str | None = "ortho",
        log_lf: bool = False,
        speckwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        _check_cepstra("LFCC", dct_type, n_lfcc, n_filter)
        self.sample_rate, self.n_filter, self.n_lfcc = sample_rate, n_filter, n_lfcc
        self.f_min, self.dct_type, self.norm, self.log_lf = f_min, dct_type, norm, log_lf
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        self.Spectrogram = Spectrogram(**(speckwargs or {}))
        self.amplitude_to_DB = AmplitudeToDB("power", _TOP_DB)
        n_freqs = self.Spectrogram.n_fft // 2 + 1
        bank = F.linear_fbanks(n_freqs, f_min, self.f_max, n_filter, sample_rate)
        self.register_buffer("filter_mat", bank)
        self.register_buffer("dct_mat", F.create_dct(n_lfcc, n_filter, norm))

    def forward(self, waveform: Tensor) -> Tensor:
        bands = _through("LFCC", self.Spectrogram(waveform), self.filter_mat)
        bands = sn.log(bands + _LOG_OFFSET) if self.log_lf else self.amplitude_to_DB(bands)
        return _through("LFCC", bands, self.dct_mat)
