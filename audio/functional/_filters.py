"""Filters along time: convolution, pre-emphasis and its inverse, deltas, and noise at a given level."""

from __future__ import annotations

import math
from typing import Any

import sensorium as sn
from sensorium import fft
from sensorium.errors import OptionError, ShapeError
from sensorium.nn import functional as nf
from sensorium.tensor import Tensor

_NEGLIGIBLE = 1e-20
"""Echoes weaker than this change no float64 value that matters."""


# -- emphasis --------------------------------------------------------------------------------------
def preemphasis(waveform: Tensor, coeff: float = 0.97) -> Tensor:
    """y[t] = x[t] - coeff x[t - 1], y[0] = x[0]: (..., T), high frequencies louder.

    >>> import sensorium as sn
    >>> preemphasis(sn.tensor([1.0, 1.0, 1.0]), 0.5)
    tensor([1.0000, 0.5000, 0.5000])
    """
    return waveform - coeff * _delayed(waveform, 1)


def _delayed(x: Tensor, steps: int) -> Tensor:
    """x steps later, zeros coming in."""
    return nf.pad(x, (steps, 0))[..., : x.shape[-1]]


def deemphasis(waveform: Tensor, coeff: float = 0.97) -> Tensor:
    """y[t] = x[t] + coeff y[t - 1], limited to [-1, 1] at the end: (..., T), undoes ``preemphasis``.

    The recursion is 1 / (1 - c z) = (1 + c z)(1 + c^2 z^2)(1 + c^4 z^4)..., so a few delays of the
    whole signal do instead of a loop over time. |coeff| must be below 1.

    >>> import sensorium as sn
    >>> deemphasis(sn.tensor([0.5, 0.25, 0.25]), 0.5)
    tensor([0.5000, 0.5000, 0.5000])
    """
    if not abs(coeff) < 1:
        raise OptionError(f"deemphasis: |coeff| must be below 1, got {coeff}")
    y, delay, echo = waveform, 1, coeff
    while delay < waveform.shape[-1] and abs(echo) > _NEGLIGIBLE:
        y = y + echo * _delayed(y, delay)
        delay, echo = 2 * delay, echo * echo
    return y.clamp(-1, 1)


# -- deltas ----------------------------------------------------------------------------------------
def compute_deltas(specgram: Tensor, win_length: int = 5, mode: str = "replicate") -> Tensor:
    """The slope along time: sum over n of n (c[t + n] - c[t - n]) / (2 sum of n^2), n to N.

    specgram (..., freq, time), N = (win_length - 1) // 2; mode: how the edges are padded.

    >>> import sensorium as sn
    >>> compute_deltas(sn.arange(7.0)[None])[0, 2:5]
    tensor([1., 1., 1.])
    """
    if win_length < 3:
        raise OptionError(f"compute_deltas: win_length must be at least 3, got {win_length}")
    n = (win_length - 1) // 2
    *lead, time = specgram.shape
    rows = specgram.reshape(math.prod(lead), 1, time)
    rows = nf.pad(rows, (n, n), mode)
    weights = sn.arange(-n, n + 1, dtype=specgram.dtype, device=specgram.device)
    total = n * (n + 1) * (2 * n + 1) / 3
    y = nf.conv1d(rows, (weights / total).reshape(1, 1, -1))
    return y.reshape(specgram.shape)


# -- convolution -----------------------------------------------------------------------------------
def _cut(name: str, full: Tensor, x: Tensor, y: Tensor, mode: str) -> Tensor:
    """The part of a full convolution that mode names."""
    n, m = x.shape[-1], y.shape[-1]
    if mode == "full":
        return full
    if mode == "valid":
        size = max(n, m) - min(n, m) + 1
    elif mode == "same":
        size = n
    else:
        raise OptionError(f"{name}: mode must be 'full', 'valid' or 'same', got {mode!r}")
    return full.narrow(-1, (full.shape[-1] - size) // 2, size)


def _check_pair(name: str, x: Tensor, y: Tensor) -> None:
    if x.ndim != y.ndim or x.ndim < 1 or 0 in (x.shape[-1], y.shape[-1]):
        raise ShapeError(
            f"{name}: want two non-empty signals of as many dimensions, got {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )


def fftconvolve(x: Tensor, y: Tensor, mode: str = "full") -> Tensor:
    """sum over k of x[k] y[t - k] by way of the spectrum: (..., N), (..., M) -> (..., N + M - 1).

    Leading dimensions broadcast. mode: "full", "valid" (no padding needed) or "same" (as long as x,
    centred).

    >>> import sensorium as sn
    >>> fftconvolve(sn.tensor([1.0, 2.0]), sn.tensor([1.0, 1.0])).round()
    tensor([1., 3., 2.])
    """
    _check_pair("fftconvolve", x, y)
    n = x.shape[-1] + y.shape[-1] - 1
    product = fft.rfft(x, n) * fft.rfft(y, n)
    return _cut("fftconvolve", fft.irfft(product, n), x, y, mode)


def convolve(x: Tensor, y: Tensor, mode: str = "full") -> Tensor:
    """``fftconvolve`` computed term by term: exact to the last bit's rounding, for short signals.

    >>> import sensorium as sn
    >>> convolve(sn.tensor([1.0, 2.0]), sn.tensor([1.0, 1.0]))
    tensor([1., 3., 2.])
    """
    _check_pair("convolve", x, y)
    signal, short = (x, y) if x.shape[-1] >= y.shape[-1] else (y, x)
    m = short.shape[-1]
    padded = nf.pad(signal, (m - 1, m - 1))
    n = signal.shape[-1] + m - 1
    full: Any = 0
    for k in range(m):
        full = full + padded[..., m - 1 - k : m - 1 - k + n] * short[..., k : k + 1]
    return _cut("convolve", full, x, y, mode)


# -- noise -----------------------------------------------------------------------------------------
def add_noise(
    waveform: Tensor, noise: Tensor, snr: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """waveform + a noise, a such that the ratio of their energies is snr in dB: (..., T).

    snr, lengths: (...); energies count the first lengths samples only, noise is added to all.

    >>> import sensorium as sn
    >>> add_noise(sn.ones(1, 4), sn.ones(1, 4), sn.tensor([20.0]))
    tensor([[1.1000, 1.1000, 1.1000, 1.1000]])
    """
    if waveform.shape != noise.shape or waveform.shape[:-1] != snr.shape:
        raise ShapeError(
            f"add_noise: want waveform and noise (..., T) and snr (...), got {tuple(waveform.shape)}, "
            f"{tuple(noise.shape)} and {tuple(snr.shape)}"
        )
    heard: Any = 1.0
    if lengths is not None:
        places = sn.arange(waveform.shape[-1], device=waveform.device)
        heard = (places < lengths.unsqueeze(-1)).to(waveform.dtype)
    signal, unwanted = ((x * heard).square().sum(-1) for x in (waveform, noise))
    ratio = 10 * (sn.log10(signal) - sn.log10(unwanted))
    scale = sn.pow(10.0, (ratio - snr) / 20)
    return waveform + scale.unsqueeze(-1) * noise
