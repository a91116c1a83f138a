"""EfficientNet-Lite: EfficientNet for small devices, ReLU6 and no squeeze-and-excitation.

Tan and Le 2019 (https://arxiv.org/abs/1905.11946) in the Lite form of the TensorFlow authors (stem
and head keep their width, the first and last stage their depth). Keys of the published PyTorch
conversion (``_conv_stem``, ``_blocks.0._depthwise_conv``, ``_fc``), so its checkpoints load as they
are. Padding is TensorFlow's SAME: H/stride rounded up, the odd pixel at the right and bottom.
Block k of K is left out of a training step for a sample with probability ``drop_connect`` k/K.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from sensorium import nn
from sensorium.tensor import Tensor

from ._blocks import conv_norm, same_pads
from ._layers import make_divisible, stochastic_depth
from ._registry import register


# -- config --------------------------------------------------------------------------------------
class Stage(NamedTuple):
    """Blocks of one shape: the first has the stride, the others 1."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    outputs: int


STAGES = (  # of Lite0; STEM channels go in
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280
_EPS, _MOMENTUM = 1e-3, 0.01


def scaled_stages(width: float, depth: float) -> list[Stage]:
    """STAGES with channels times width, rounded to 8, and repeats times depth, rounded up.

    >>> [stage.repeats for stage in scaled_stages(1.0, 1.1)]
    [1, 3, 3, 4, 4, 5, 1]
    """
    ends = (0, len(STAGES) - 1)
    return [
        stage._replace(
            outputs=make_divisible(stage.outputs * width),
            repeats=stage.repeats if n in ends else math.ceil(stage.repeats * depth),
        )
        for n, stage in enumerate(STAGES)
    ]


# -- blocks --------------------------------------------------------------------------------------
def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPS, momentum=_MOMENTUM)


def _pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def _square(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias; with a stride its input has ``same_pads`` put around it."""
    padding = kernel // 2 if stride == 1 else 0
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


class MBConvBlock(nn.Module):
    """1x1 to expand * C channels, depthwise k x k, 1x1 to outputs; + x where the shape stays.

    (N, C, H, W) -> (N, outputs, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(self, inputs: int, stage: Stage, stride: int, drop: float) -> None:
        super().__init__()
        inner = inputs * stage.expand
        if stage.expand != 1:
            self._expand_conv = _pointwise(inputs, inner)
            self._bn0 = _norm(inner)
        self._depthwise_conv = _square(inner, inner, stage.kernel, stride, inner)
        self._bn1 = _norm(inner)
        self._project_conv = _pointwise(inner, stage.outputs)
        self._bn2 = _norm(stage.outputs)
        self._swish = nn.ReLU6(inplace=True)  # the checkpoint family's name for its activation
        self.expands, self.kernel, self.stride = stage.expand != 1, stage.kernel, stride
        self.skips, self.drop = stride == 1 and inputs == stage.outputs, drop

    def forward(self, x: Tensor) -> Tensor:
        y = conv_norm(x, self._expand_conv, self._bn0, self._swish) if self.expands else x
        pads = same_pads(y, self.kernel, self.stride) if self.stride != 1 else None
        y = conv_norm(y, self._depthwise_conv, self._bn1, self._swish, pads=pads)
        if not self.skips:
            return conv_norm(y, self._project_conv, self._bn2)
        if not (self.training and self.drop):
            return conv_norm(y, self._project_conv, self._bn2, residual=x)
        return x + stochastic_depth(conv_norm(y, self._project_conv, self._bn2), self.drop, "row")


# -- net -----------------------------------------------------------------------------------------
class EfficientNetLite(nn.Module):
    """A stem, seven stages of inverted bottlenecks, a 1x1 head, the mean over H and W, a linear
    layer: (N, in_channels, H, W) -> (N, num_classes).

    >>> import sensorium as sn
    >>> EfficientNetLite(num_classes=10).eval()(sn.zeros(1, 3, 64, 64)).shape
    sensorium.Size([1, 10])
    """

    def __init__(
        self,
        width: float = 1.0,
        depth: float = 1.0,
        dropout: float = 0.2,
        num_classes: int = 1000,
        in_channels: int = 3,
        drop_connect: float = 0.2,
    ) -> None:
        super().__init__()
        self._conv_stem = _square(in_channels, STEM, 3, 2)
        self._bn0 = _norm(STEM)
        self._blocks = nn.ModuleList(_blocks(scaled_stages(width, depth), drop_connect))
        self._conv_head = _pointwise(scaled_stages(width, depth)[-1].outputs, HEAD)
        self._bn1 = _norm(HEAD)
        self._avg_pooling = nn.AdaptiveAvgPool2d(1)
        self._dropout = nn.Dropout(dropout)
        self._fc = nn.Linear(HEAD, num_classes)
        self._swish = nn.ReLU6(inplace=True)

    def extract_features(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, 1280, H/32, W/32)."""
        x = conv_norm(x, self._conv_stem, self._bn0, self._swish, pads=same_pads(x, 3, 2))
        for block in self._blocks:
            x = block(x)
        return conv_norm(x, self._conv_head, self._bn1, self._swish)

    def forward(self, x: Tensor) -> Tensor:
        x = self._avg_pooling(self.extract_features(x)).flatten(1)  # (N, 1280)
        return self._fc(self._dropout(x))


def _blocks(stages: list[Stage], drop_connect: float) -> list[MBConvBlock]:
    """Every block in order, with its own share of drop_connect."""
    total = sum(stage.repeats for stage in stages)
    blocks: list[MBConvBlock] = []
    inputs = STEM
    for stage in stages:
        for n in range(stage.repeats):
            drop = drop_connect * len(blocks) / total
            blocks.append(MBConvBlock(inputs, stage, stage.stride if n == 0 else 1, drop))
            inputs = stage.outputs
    return blocks


# -- variants ------------------------------------------------------------------------------------
VARIANTS: dict[str, dict[str, Any]] = {  # made for images of 224, 240, 260, 280 and 300 pixels
    "efficientnet_lite0": {"width": 1.0, "depth": 1.0, "dropout": 0.2},
    "efficientnet_lite1": {"width": 1.0, "depth": 1.1, "dropout": 0.2},
    "efficientnet_lite2": {"width": 1.1, "depth": 1.2, "dropout": 0.3},
    "efficientnet_lite3": {"width": 1.2, "depth": 1.4, "dropout": 0.3},
    "efficientnet_lite4": {"width": 1.4, "depth": 1.8, "dropout": 0.3},
}
register("efficientnet_lite", EfficientNetLite, VARIANTS)
