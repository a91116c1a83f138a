"""Faster or slower at the same pitch (phase vocoder), and other pitches at the same speed.

Flanagan and Golden, "Phase vocoder" (1966).
"""

from __future__ import annotations

import math

import numpy as np

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.nn import functional as nf
from sensorium.tensor import Tensor

from ._resample import check_waveform, resample


def phase_vocoder(complex_specgrams: Tensor, rate: float, phase_advance: Tensor) -> Tensor:
    """A spectrogram rate times faster at the same pitch: (..., F, M) -> (..., F, ceil(M / rate)).

    Magnitudes are interpolated between frames, phases go on by what they turn between them.
    phase_advance (F, 1): what a frequency's phase turns in one hop, linspace(0, pi hop, F). It tells
    how many whole turns there were, which no result depends on; torchaudio adds them, to the cost of
    digits in float32, and here they are left out.

    >>> import sensorium as sn
    >>> spec = sn.stft(sn.ones(64), 8, 2, window=sn.hann_window(8))
    >>> phase_vocoder(spec, 1.5, sn.linspace(0, 3.14159265 * 2, 5)[:, None]).shape
    sensorium.Size([5, 22])
    """
    x = complex_specgrams
    if x.ndim < 2 or not x.is_complex():
        raise DTypeError(
            f"phase_vocoder: want complex (..., F, M), got {x.dtype} of shape {tuple(x.shape)}"
        )
    if not rate > 0:
        raise OptionError(f"phase_vocoder: rate must be positive, got {rate}")
    if rate == 1.0:
        return x
    if x.shape[-1] == 0:
        raise ShapeError(f"phase_vocoder: want at least 1 frame, got shape {tuple(x.shape)}")
    steps = np.round(np.arange(0, x.shape[-1], rate), 9)  # 10 times 0.7 is frame 7, not just before
    between = sn.tensor(steps % 1.0, dtype=x.abs().dtype, device=x.device)
    whole = sn.tensor(steps.astype(np.int64), device=x.device)
    padded = nf.pad(x, (0, 2))
    now, later = (padded.index_select(-1, whole + i) for i in (0, 1))
    turned = later.angle() - now.angle()
    phase = sn.cat([x[..., :1].angle(), turned[..., :-1]], -1).cumsum(-1)
    return sn.polar(between * later.abs() + (1 - between) * now.abs(), phase)


def pitch_shift(
    waveform: Tensor,
    sample_rate: int,
    n_steps: int,
    bins_per_octave: int = 12,
    n_fft: int = 512,
    win_length: int | None = None,
    hop_length: int | None = None,
    window: Tensor | None = None,
) -> Tensor:
    """The waveform n_steps higher (lower if negative), bins_per_octave to an octave: (..., T).

    Stretched by the phase vocoder, then resampled back to its length.

    >>> import sensorium as sn
    >>> pitch_shift(sn.ones(1, 4000), 8000, 12).shape
    sensorium.Size([1, 4000])
    """
    check_waveform("pitch_shift", waveform)
    rate = 2.0 ** (-n_steps / bins_per_octave)
    win = n_fft if win_length is None else win_length
    hop = n_fft // 4 if hop_length is None else hop_length
    if window is None:
        window = sn.hann_window(win, dtype=waveform.dtype, device=waveform.device)
    lead, time = waveform.shape[:-1], waveform.shape[-1]
    spec = sn.stft(waveform.reshape(math.prod(lead), time), n_fft, hop, win, window)
    advance = sn.linspace(
        0, math.pi * hop, spec.shape[-2], dtype=waveform.dtype, device=waveform.device
    )
    slower = phase_vocoder(spec, rate, advance.unsqueeze(-1))
    stretched = sn.istft(slower, n_fft, hop, win, window, length=round(time / rate))
    shifted = resample(stretched, int(sample_rate / rate), sample_rate)[..., :time]
    return nf.pad(shifted, (0, time - shifted.shape[-1])).reshape(*lead, time)
