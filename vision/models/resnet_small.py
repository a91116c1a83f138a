"""ResNet for tiny images: 28x28, 32x32, 8x8.

He et al. 2015, section 4.2 (https://arxiv.org/abs/1512.03385): a 3x3 stem that keeps H and W, three
stages of basic blocks with 16, 32 and 64 channels. A deviation: shortcuts that change the shape are
1x1 convolutions (the paper's option B), not zero padding. For photographs: ``resnet``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sensorium import nn
from sensorium.errors import OptionError
from sensorium.tensor import Tensor

from ._blocks import conv_norm
from ._registry import register
from .resnet import BasicBlock, conv1x1, conv3x3, init_residual


# -- net -----------------------------------------------------------------------------------------
class SmallResNet(nn.Module):
    """A stem, three stages of basic blocks, the mean over H and W, a linear layer.

    layers: blocks in each stage; width: channels of the first, doubled by each that follows.

    >>> import sensorium as sn
    >>> SmallResNet([1, 1, 1], in_channels=1)(sn.zeros(2, 1, 8, 8)).shape
    sensorium.Size([2, 10])
    """

    def __init__(
        self,
        layers: Sequence[int],
        num_classes: int = 10,
        in_channels: int = 3,
        width: int = 16,
        zero_init_residual: bool = False,
    ) -> None:
        super().__init__()
        if len(layers) != 3 or min(layers) < 1:
            raise OptionError(f"SmallResNet: wants 3 layers of at least 1 block, got {layers!r}")
        self.conv1 = conv3x3(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(width, width, layers[0], 1)
        self.layer2 = _stage(width, 2 * width, layers[1], 2)
        self.layer3 = _stage(2 * width, 4 * width, layers[2], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(4 * width, num_classes)
        init_residual(self, zero_init_residual)

    def forward(self, x: Tensor) -> Tensor:
        x = conv_norm(x, self.conv1, self.bn1, self.relu)  # (N, C, H, W)
        x = self.layer3(self.layer2(self.layer1(x)))  # (N, 4 C, H/4, W/4)
        return self.fc(self.avgpool(x).flatten(1))


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    """The first block changes the shape, the others keep it."""
    downsample = None
    if inputs != outputs:
        downsample = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))
    first = BasicBlock(inputs, outputs, stride, downsample)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs) for _ in range(1, blocks)))


# -- variants ------------------------------------------------------------------------------------
VARIANTS: dict[str, dict[str, Any]] = {
    "digits_resnet": {"layers": (1, 1, 1), "in_channels": 1},  # 8x8 gray
    "resnet20": {"layers": (3, 3, 3)},  # and on: CIFAR, 32x32 colour
    "resnet32": {"layers": (5, 5, 5)},
    "resnet44": {"layers": (7, 7, 7)},
    "resnet56": {"layers": (9, 9, 9)},
    "resnet110": {"layers": (18, 18, 18)},
}
register("resnet_small", SmallResNet, VARIANTS)
