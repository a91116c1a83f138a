"""Random masks over frequencies and frames, for training; they apply in eval mode too."""

from __future__ import annotations

from typing import Any

from sensorium.errors import OptionError
from sensorium.nn import Module
from sensorium.tensor import Tensor

from .. import functional as F


class _AxisMasking(Module):
    """One mask along the last dimension but one (axis -2) or along the last (-1)."""

    def __init__(self, mask_param: int, axis: int, iid_masks: bool, p: float = 1.0) -> None:
        super().__init__()
        self.mask_param, self.axis, self.iid_masks, self.p = mask_param, axis, iid_masks, p

    def forward(self, specgram: Tensor, mask_value: Any = 0.0) -> Tensor:
        mask = F.mask_along_axis_iid if self.iid_masks else F.mask_along_axis
        return mask(specgram, self.mask_param, mask_value, self.axis + specgram.ndim, self.p)

    def extra_repr(self) -> str:
        return f"{self.mask_param}, iid_masks={self.iid_masks}, p={self.p}"


class FrequencyMasking(_AxisMasking):
    """A run of fewer than freq_mask_param frequencies set to mask_value: (..., freq, time).

    iid_masks: a run of its own for every spectrogram of a batch.

    >>> import sensorium as sn
    >>> FrequencyMasking(4)(sn.ones(1, 8, 5)).shape
    sensorium.Size([1, 8, 5])
    """

    def __init__(self, freq_mask_param: int, iid_masks: bool = False) -> None:
        super().__init__(freq_mask_param, -2, iid_masks)


class TimeMasking(_AxisMasking):
    """A run of fewer than time_mask_param frames, and at most their share p, set to mask_value.

    >>> import sensorium as sn
    >>> TimeMasking(4)(sn.ones(1, 8, 5)).shape
    sensorium.Size([1, 8, 5])
    """

    def __init__(self, time_mask_param: int, iid_masks: bool = False, p: float = 1.0) -> None:
        if not 0.0 <= p <= 1.0:
            raise OptionError(f"TimeMasking: p must be in [0, 1], got {p}")
        super().__init__(time_mask_param, -1, iid_masks, p)


class SpecAugment(Module):
    """n_time_masks masks of frames, then n_freq_masks of frequencies: (..., freq, time).

    Set to the mean of the spectrogram, or to 0 if zero_masking. iid_masks: masks of its own for every
    spectrogram of a batch. p: the largest share of either axis that one mask may cover. Park et al.,
    "SpecAugment" (2019).

    >>> import sensorium as sn
    >>> SpecAugment(2, 10, 2, 4)(sn.randn(3, 1, 16, 50)).shape
    sensorium.Size([3, 1, 16, 50])
    """

    def __init__(
        self,
        n_time_masks: int,
        time_mask_param: int,
        n_freq_masks: int,
        freq_mask_param: int,
        iid_masks: bool = True,
        p: float = 1.0,
        zero_masking: bool = False,
    ) -> None:
        super().__init__()
        self.n_time_masks, self.time_mask_param = n_time_masks, time_mask_param
        self.n_freq_masks, self.freq_mask_param = n_freq_masks, freq_mask_param
        self.iid_masks, self.p, self.zero_masking = iid_masks, p, zero_masking

    def forward(self, specgram: Tensor) -> Tensor:
        value: Any = 0.0 if self.zero_masking else specgram.mean()
        apart = specgram.ndim > 2 and self.iid_masks
        mask = F.mask_along_axis_iid if apart else F.mask_along_axis
        time = specgram.ndim - 1
        for _ in range(self.n_time_masks):
            specgram = mask(specgram, self.time_mask_param, value, time, self.p)
        for _ in range(self.n_freq_masks):
            specgram = mask(specgram, self.freq_mask_param, value, time - 1, self.p)
        return specgram

    def extra_repr(self) -> str:
        return (
            f"{self.n_time_masks}, {self.time_mask_param}, {self.n_freq_masks}, "
            f"{self.freq_mask_param}, iid_masks={self.iid_masks}, p={self.p}"
        )
