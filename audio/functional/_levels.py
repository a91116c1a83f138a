"""Levels: decibels and back, gain, and the mu-law of telephony."""

from __future__ import annotations

import math
from typing import Any

import sensorium as sn
from sensorium.errors import OptionError
from sensorium.tensor import Tensor


def amplitude_to_DB(
    x: Tensor, multiplier: float, amin: float, db_multiplier: float, top_db: float | None = None
) -> Tensor:
    """multiplier (log10(max(x, amin)) - db_multiplier): any shape.

    multiplier: 10 for power, 20 for amplitude; db_multiplier: log10 of what counts as 0 dB. top_db:
    nothing lies further below the loudest value of its spectrogram, (C, F, M) of every batch entry.

    >>> import sensorium as sn
    >>> amplitude_to_DB(sn.tensor([1.0, 0.01]), 10.0, 1e-10, 0.0)
    tensor([  0.0000, -20.0000])
    """
    x_db = multiplier * sn.log10(x.clamp(min=amin)) - multiplier * db_multiplier
    if top_db is None or x.numel() == 0:
        return x_db
    dims = tuple(range(-min(x.ndim, 3), 0))
    floor = x_db.amax(dims, keepdim=True) - top_db if dims else x_db - top_db
    return sn.maximum(x_db, floor)


def DB_to_amplitude(x: Tensor, ref: float, power: float) -> Tensor:
    """ref (10 ** (x / 10)) ** power: power 1 gives power, 0.5 amplitude.

    >>> import sensorium as sn
    >>> DB_to_amplitude(sn.tensor([0.0, 20.0]), 1.0, 0.5)
    tensor([ 1., 10.])
    """
    return ref * sn.pow(sn.pow(10.0, 0.1 * x), power)


def gain(waveform: Tensor, gain_db: float = 1.0) -> Tensor:
    """waveform 10 ** (gain_db / 20): louder by gain_db decibels.

    >>> import sensorium as sn
    >>> gain(sn.tensor([0.05]), 20.0)
    tensor([0.5000])
    """
    return waveform if gain_db == 0 else waveform * 10 ** (gain_db / 20)


def _mu(name: str, quantization_channels: int) -> float:
    if quantization_channels < 2:
        raise OptionError(
            f"{name}: want at least 2 quantization_channels, got {quantization_channels}"
        )
    return quantization_channels - 1.0


def mu_law_encoding(x: Tensor, quantization_channels: int) -> Tensor:
    """sign(x) log(1 + mu |x|) / log(1 + mu) in steps from 0 to mu = quantization_channels - 1.

    x in [-1, 1], any shape; the result is int64 (G.711 has 256 channels).

    >>> import sensorium as sn
    >>> mu_law_encoding(sn.tensor([-1.0, 0.0, 1.0]), 256)
    tensor([  0, 128, 255])
    """
    mu = _mu("mu_law_encoding", quantization_channels)
    if not x.is_floating_point():
        x = x.to(sn.get_default_dtype())
    squeezed = x.sign() * sn.log1p(mu * x.abs()) / math.log1p(mu)
    return ((squeezed + 1) / 2 * mu + 0.5).to(sn.int64)


def mu_law_decoding(x_mu: Tensor, quantization_channels: int) -> Tensor:
    """What ``mu_law_encoding`` came from, to within its steps: sign(y) ((1 + mu)^|y| - 1) / mu.

    >>> import sensorium as sn
    >>> mu_law_decoding(sn.tensor([0, 255]), 256)
    tensor([-1.,  1.])
    """
    mu = _mu("mu_law_decoding", quantization_channels)
    y: Any = x_mu if x_mu.is_floating_point() else x_mu.to(sn.get_default_dtype())
    y = y / mu * 2 - 1
    return y.sign() * sn.expm1(y.abs() * math.log1p(mu)) / mu
