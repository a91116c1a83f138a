"""Decibels, volume, fades, and the mu-law."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

import sensorium as sn
from sensorium.errors import OptionError
from sensorium.nn import Module
from sensorium.tensor import Tensor

from .. import functional as F

_MULTIPLIER = {"power": 10.0, "magnitude": 20.0}
_AMIN = 1e-10

_FADES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: x,
    "exponential": lambda x: 2 ** (x - 1) * x,
    "logarithmic": lambda x: np.log10(0.1 + x) + 1,
    "quarter_sine": lambda x: np.sin(x * np.pi / 2),
    "half_sine": lambda x: np.sin(x * np.pi - np.pi / 2) / 2 + 0.5,
}
"""How loud a fade-in is at x from 0 to 1; a fade-out is its mirror image."""


class AmplitudeToDB(Module):
    """10 log10(x) of power, 20 log10(x) of magnitude, of at least 1e-10: any shape.

    top_db: nothing lies further below the loudest value of its spectrogram.

    >>> import sensorium as sn
    >>> AmplitudeToDB("magnitude", top_db=80)(sn.tensor([[10.0, 0.0]]))
    tensor([[ 20., -60.]])
    """

    def __init__(self, stype: str = "power", top_db: float | None = None) -> None:
        super().__init__()
        if stype not in _MULTIPLIER:
            raise OptionError(f"AmplitudeToDB: stype must be 'power' or 'magnitude', got {stype!r}")
        if top_db is not None and top_db < 0:
            raise OptionError(f"AmplitudeToDB: top_db must not be negative, got {top_db}")
        self.stype, self.top_db = stype, top_db

    def forward(self, x: Tensor) -> Tensor:
        return F.amplitude_to_DB(x, _MULTIPLIER[self.stype], _AMIN, 0.0, self.top_db)

    def extra_repr(self) -> str:
        return f"stype={self.stype!r}, top_db={self.top_db}"


class Vol(Module):
    """The waveform louder or softer, limited to [-1, 1]: (..., T).

    gain_type: gain is a factor ("amplitude"), a factor of the power ("power"), or in decibels ("db").

    >>> import sensorium as sn
    >>> Vol(2.0)(sn.tensor([0.25, 0.75]))
    tensor([0.5000, 1.0000])
    """

    def __init__(self, gain: float, gain_type: str = "amplitude") -> None:
        super().__init__()
        if gain_type not in ("amplitude", "power", "db"):
            raise OptionError(
                f"Vol: gain_type must be 'amplitude', 'power' or 'db', got {gain_type!r}"
            )
        if gain_type in ("amplitude", "power") and gain < 0:
            raise OptionError(f"Vol: a gain of type {gain_type!r} must not be negative, got {gain}")
        if gain_type == "power" and gain == 0:
            raise OptionError("Vol: a gain of type 'power' must be positive, got 0")
        self.gain, self.gain_type = gain, gain_type

    def forward(self, waveform: Tensor) -> Tensor:
        if self.gain_type == "amplitude":
            louder = waveform * self.gain
        else:
            decibels = self.gain if self.gain_type == "db" else 10 * math.log10(self.gain)
            louder = F.gain(waveform, decibels)
        return louder.clamp(-1, 1)

    def extra_repr(self) -> str:
        return f"gain={self.gain}, gain_type={self.gain_type!r}"


class Fade(Module):
    """A fade-in over the first samples and a fade-out over the last: (..., T).

    fade_shape: "linear", "exponential", "logarithmic", "quarter_sine", "half_sine".

    >>> import sensorium as sn
    >>> Fade(3, 2)(sn.ones(6))
    tensor([0.0000, 0.5000, 1.0000, 1.0000, 1.0000, 0.0000])
    """

    def __init__(
        self, fade_in_len: int = 0, fade_out_len: int = 0, fade_shape: str = "linear"
    ) -> None:
        super().__init__()
        if fade_shape not in _FADES:
            raise OptionError(f"Fade: fade_shape must be one of {list(_FADES)}, got {fade_shape!r}")
        if min(fade_in_len, fade_out_len) < 0:
            raise OptionError(
                f"Fade: lengths must not be negative, got {fade_in_len} and {fade_out_len}"
            )
        self.fade_in_len, self.fade_out_len = fade_in_len, fade_out_len
        self.fade_shape = fade_shape

    def forward(self, waveform: Tensor) -> Tensor:
        time = waveform.shape[-1]
        if max(self.fade_in_len, self.fade_out_len) > time:
            raise OptionError(
                f"Fade: {time} samples are fewer than a fade of {self.fade_in_len} or "
                f"{self.fade_out_len}"
            )
        rise = self._ramp(self.fade_in_len, time)
        fall = self._ramp(self.fade_out_len, time)[::-1]
        return waveform * sn.tensor(rise * fall, dtype=waveform.dtype, device=waveform.device)

    def _ramp(self, length: int, time: int) -> np.ndarray:
        ramp = _FADES[self.fade_shape](np.linspace(0, 1, length))
        return np.clip(np.concatenate([ramp, np.ones(time - length)]), 0, 1)

    def extra_repr(self) -> str:
        return f"{self.fade_in_len}, {self.fade_out_len}, fade_shape={self.fade_shape!r}"


class MuLawEncoding(Module):
    """``functional.mu_law_encoding``: a waveform in [-1, 1] as integers.

    >>> import sensorium as sn
    >>> MuLawEncoding()(sn.tensor([-1.0, 0.0, 1.0]))
    tensor([  0, 128, 255])
    """

    def __init__(self, quantization_channels: int = 256) -> None:
        super().__init__()
        self.quantization_channels = quantization_channels

    def forward(self, x: Tensor) -> Tensor:
        return F.mu_law_encoding(x, self.quantization_channels)


class MuLawDecoding(Module):
    """``functional.mu_law_decoding``: integers as a waveform in [-1, 1].

    >>> import sensorium as sn
    >>> MuLawDecoding()(sn.tensor([0, 255]))
    tensor([-1.,  1.])
    """

    def __init__(self, quantization_channels: int = 256) -> None:
        super().__init__()
        self.quantization_channels = quantization_channels

    def forward(self, x_mu: Tensor) -> Tensor:
        return F.mu_law_decoding(x_mu, self.quantization_channels)
