"""MobileNetV2 and EfficientNet-B0 in torch.nn layers, with torchvision's key names.

The peers of ``sensorium.vision.models``, written as torchvision's users have them: nothing fused,
activations in place. For inference only: nothing is dropped, but the layers that would drop have
their place, so that keys agree.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Activation = Callable[..., nn.Module]

MOBILE = (  # expand ratio, channels, blocks, stride of the first: Sandler et al. 2018, table 2
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip
EFFICIENT = (  # expand ratio, kernel, stride, channels in and out, blocks: Tan and Le 2019, table 1
    (1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1),
)  # fmt: skip


def step(
    inputs: int, outputs: int, kernel: int, stride: int, groups: int, act: Activation | None
) -> nn.Sequential:
    """Convolution, norm, activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    layers = [conv, nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([act(inplace=True)] if act else []))


# -- MobileNetV2 ---------------------------------------------------------------------------------
class InvertedResidual(nn.Module):
    """x + 1x1, depthwise 3x3, 1x1 convolutions; without x where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = inputs * expand
        layers = [step(inputs, inner, 1, 1, 1, nn.ReLU6)] if expand != 1 else []
        layers += [step(inner, inner, 3, stride, inner, nn.ReLU6)]
        layers += [nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """(N, 3, H, W) -> (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        layers, inputs = [step(3, 32, 3, 2, 1, nn.ReLU6)], 32
        for expand, outputs, count, stride in MOBILE:
            for n in range(count):
                layers.append(InvertedResidual(inputs, outputs, 1 if n else stride, expand))
                inputs = outputs
        self.features = nn.Sequential(*layers, step(inputs, 1280, 1, 1, 1, nn.ReLU6))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


# -- EfficientNet --------------------------------------------------------------------------------
class SqueezeExcitation(nn.Module):
    """x times a weight for each channel."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.activation, self.scale_activation = nn.SiLU(inplace=True), nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return self.scale_activation(scale) * x


class MBConv(nn.Module):
    """x + 1x1, depthwise, squeeze-and-excitation, 1x1; without x where the shape changes."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = inputs * expand
        layers: list[nn.Module] = [step(inputs, inner, 1, 1, 1, nn.SiLU)] if expand != 1 else []
        layers.append(step(inner, inner, kernel, stride, inner, nn.SiLU))
        layers.append(SqueezeExcitation(inner, inputs // 4))
        layers.append(step(inner, outputs, 1, 1, 1, None))
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.block(x)
        if self.residual:
            y += x
        return y


class EfficientNetB0(nn.Module):
    """(N, 3, H, W) -> (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        stages = [step(3, 32, 3, 2, 1, nn.SiLU)]
        for expand, kernel, stride, inputs, outputs, count in EFFICIENT:
            blocks = [MBConv(inputs, outputs, kernel, stride, expand)]
            blocks += [MBConv(outputs, outputs, kernel, 1, expand) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*stages, step(320, 1280, 1, 1, 1, nn.SiLU))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(1280, 1000))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


@torch.no_grad()
def settled(net: nn.Module, size: int = 224) -> nn.Module:
    """The net in eval mode, with statistics of random images: activations stay near 1."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.normal_(module.bias, 0.0, 0.1)
    net.train()(torch.randn(8, 3, size, size))
    return net.eval()
