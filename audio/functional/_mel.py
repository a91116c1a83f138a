"""Filter banks on the mel scale and on a linear one, and the discrete cosine transform of MFCCs.

Tables are computed in float64 and rounded once to the default type. F frequencies from 0 to
sample_rate // 2, equally far apart.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from sensorium.dtypes import get_default_dtype
from sensorium.errors import OptionError
from sensorium.tensor import Tensor, wrap

_SLANEY_BREAK = 1000.0  # Hz; a mel is 200 / 3 Hz below it, and a factor above it
_SLANEY_BREAK_MELS = 15.0
_SLANEY_LOG = math.log(6.4) / 27  # the step of the logarithm a mel


# -- the scale -------------------------------------------------------------------------------------
def _check_scale(name: str, mel_scale: str) -> None:
    if mel_scale not in ("htk", "slaney"):
        raise OptionError(f"{name}: mel_scale must be 'htk' or 'slaney', got {mel_scale!r}")


def _hz_to_mel(freq: float, mel_scale: str) -> float:
    """2595 log10(1 + f / 700) (O'Shaughnessy, 1987; HTK), or Slaney's Auditory Toolbox (1998).

    >>> round(_hz_to_mel(1000, "htk"), 2), _hz_to_mel(1000, "slaney")
    (999.99, 15.0)
    """
    if mel_scale == "htk":
        return 2595 * math.log10(1 + freq / 700)
    if freq < _SLANEY_BREAK:
        return freq * 3 / 200
    return _SLANEY_BREAK_MELS + math.log(freq / _SLANEY_BREAK) / _SLANEY_LOG


def _mel_to_hz(mels: np.ndarray, mel_scale: str) -> np.ndarray:
    """The inverse of ``_hz_to_mel``."""
    if mel_scale == "htk":
        return 700 * (10 ** (mels / 2595) - 1)
    above = mels - _SLANEY_BREAK_MELS
    return np.where(above < 0, mels * 200 / 3, _SLANEY_BREAK * np.exp(above * _SLANEY_LOG))


# -- banks -----------------------------------------------------------------------------------------
def _triangles(n_freqs: int, sample_rate: int, corners: np.ndarray) -> np.ndarray:
    """One triangle a filter, rising from its corner i to 1 at i + 1 and back to 0 at i + 2."""
    freqs = np.linspace(0, sample_rate // 2, n_freqs)[:, None]  # (F, 1)
    width = np.diff(corners)
    rising = (freqs - corners[:-2]) / width[:-1]
    falling = (corners[2:] - freqs) / width[1:]
    return np.maximum(0, np.minimum(rising, falling))


def _table(array: np.ndarray) -> Tensor:
    return wrap(array.astype(get_default_dtype()))


def _check_bank(name: str, n_freqs: int, f_min: float, f_max: float, count: int) -> None:
    if n_freqs < 1 or count < 1 or not 0 <= f_min < f_max:
        raise OptionError(
            f"{name}: want n_freqs >= 1, at least 1 filter and 0 <= f_min < f_max, got n_freqs "
            f"{n_freqs}, {count} filters, f_min {f_min}, f_max {f_max}"
        )


def melscale_fbanks(
    n_freqs: int,
    f_min: float,
    f_max: float,
    n_mels: int,
    sample_rate: int,
    norm: str | None = None,
    mel_scale: str = "htk",
) -> Tensor:
    """n_mels triangles, equally wide in mel, for ``spectrum @ bank``: (F, n_mels).

    norm: "slaney" divides each by half its width in Hz, which gives all the same area. mel_scale:
    "htk" or "slaney". Warns when a filter is so narrow that no frequency falls into it.

    >>> melscale_fbanks(201, 0.0, 8000.0, 80, 16000, norm="slaney", mel_scale="slaney").shape
    sensorium.Size([201, 80])
    """
    if norm is not None and norm != "slaney":
        raise OptionError(f"melscale_fbanks: norm must be None or 'slaney', got {norm!r}")
    _check_scale("melscale_fbanks", mel_scale)
    _check_bank("melscale_fbanks", n_freqs, f_min, f_max, n_mels)
    low, high = (_hz_to_mel(f, mel_scale) for f in (f_min, f_max))
    corners = _mel_to_hz(np.linspace(low, high, n_mels + 2), mel_scale)
    bank = _triangles(n_freqs, sample_rate, corners)
    if norm == "slaney":
        bank *= 2 / (corners[2:] - corners[:-2])
    _warn_of_empty(bank)
    return _table(bank)


def _warn_of_empty(bank: np.ndarray) -> None:
    empty = int((bank.max(axis=0) == 0).sum())
    if empty:
        warnings.warn(
            f"melscale_fbanks: {empty} of {bank.shape[1]} filters are all zero: n_mels is too high for "
            f"{bank.shape[0]} frequencies",
            stacklevel=3,
        )


def linear_fbanks(
    n_freqs: int, f_min: float, f_max: float, n_filter: int, sample_rate: int
) -> Tensor:
    """n_filter triangles, equally wide in Hz, for ``spectrum @ bank``: (F, n_filter).

    >>> linear_fbanks(201, 0.0, 8000.0, 40, 16000).shape
    sensorium.Size([201, 40])
    """
    _check_bank("linear_fbanks", n_freqs, f_min, f_max, n_filter)
    return _table(_triangles(n_freqs, sample_rate, np.linspace(f_min, f_max, n_filter + 2)))


def create_dct(n_mfcc: int, n_mels: int, norm: str | None) -> Tensor:
    """The matrix of the type-2 cosine transform, for ``log_mel @ dct``: (n_mels, n_mfcc).

    2 cos(pi / n_mels (n + 1/2) k); norm "ortho" scales its columns to length 1.

    >>> create_dct(2, 2, "ortho")
    tensor([[ 0.7071,  0.7071],
            [ 0.7071, -0.7071]])
    """
    if norm is not None and norm != "ortho":
        raise OptionError(f"create_dct: norm must be None or 'ortho', got {norm!r}")
    n, k = np.arange(n_mels)[:, None], np.arange(n_mfcc)
    dct: Any = 2 * np.cos(np.pi / n_mels * (n + 0.5) * k)
    if norm == "ortho":
        dct *= np.where(k == 0, math.sqrt(0.25 / n_mels), math.sqrt(0.5 / n_mels))
    return _table(dct)
