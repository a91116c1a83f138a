"""What a user may give for a recording, as samples and their rate."""

from __future__ import annotations

from typing import Any

import numpy as np

import sensorium as sn
from sensorium.audio import io
from sensorium.errors import OptionError
from sensorium.tensor import Tensor

Recording = Any  # a path, a file's bytes, an open file; or samples (T,) or (C, T) with their rate


def samples_of(source: Recording, sample_rate: int | None) -> tuple[Tensor, int]:
    """The waveform (C, T) or (T,) of a recording, and its rate in Hz."""
    if isinstance(source, np.ndarray):
        source = sn.from_numpy(np.ascontiguousarray(source))
    if isinstance(source, Tensor):
        if sample_rate is None:
            raise OptionError("a waveform needs its sample_rate=, in Hz")
        return source, sample_rate
    if sample_rate is not None:
        raise OptionError("sample_rate= is for waveforms; a file says its own")
    return io.load(source)
