"""What works along time: resampling, stretching, pitch, deltas, emphasis, convolution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import sensorium as sn
from sensorium.dtypes import as_dtype, get_default_dtype
from sensorium.errors import OptionError
from sensorium.nn import Module
from sensorium.tensor import Tensor

from .. import functional as F
from ..functional._resample import apply_kernel, check_waveform, reduced, sinc_kernel
from ._spectrogram import WindowFn


# -- rate, speed, pitch ----------------------------------------------------------------------------
class Resample(Module):
    """``functional.resample`` with its filter kept: (..., T) -> (..., ceil(T new / orig)).

    dtype: of the filter, and of the waveforms it takes; the default type if None.

    >>> import sensorium as sn
    >>> Resample(44100, 16000)(sn.ones(1, 441)).shape
    sensorium.Size([1, 160])
    """

    kernel: Tensor

    def __init__(
        self,
        orig_freq: int = 16000,
        new_freq: int = 16000,
        resampling_method: str = "sinc_interp_hann",
        lowpass_filter_width: int = 6,
        rolloff: float = 0.99,
        beta: float | None = None,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.orig_freq, self.new_freq = orig_freq, new_freq
        self.resampling_method, self.beta = resampling_method, beta
        self.lowpass_filter_width, self.rolloff = lowpass_filter_width, rolloff
        self._orig, self._new = reduced(orig_freq, new_freq)
        weights, self._reach = sinc_kernel(
            self._orig, self._new, lowpass_filter_width, rolloff, resampling_method, beta
        )
        if self._orig != self._new:
            kind = get_default_dtype() if dtype is None else as_dtype(dtype)
            self.register_buffer("kernel", sn.tensor(weights, dtype=kind))

    def forward(self, waveform: Tensor) -> Tensor:
        check_waveform("Resample", waveform)
        if self._orig == self._new:
            return waveform
        return apply_kernel(waveform, self.kernel, self._reach, self._orig, self._new)

    def extra_repr(self) -> str:
        return f"orig_freq={self.orig_freq}, new_freq={self.new_freq}"


class Speed(Module):
    """``functional.speed``: played factor times faster, pitch and all; returns (waveform, lengths).

    >>> import sensorium as sn
    >>> Speed(1000, 2.0)(sn.ones(1, 100))[0].shape
    sensorium.Size([1, 50])
    """

    def __init__(self, orig_freq: int, factor: float) -> None:
        super().__init__()
        self.orig_freq, self.factor = orig_freq, factor

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        return F.speed(waveform, self.orig_freq, self.factor, lengths)


class TimeStretch(Module):
    """``functional.phase_vocoder``: complex (..., n_freq, M) -> (..., n_freq, ceil(M / rate)).

    hop_length: that of the spectrogram, n_freq - 1 if None. fixed_rate: the rate of calls that give
    none.

    >>> import sensorium as sn
    >>> TimeStretch(n_freq=5)(sn.ones(5, 30, dtype=sn.complex64), 2.0).shape
    sensorium.Size([5, 15])
    """

    phase_advance: Tensor

    def __init__(
        self, hop_length: int | None = None, n_freq: int = 201, fixed_rate: float | None = None
    ) -> None:
        super().__init__()
        hop = n_freq - 1 if hop_length is None else hop_length
        self.hop_length, self.fixed_rate = hop, fixed_rate
        self.register_buffer("phase_advance", sn.linspace(0, math.pi * hop, n_freq).unsqueeze(-1))

    def forward(self, complex_specgrams: Tensor, overriding_rate: float | None = None) -> Tensor:
        rate = self.fixed_rate if overriding_rate is None else overriding_rate
        if rate is None:
            raise OptionError("TimeStretch: want a rate, here or as fixed_rate when it is made")
        return F.phase_vocoder(complex_specgrams, rate, self.phase_advance)


class PitchShift(Module):
    """``functional.pitch_shift``: n_steps higher, bins_per_octave to an octave: (..., T).

    >>> import sensorium as sn
    >>> PitchShift(8000, 4)(sn.ones(1, 4000)).shape
    sensorium.Size([1, 4000])
    """

    window: Tensor

    def __init__(
        self,
        sample_rate: int,
        n_steps: int,
        bins_per_octave: int = 12,
        n_fft: int = 512,
        win_length: int | None = None,
        hop_length: int | None = None,
        window_fn: WindowFn = sn.hann_window,
        wkwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_steps = sample_rate, n_steps
        self.bins_per_octave, self.n_fft = bins_per_octave, n_fft
        self.win_length = n_fft if win_length is None else win_length
        self.hop_length = self.win_length // 4 if hop_length is None else hop_length
        self.register_buffer("window", window_fn(self.win_length, **(wkwargs or {})))

    def forward(self, waveform: Tensor) -> Tensor:
        return F.pitch_shift(
            waveform,
            self.sample_rate,
            self.n_steps,
            self.bins_per_octave,
            self.n_fft,
            self.win_length,
            self.hop_length,
            self.window,
        )


# -- filters ---------------------------------------------------------------------------------------
class ComputeDeltas(Module):
    """``functional.compute_deltas``: the slope of (..., freq, time) along time.

    >>> import sensorium as sn
    >>> ComputeDeltas()(sn.ones(1, 13, 50)).shape
    sensorium.Size([1, 13, 50])
    """

    def __init__(self, win_length: int = 5, mode: str = "replicate") -> None:
        super().__init__()
        self.win_length, self.mode = win_length, mode

    def forward(self, specgram: Tensor) -> Tensor:
        return F.compute_deltas(specgram, self.win_length, self.mode)


class Preemphasis(Module):
    """``functional.preemphasis``: y[t] = x[t] - coeff x[t - 1].

    >>> import sensorium as sn
    >>> Preemphasis(0.5)(sn.tensor([1.0, 1.0]))
    tensor([1.0000, 0.5000])
    """

    def __init__(self, coeff: float = 0.97) -> None:
        super().__init__()
        self.coeff = coeff

    def forward(self, waveform: Tensor) -> Tensor:
        return F.preemphasis(waveform, self.coeff)


class Deemphasis(Module):
    """``functional.deemphasis``: y[t] = x[t] + coeff y[t - 1], limited to [-1, 1].

    >>> import sensorium as sn
    >>> Deemphasis(0.5)(sn.tensor([0.5, 0.25]))
    tensor([0.5000, 0.5000])
    """

    def __init__(self, coeff: float = 0.97) -> None:
        super().__init__()
        self.coeff = coeff

    def forward(self, waveform: Tensor) -> Tensor:
        return F.deemphasis(waveform, self.coeff)


class Convolve(Module):
    """``functional.convolve``: mode "full", "valid" or "same".

    >>> import sensorium as sn
    >>> Convolve()(sn.tensor([1.0, 2.0]), sn.tensor([1.0, 1.0]))
    tensor([1., 3., 2.])
    """

    def __init__(self, mode: str = "full") -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.convolve(x, y, self.mode)


class FFTConvolve(Module):
    """``functional.fftconvolve``: mode "full", "valid" or "same".

    >>> import sensorium as sn
    >>> FFTConvolve()(sn.tensor([1.0, 2.0]), sn.tensor([1.0, 1.0])).round()
    tensor([1., 3., 2.])
    """

    def __init__(self, mode: str = "full") -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.fftconvolve(x, y, self.mode)
