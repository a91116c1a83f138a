"""A recording as the analysers want it: one channel, float, at their own rate."""

from __future__ import annotations

from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.tensor import Tensor


def as_mono(waveform: Tensor, sample_rate: int, rate: int) -> Tensor:
    """The mean of the channels at ``rate`` Hz: (T,) or (C, T) -> (ceil(T rate / sample_rate),).

    >>> import sensorium as sn
    >>> as_mono(sn.tensor([[1.0, 0.0], [0.0, 0.0]]), 16000, 16000)
    tensor([0.5000, 0.0000])
    """
    if waveform.ndim not in (1, 2) or (waveform.ndim == 2 and not waveform.shape[0]):
        raise ShapeError(f"waveform must be (T,) or (C, T), got {tuple(waveform.shape)}")
    if not waveform.is_floating_point():
        raise DTypeError(f"waveform must be float in [-1, 1], got {waveform.dtype}")
    if not sample_rate > 0:
        raise OptionError(f"sample_rate must be positive, got {sample_rate}")
    mono = waveform.mean(0) if waveform.ndim == 2 else waveform
    if sample_rate == rate or not mono.shape[0]:
        return mono
    from .functional import resample

    return resample(mono, sample_rate, rate)
