"""Other sample rates, by interpolation with a windowed sinc.

y(t) = sum over n of x[n] h(t - n / orig_freq), h the sinc of a low-pass filter times a window (Smith,
"Digital audio resampling", ccrma.stanford.edu/~jos/resample). Rates are reduced by their greatest
common divisor; then only new_freq different sets of weights exist (polyphase), which are the output
channels of one strided convolution. Rates with hardly a common divisor, as a change of pitch wants
them, would make its kernel huge and nearly all zeros: there the few weights within reach are gathered.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.nn import functional as nf
from sensorium.tensor import Tensor

KAISER_BETA = 14.769656459379492
"""The default shape of the Kaiser window: that of resampy's "kaiser_best"."""

_DENSE = 2**18
"""The most weights worth a dense convolution; odd pairs of rates have a million times as many."""

_METHODS = ("sinc_interp_hann", "sinc_interp_kaiser")


def reduced(orig_freq: float, new_freq: float) -> tuple[int, int]:
    """Two rates as the smallest integers of their ratio."""
    if orig_freq <= 0 or new_freq <= 0 or int(orig_freq) != orig_freq or int(new_freq) != new_freq:
        raise OptionError(
            f"resample: want positive whole rates, got orig_freq {orig_freq}, new_freq {new_freq}"
        )
    common = math.gcd(int(orig_freq), int(new_freq))
    return int(orig_freq) // common, int(new_freq) // common


def _first_taps(orig: int, new: int, reach: float) -> np.ndarray:
    """The first sample, counted from the period's start, that each of the new ones reaches back to."""
    return np.ceil(np.arange(new) * orig / new - reach).astype(np.int64)


@lru_cache(maxsize=16)
def sinc_kernel(
    orig: int, new: int, width: int, rolloff: float, method: str, beta: float | None
) -> tuple[np.ndarray, float]:
    """The weights of one period in float64, and how many samples the filter reaches to either side.

    orig and new without a common divisor; width: zeros of the sinc on either side (a lower cut-off
    makes the filter longer); rolloff: the cut-off as a share of the lower Nyquist frequency. The
    weights are a convolution's, (new, 1, K), or, where that would be large and nearly all zeros, only
    those within reach, (new, K).
    """
    if method not in _METHODS:
        raise OptionError(f"resample: resampling_method must be one of {_METHODS}, got {method!r}")
    if width < 1 or not 0 < rolloff <= 1:
        raise OptionError(
            f"resample: want lowpass_filter_width >= 1 and 0 < rolloff <= 1, got {width}, {rolloff}"
        )
    cutoff = min(orig, new) * rolloff
    reach = width * orig / cutoff
    around = math.ceil(reach)
    dense = new * (orig + 2 * around) <= _DENSE
    taps = np.arange(-around, around + orig)
    if not dense:
        taps = _first_taps(orig, new, reach)[:, None] + np.arange(math.ceil(2 * reach) + 1)
    t = (taps / orig - np.arange(new)[:, None] / new) * cutoff  # (new, K), in zeros of the sinc
    t = np.clip(t, -width, width)
    kernel = np.sinc(t) * _window(t / width, method, beta) * (cutoff / orig)
    kernel.setflags(write=False)
    return (kernel[:, None] if dense else kernel), reach


def _window(x: np.ndarray, method: str, beta: float | None) -> np.ndarray:
    """The window at places from -1 to 1."""
    if method == "sinc_interp_hann":
        return np.cos(x * np.pi / 2) ** 2
    shape = KAISER_BETA if beta is None else beta
    return np.i0(shape * np.sqrt(np.maximum(1 - x**2, 0))) / np.i0(shape)


def apply_kernel(waveform: Tensor, kernel: Tensor, reach: float, orig: int, new: int) -> Tensor:
    """(..., T) with the weights of ``sinc_kernel``: (..., ceil(new T / orig))."""
    lead, time = waveform.shape[:-1], waveform.shape[-1]
    wanted, around = -(-new * time // orig), math.ceil(reach)
    if waveform.numel() == 0:
        return waveform.new_zeros(*lead, wanted)
    rows = nf.pad(waveform.reshape(-1, 1, time), (around, around + orig))
    if kernel.ndim == 3:
        y = nf.conv1d(rows, kernel, stride=orig)  # (rows, new, M)
        return y.transpose(1, 2).reshape(*lead, -1)[..., :wanted]
    period, phase = np.divmod(np.arange(wanted), new)
    first = period * orig + _first_taps(orig, new, reach)[phase] + around
    weights = kernel.index_select(0, sn.tensor(phase, device=kernel.device)).T
    at: Any = sn.tensor(first, device=waveform.device)
    y = sum(rows.index_select(-1, at + i) * weights[i] for i in range(weights.shape[0]))
    return y.reshape(*lead, wanted)


def check_waveform(name: str, waveform: Tensor) -> None:
    """A waveform is (..., T) of real floating-point values."""
    if waveform.ndim < 1:
        raise ShapeError(f"{name}: want a waveform (..., T), got shape {tuple(waveform.shape)}")
    if not waveform.is_floating_point():
        raise DTypeError(f"{name}: want a floating-point waveform, got {waveform.dtype}")


def resample(
    waveform: Tensor,
    orig_freq: int,
    new_freq: int,
    lowpass_filter_width: int = 6,
    rolloff: float = 0.99,
    resampling_method: str = "sinc_interp_hann",
    beta: float | None = None,
) -> Tensor:
    """The waveform at another rate: (..., T) -> (..., ceil(T new_freq / orig_freq)).

    Wider filters are sharper and slower; rolloff sets the cut-off as a share of the lower Nyquist
    frequency. "sinc_interp_kaiser" with width 64, rolloff 0.9475937167399596 and the default beta
    holds aliases more than 80 dB down. T = 0 gives no samples.

    >>> import sensorium as sn
    >>> resample(sn.ones(1, 441), 44100, 16000).shape
    sensorium.Size([1, 160])
    """
    check_waveform("resample", waveform)
    orig, new = reduced(orig_freq, new_freq)
    if orig == new:
        return waveform
    kernel, reach = sinc_kernel(orig, new, lowpass_filter_width, rolloff, resampling_method, beta)
    weights = sn.tensor(kernel, dtype=waveform.dtype, device=waveform.device)
    return apply_kernel(waveform, weights, reach, orig, new)


def speed(
    waveform: Tensor, orig_freq: int, factor: float, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """The waveform played factor times faster, pitch and all; and lengths / factor, rounded up.

    >>> import sensorium as sn
    >>> speed(sn.ones(1, 100), 1000, 2.0)[0].shape
    sensorium.Size([1, 50])
    """
    source, target = int(factor * orig_freq), int(orig_freq)
    faster = resample(waveform, source, target)
    if lengths is None:
        return faster, None
    return faster, sn.ceil(lengths * target / source).to(lengths.dtype)
