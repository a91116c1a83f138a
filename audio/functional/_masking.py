"""Random masks over frequencies or frames: the augmentation of SpecAugment.

Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition" (2019).
"""

from __future__ import annotations

from typing import Any

import sensorium as sn
from sensorium.errors import OptionError, ShapeError
from sensorium.tensor import Tensor


def _width(name: str, x: Tensor, mask_param: int, axis: int, p: float) -> int:
    """The exclusive limit of a mask's width: mask_param, and at most the share p of the axis."""
    if x.ndim < 2 or axis not in (x.ndim - 2, x.ndim - 1):
        raise ShapeError(
            f"{name}: axis must be one of the last two, got axis {axis} of shape {tuple(x.shape)}"
        )
    if not 0.0 <= p <= 1.0:
        raise OptionError(f"{name}: p must be in [0, 1], got {p}")
    return min(mask_param, int(x.shape[axis] * p)) if p < 1 else mask_param


def _masked(x: Tensor, width: int, value: Any, axis: int, lead: tuple[int, ...]) -> Tensor:
    """x with value in a random run of places along axis, one run for every index of lead."""
    n = x.shape[axis]
    size = sn.rand(*lead, 1, device=x.device) * width
    start = sn.rand(*lead, 1, device=x.device) * (n - size)
    start, size = start.to(sn.int64), size.to(sn.int64)
    places = sn.arange(n, device=x.device)
    mask = (places >= start) & (places < start + size)  # (*lead, n)
    mask = mask.unsqueeze(-1 if axis == x.ndim - 2 else -2)
    return sn.where(mask, value, x)


def mask_along_axis(
    specgram: Tensor, mask_param: int, mask_value: Any, axis: int, p: float = 1.0
) -> Tensor:
    """mask_value in one run of v frequencies or frames, v drawn from [0, mask_param), the same for all.

    specgram (..., freq, time); axis: the index of the last dimension or of the one before. p: the
    largest share of the axis that may be masked.

    >>> import sensorium as sn
    >>> mask_along_axis(sn.ones(1, 4, 6), 3, 0.0, axis=2).shape
    sensorium.Size([1, 4, 6])
    """
    width = _width("mask_along_axis", specgram, mask_param, axis, p)
    return specgram if width < 1 else _masked(specgram, width, mask_value, axis, ())


def mask_along_axis_iid(
    specgrams: Tensor, mask_param: int, mask_value: Any, axis: int, p: float = 1.0
) -> Tensor:
    """``mask_along_axis`` with a run of its own for every spectrogram of (..., freq, time).

    >>> import sensorium as sn
    >>> mask_along_axis_iid(sn.ones(2, 1, 4, 6), 3, 0.0, axis=3).shape
    sensorium.Size([2, 1, 4, 6])
    """
    if specgrams.ndim < 3:
        raise ShapeError(
            f"mask_along_axis_iid: want (..., freq, time) of at least 3 dimensions, got "
            f"{tuple(specgrams.shape)}"
        )
    width = _width("mask_along_axis_iid", specgrams, mask_param, axis, p)
    lead = tuple(specgrams.shape[:-2])
    return specgrams if width < 1 else _masked(specgrams, width, mask_value, axis, lead)
