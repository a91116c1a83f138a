"""Other sample rates, by interpolation with a windowed sinc.

y(t) = sum over n of x[n] h(t - n / orig_freq), h the sinc of a low-pass filter times a window (Smith,
"Digital audio resampling", ccrma.stanford.edu/~jos/resample). Rates are reduced by their greatest
common divisor; then only new_freq different sets of weights exist (polyphase), which are the output
channels of one strided convolution.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.tensor import Tensor

KAISER_BETA = 14.769656459379492
"""The default shape of the Kaiser window: that of resampy's "kaiser_best"."""

_METHODS = ("sinc_interp_hann", "sinc_interp_kaiser")


def _reduced(orig_freq: float, new_freq: float) -> tuple[int, int]:
    """Two rates as the smallest integers of their ratio."""
    if orig_freq <= 0 or new_freq <= 0 or int(orig_freq) != orig_freq or int(new_freq) != new_freq:
        raise OptionError(
            f"resample: want positive whole rates, got orig_freq {orig_freq}, new_freq {new_freq}"
        )
    common = math.gcd(int(orig_freq), int(new_freq))
    return int(orig_freq) // common, int(new_freq) // common


@lru_cache(maxsize=16)
def sinc_kernel(
    orig: int, new: int, width: int, rolloff: float, method: str, beta: float | None
) -> tuple[np.ndarray, int]:
    """The weights (new, 1, K) of one period in float64, and the samples they reach back.

    orig and new without a common divisor; width: zeros of the sinc on either side (a lower cut-off
    makes the filter longer); rolloff: the cut-off as a share of the lower Nyquist frequency.
    """
    if method not in _METHODS:
        raise OptionError(f"resample: resampling_method must be one of {_METHODS}, got {method!r}")
    if width < 1 or not 0 < rolloff <= 1:
        raise OptionError(
            f"resample: want lowpass_filter_width >= 1 and 0 < rolloff <= 1, got {width}, {rolloff}"
        )
    cutoff = min(orig, new) * rolloff
    reach = math.ceil(width * orig / cutoff)
    taps = np.arange(-reach, reach + orig) / orig
    t = (taps - np.arange(new)[:, None] / new) * cutoff  # (new, K), in zeros of the sinc
    t = np.clip(t, -width, width)
    kernel = np.sinc(t) * _window(t / width, method, beta) * (cutoff / orig)
    kernel.setflags(write=False)
    return kernel[:, None], reach


def _window(x: np.ndarray, method: str, beta: float | None) -> np.ndarray:
    """The window at places from -1 to 1."""
    if method == "sinc_interp_hann":
        return np.cos(x * np.pi / 2) ** 2
    shape = KAISER_BETA if beta is None else beta
    return np.i0(shape * np.sqrt(np.maximum(1 - x**2, 0))) / np.i0(shape)


def apply_kernel(waveform: Tensor, kernel: Tensor, reach: int, orig: int, new: int) -> Tensor:
    """The convolution of (..., T) with the weights (new, 1, K): (..., ceil(new T / orig))."""
    lead, time = waveform.shape[:-1], waveform.shape[-1]
    wanted = -(-new * time // orig)
    if waveform.numel() == 0:
        return waveform.new_zeros(*lead, wanted)
    rows = sn.nn.functional.pad(waveform.reshape(-1, 1, time), (reach, reach + orig))
    y = sn.nn.functional.conv1d(rows, kernel, stride=orig)  # (rows, new, M)
    return y.transpose(1, 2).reshape(*lead, -1)[..., :wanted]


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
    orig, new = _reduced(orig_freq, new_freq)
    if orig == new:
        return waveform
    kernel, reach = sinc_kernel(orig, new, lowpass_filter_width, rolloff, resampling_method, beta)
    weights: Any = sn.tensor(kernel, dtype=waveform.dtype, device=waveform.device)
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
