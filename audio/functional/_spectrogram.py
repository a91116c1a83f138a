"""Spectrograms, back to waveforms, and the centre of gravity of a spectrum.

F = n_fft // 2 + 1 frequencies (n_fft when not onesided), M frames.
"""

from __future__ import annotations

import math
from typing import Any

import sensorium as sn
from sensorium.errors import OptionError, ShapeError
from sensorium.nn import functional as nf
from sensorium.ops import abs_squared
from sensorium.tensor import Tensor

_NORMS = {  # normalized: (by the frame's length in stft, by the window's energy here)
    "frame_length": (True, False),
    "window": (False, True),
    True: (False, True),
    False: (False, False),
}


def _norms(name: str, normalized: bool | str) -> tuple[bool, bool]:
    if normalized not in _NORMS:
        raise OptionError(
            f"{name}: normalized must be a bool, 'window' or 'frame_length', got {normalized!r}"
        )
    return _NORMS[normalized]


def _energy(window: Tensor) -> Tensor:
    return (window * window).sum().sqrt()


def _want_dims(name: str, x: Tensor, least: int, form: str) -> None:
    if x.ndim < least:
        raise ShapeError(f"{name}: want {form}, got shape {tuple(x.shape)}")


def spectrogram(
    waveform: Tensor,
    pad: int,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    power: float | None,
    normalized: bool | str,
    center: bool = True,
    pad_mode: str = "reflect",
    onesided: bool = True,
    return_complex: bool | None = None,
) -> Tensor:
    """|stft(waveform)|^power, or the complex stft if power is None: (..., T) -> (..., F, M).

    pad: zeros at both ends first. normalized: True or "window" divides by the window's energy,
    sqrt(sum(window^2)), "frame_length" by sqrt(n_fft). return_complex has no effect, as in
    torchaudio. For fewer samples than ``stft`` takes: its ShapeError.

    >>> import sensorium as sn
    >>> spectrogram(sn.ones(2, 16), 0, sn.hann_window(8), 8, 4, 8, 2.0, False).shape
    sensorium.Size([2, 5, 5])
    """
    _want_dims("spectrogram", waveform, 1, "a waveform (..., T)")
    by_frame, by_window = _norms("spectrogram", normalized)
    if pad > 0:
        waveform = nf.pad(waveform, (pad, pad))
    lead, time = waveform.shape[:-1], waveform.shape[-1]
    spec = sn.stft(
        waveform.reshape(math.prod(lead), time),
        n_fft,
        hop_length,
        win_length,
        window,
        center,
        pad_mode,
        by_frame,
        onesided,
        return_complex=True,
    )
    spec = spec.reshape(*lead, *spec.shape[-2:])
    if by_window:
        spec = spec / _energy(window)
    return _magnitude(spec, power)


def _magnitude(spec: Tensor, power: float | None) -> Tensor:
    if power is None:
        return spec
    if power == 2:
        return abs_squared(spec)  # the square of the root: neither is taken
    return spec.abs() if power == 1 else spec.abs().pow(power)


def inverse_spectrogram(
    spectrogram: Tensor,
    length: int | None,
    pad: int,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    normalized: bool | str,
    center: bool = True,
    pad_mode: str = "reflect",
    onesided: bool = True,
) -> Tensor:
    """The waveform of a complex spectrogram: (..., F, M) -> (..., T).

    length: the samples wanted, without pad; pad, normalized: as they were for ``spectrogram``.

    >>> import sensorium as sn
    >>> window, x = sn.hann_window(8), sn.arange(16) / 16
    >>> spec = spectrogram(x, 0, window, 8, 2, 8, None, True)
    >>> sn.allclose(inverse_spectrogram(spec, 16, 0, window, 8, 2, 8, True), x, atol=1e-6)
    True
    """
    _want_dims("inverse_spectrogram", spectrogram, 2, "a complex spectrogram (..., F, M)")
    if not spectrogram.is_complex():
        raise ShapeError(f"inverse_spectrogram: want complex values, got {spectrogram.dtype}")
    by_frame, by_window = _norms("inverse_spectrogram", normalized)
    if by_window:
        spectrogram = spectrogram * _energy(window)
    lead = spectrogram.shape[:-2]
    waveform = sn.istft(
        spectrogram.reshape(math.prod(lead), *spectrogram.shape[-2:]),
        n_fft,
        hop_length,
        win_length,
        window,
        center,
        by_frame,
        onesided,
        None if length is None else length + 2 * pad,
    )
    if length is not None and pad > 0:
        waveform = waveform[:, pad : waveform.shape[-1] - pad]
    return waveform.reshape(*lead, waveform.shape[-1])


