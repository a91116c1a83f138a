"""Spectrogram, its inverses, and the spectral centroid: each holds its window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sensorium as sn
from sensorium.nn import Module
from sensorium.tensor import Tensor

from .. import functional as F

WindowFn = Callable[..., Tensor]


class _Windowed(Module):
    """n_fft, win_length (n_fft if None), hop_length (win_length // 2 if None), pad, and the window."""

    window: Tensor

    def __init__(
        self,
        n_fft: int,
        win_length: int | None,
        hop_length: int | None,
        pad: int,
        window_fn: WindowFn,
        wkwargs: Mapping[str, Any] | None,
    ) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.win_length = n_fft if win_length is None else win_length
        self.hop_length = self.win_length // 2 if hop_length is None else hop_length
        self.pad = pad
        self.register_buffer("window", window_fn(self.win_length, **(wkwargs or {})))

    def extra_repr(self) -> str:
        return f"n_fft={self.n_fft}, win_length={self.win_length}, hop_length={self.hop_length}"


class Spectrogram(_Windowed):
    """``functional.spectrogram``: (..., T) -> (..., F, M), M = 1 + (T + 2 pad) // hop_length.

    power: the exponent of the magnitude, None for complex values. normalized: True or "window",
    "frame_length", False. center, pad_mode, onesided: as in ``stft``.

    >>> import sensorium as sn
    >>> Spectrogram(n_fft=512)(sn.ones(1, 8000)).shape
    sensorium.Size([1, 257, 32])
    """

    def __init__(
        self,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        pad: int = 0,
        window_fn: WindowFn = sn.hann_window,
        power: float | None = 2.0,
        normalized: bool | str = False,
        wkwargs: Mapping[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool = True,
        return_complex: bool | None = None,
    ) -> None:
        super().__init__(n_fft, win_length, hop_length, pad, window_fn, wkwargs)
        self.power, self.normalized = power, normalized
        self.center, self.pad_mode, self.onesided = center, pad_mode, onesided
        self.return_complex = return_complex

    def forward(self, waveform: Tensor) -> Tensor:
        return F.spectrogram(
            waveform,
            self.pad,
            self.window,
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.power,
            self.normalized,
            self.center,
            self.pad_mode,
            self.onesided,
        )


class InverseSpectrogram(_Windowed):
    """``functional.inverse_spectrogram``: complex (..., F, M) -> (..., T).

    >>> import sensorium as sn
    >>> x = sn.randn(2, 800)
    >>> y = InverseSpectrogram()(Spectrogram(power=None)(x), 800)
    >>> sn.allclose(x, y, atol=1e-5)
    True
    """

    def __init__(
        self,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        pad: int = 0,
        window_fn: WindowFn = sn.hann_window,
        normalized: bool | str = False,
        wkwargs: Mapping[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool = True,
    ) -> None:
        super().__init__(n_fft, win_length, hop_length, pad, window_fn, wkwargs)
        self.normalized = normalized
        self.center, self.pad_mode, self.onesided = center, pad_mode, onesided

    def forward(self, spectrogram: Tensor, length: int | None = None) -> Tensor:
        return F.inverse_spectrogram(
            spectrogram,
            length,
            self.pad,
            self.window,
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.normalized,
            self.center,
            self.pad_mode,
            self.onesided,
        )


class GriffinLim(_Windowed):
    """``functional.griffinlim``: |stft|^power (..., F, M) -> a waveform (..., T) that has it.

    >>> import sensorium as sn
    >>> GriffinLim(n_fft=64, n_iter=2)(sn.ones(33, 9)).shape
    sensorium.Size([256])
    """

    def __init__(
        self,
        n_fft: int = 400,
        n_iter: int = 32,
        win_length: int | None = None,
        hop_length: int | None = None,
        window_fn: WindowFn = sn.hann_window,
        power: float = 2.0,
        wkwargs: Mapping[str, Any] | None = None,
        momentum: float = 0.99,
        length: int | None = None,
        rand_init: bool = True,
    ) -> None:
        super().__init__(n_fft, win_length, hop_length, 0, window_fn, wkwargs)
        self.n_iter, self.power, self.momentum = n_iter, power, momentum
        self.length, self.rand_init = length, rand_init

    def forward(self, specgram: Tensor) -> Tensor:
        return F.griffinlim(
            specgram,
            self.window,
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.power,
            self.n_iter,
            self.momentum,
            self.length,
            self.rand_init,
        )


class SpectralCentroid(_Windowed):
    """``functional.spectral_centroid``: (..., T) -> (..., M), in Hz.

    >>> import sensorium as sn
    >>> SpectralCentroid(8000)(sn.randn(1, 800)).shape
    sensorium.Size([1, 5])
    """

    def __init__(
        self,
        sample_rate: int,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        pad: int = 0,
        window_fn: WindowFn = sn.hann_window,
        wkwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(n_fft, win_length, hop_length, pad, window_fn, wkwargs)
        self.sample_rate = sample_rate

    def forward(self, waveform: Tensor) -> Tensor:
        return F.spectral_centroid(
            waveform,
            self.sample_rate,
            self.pad,
            self.window,
            self.n_fft,
            self.hop_length,
            self.win_length,
        )
