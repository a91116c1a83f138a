"""ResNet-50 in torch.nn layers, with torchvision's key names, and weights that suit timing.

The peer of ``sensorium.vision.models.resnet50``, written as torchvision's users have it: nothing
fused, in-place relu, the shortcut added after the last norm.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

LAYERS = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    """relu(x + 1x1, 3x3, 1x1 convolutions); the stride is in the 3x3."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * planes
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = nn.Conv2d(planes, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet50(nn.Module):
    """(N, 3, H, W) -> (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for n, count in enumerate(LAYERS):
            planes, blocks = 64 * 2**n, []
            for k in range(count):
                blocks.append(Bottleneck(inputs, planes, 2 if n and k == 0 else 1))
                inputs = 4 * planes
            setattr(self, f"layer{n + 1}", nn.Sequential(*blocks))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(inputs, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet50(seed: int = 0) -> ResNet50:
    """With weights that keep activations near 1 in eval mode too.

    He initialisation and running statistics of a fresh net would double the activations in every
    block; sizes do not change the speed, but overflow and denormal numbers would.
    """
    torch.manual_seed(seed)
    net = ResNet50()
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            last = name.endswith("bn3")  # the branch stays small beside the shortcut
            nn.init.uniform_(module.weight, 0.1, 0.3) if last else nn.init.ones_(module.weight)
            nn.init.normal_(module.bias, 0.0, 0.1)
            module.running_mean.normal_(0.0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    return net


def state(net: nn.Module) -> dict[str, np.ndarray]:
    """The net's state dict as arrays, to be given to the other side."""
    return {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}