def griffinlim(
    specgram: Tensor,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    power: float,
    n_iter: int,
    momentum: float,
    length: int | None,
    rand_init: bool,
) -> Tensor:
    """A waveform whose |stft|^power is near specgram: (..., F, M) -> (..., T).

    Starts from random phases (from 1 without rand_init) and, n_iter times, goes to the waveform and
    back to its phases, pushed on by momentum (0 <= momentum < 1). Griffin and Lim, "Signal
    estimation from modified short-time Fourier transform" (1984); Perraudin et al., "A fast
    Griffin-Lim algorithm" (2013).

    >>> import sensorium as sn
    >>> griffinlim(sn.ones(5, 9), sn.hann_window(8), 8, 2, 8, 2.0, 4, 0.99, 16, True).shape
    sensorium.Size([16])
    """
    _want_dims("griffinlim", specgram, 2, "a spectrogram (..., F, M)")
    if not 0 <= momentum < 1:
        raise OptionError(f"griffinlim: momentum must be in [0, 1), got {momentum}")
    if length is not None and 1 + length // hop_length != specgram.shape[-1]:
        raise ShapeError(
            f"griffinlim: {length} samples have {1 + length // hop_length} frames, hop_length "
            f"{hop_length} apart, but specgram has {specgram.shape[-1]} (shape {tuple(specgram.shape)})"
        )
    push, lead = momentum / (1 + momentum), specgram.shape[:-2]
    size = specgram.reshape(math.prod(lead), *specgram.shape[-2:]).pow(1 / power)
    kind = sn.promote_types(size.dtype, sn.complex64)
    make = sn.rand if rand_init else sn.ones
    phases: Tensor = make(*size.shape, dtype=kind, device=size.device)
    previous: Any = 0.0
    for _ in range(n_iter):
        waveform = sn.istft(size * phases, n_fft, hop_length, win_length, window, length=length)
        rebuilt = sn.stft(waveform, n_fft, hop_length, win_length, window)
        phases = rebuilt - previous * push if push else rebuilt
        phases = phases / (phases.abs() + 1e-16)
        previous = rebuilt
    waveform = sn.istft(size * phases, n_fft, hop_length, win_length, window, length=length)
    return waveform.reshape(*lead, waveform.shape[-1])


def spectral_centroid(
    waveform: Tensor,
    sample_rate: int,
    pad: int,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
) -> Tensor:
    """The mean frequency in Hz, weighted by magnitude, of every frame: (..., T) -> (..., M).

    nan for a silent frame.

    >>> import sensorium as sn
    >>> tone = sn.cos(sn.arange(800) * (2 * 3.14159265 * 1000 / 8000))
    >>> round(spectral_centroid(tone, 8000, 0, sn.hann_window(80), 80, 40, 80)[5].item())
    1000
    """
    spec = spectrogram(waveform, pad, window, n_fft, hop_length, win_length, 1.0, False)
    freqs = sn.linspace(0, sample_rate // 2, spec.shape[-2], dtype=spec.dtype, device=spec.device)
    return (freqs.unsqueeze(-1) * spec).sum(-2) / spec.sum(-2)
