"""Batches of recordings of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.create import zeros
from sensorium.data import default_collate
from sensorium.errors import ShapeError
from sensorium.tensor import Tensor


def pad_collate(batch: Sequence[tuple[Any, ...]]) -> list[Any]:
    """[waveforms (N, C, T), lengths (N), ...] of samples (waveform (C, t), ...), t <= T.

    A ``collate_fn``: zeros are appended up to the longest waveform, lengths are what they had, and
    everything else is collated as usual. ShapeError where the channels differ.

    >>> from sensorium.create import ones
    >>> waveforms, lengths, labels = pad_collate([(ones(1, 2), 0), (ones(1, 3), 1)])
    >>> waveforms.tolist(), lengths.tolist(), labels.tolist()
    ([[[1.0, 1.0, 0.0]], [[1.0, 1.0, 1.0]]], [2, 3], [0, 1])
    """
    waveforms = [sample[0] for sample in batch]
    shapes = sorted({tuple(waveform.shape[:-1]) for waveform in waveforms})
    if len(shapes) != 1:
        raise ShapeError(f"pad_collate: waveforms of different channels: {shapes}")
    lengths = [waveform.shape[-1] for waveform in waveforms]
    padded = zeros(len(batch), *shapes[0], max(lengths), dtype=waveforms[0].dtype)
    for row, waveform, length in zip(padded.numpy(), waveforms, lengths):
        row[..., :length] = waveform.numpy()
    rest = default_collate([tuple(sample[1:]) for sample in batch])
    return [padded, Tensor(np.array(lengths)), *rest]
