"""Reference networks from torch.nn layers, written from the papers, with the published key names.

Independent of ``sensorium.vision.models``: blocks here are described by lists of convolutions, and
nothing is fused.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

TORCHVISION = {  # block, blocks in each stage, groups, width of a group: Table 1 of each paper
    "resnet18": ("basic", (2, 2, 2, 2), 1, 64),
    "resnet34": ("basic", (3, 4, 6, 3), 1, 64),
    "resnet50": ("bottleneck", (3, 4, 6, 3), 1, 64),
    "resnet101": ("bottleneck", (3, 4, 23, 3), 1, 64),
    "resnet152": ("bottleneck", (3, 8, 36, 3), 1, 64),
    "resnext50_32x4d": ("bottleneck", (3, 4, 6, 3), 32, 4),
    "resnext101_32x8d": ("bottleneck", (3, 4, 23, 3), 32, 8),
    "resnext101_64x4d": ("bottleneck", (3, 4, 23, 3), 64, 4),
    "wide_resnet50_2": ("bottleneck", (3, 4, 6, 3), 1, 128),
    "wide_resnet101_2": ("bottleneck", (3, 4, 23, 3), 1, 128),
}


class Residual(nn.Module):
    """x + convolutions, each (inputs, outputs, kernel, stride, groups, dilation), then relu."""

    def __init__(self, convs):
        super().__init__()
        self.count = len(convs)
        for n, (inputs, outputs, kernel, stride, groups, dilation) in enumerate(convs, 1):
            pad = dilation * (kernel // 2)
            layer = nn.Conv2d(inputs, outputs, kernel, stride, pad, dilation, groups, bias=False)
            setattr(self, f"conv{n}", layer)
            setattr(self, f"bn{n}", nn.BatchNorm2d(outputs))
        first, last = convs[0], convs[-1]
        total = math.prod(conv[3] for conv in convs)
        self.downsample = None
        if total != 1 or first[0] != last[1]:
            project = nn.Conv2d(first[0], last[1], 1, total, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(last[1]))

    def forward(self, x):
        y = x
        for n in range(1, self.count + 1):
            y = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(y))
            if n < self.count:
                y = torch.relu(y)
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


def residual_convs(kind, inputs, planes, stride, groups, width, dilation=1):
    if kind == "basic":
        return [(inputs, planes, 3, stride, 1, 1), (planes, planes, 3, 1, 1, 1)]
    inner = planes * width // 64 * groups
    return [
        (inputs, inner, 1, 1, 1, 1),
        (inner, inner, 3, stride, groups, dilation),
        (inner, 4 * planes, 1, 1, 1, 1),
    ]


class ResNet(nn.Module):
    def __init__(self, kind, layers, groups=1, width=64, classes=1000, dilated=(0, 0, 0)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs, grow, dilation = 64, 1 if kind == "basic" else 4, 1
        for stage, count in enumerate(layers):
            planes, stride = 64 * 2**stage, 1 if stage == 0 else 2
            before = dilation
            if stage and dilated[stage - 1]:
                dilation, stride = dilation * stride, 1
            blocks = []
            for n in range(count):
                step, dil = (stride, before) if n == 0 else (1, dilation)
                convs = residual_convs(kind, inputs, planes, step, groups, width, dil)
                blocks.append(Residual(convs))
                inputs = planes * grow
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(x.mean((2, 3)))


class SmallResNet(nn.Module):
    def __init__(self, layers, channels, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inputs = 16
        for stage, count in enumerate(layers):
            blocks = []
            for n in range(count):
                planes, stride = 16 * 2**stage, 2 if stage and n == 0 else 1
                blocks.append(Residual(residual_convs("basic", inputs, planes, stride, 1, 64)))
                inputs = planes
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


# -- EfficientNet-Lite ---------------------------------------------------------------------------
ROWS = [  # repeats, kernel, stride, expand, channels
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
]  # fmt: skip


def same(x, conv):
    """The convolution of x with TensorFlow's SAME padding."""
    pads = []
    for n, k, s in zip(x.shape[2:], conv.kernel_size, conv.stride):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.conv2d(F.pad(x, pads), conv.weight, None, conv.stride, groups=conv.groups)


class Inverted(nn.Module):
    def __init__(self, inputs, kernel, stride, expand, outputs):
        super().__init__()
        inner = inputs * expand
        if expand > 1:
            self._expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(inner, 1e-3, 0.01)
        self._depthwise_conv = nn.Conv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = nn.BatchNorm2d(inner, 1e-3, 0.01)
        self._project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, 1e-3, 0.01)
        self.expand, self.skip = expand > 1, stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.relu6(self._bn0(same(x, self._expand_conv))) if self.expand else x
        y = F.relu6(self._bn1(same(y, self._depthwise_conv)))
        y = self._bn2(same(y, self._project_conv))
        return x + y if self.skip else y


class EfficientNetLite(nn.Module):
    def __init__(self, width=1.0, depth=1.0, classes=1000):
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, 1e-3, 0.01)
        blocks, inputs = [], 32
        for stage, (repeats, kernel, stride, expand, channels) in enumerate(ROWS):
            wanted = channels * width
            outputs = max(8, int(wanted + 4) // 8 * 8)
            outputs += 8 * (outputs < 0.9 * wanted)
            count = repeats if stage in (0, 6) else math.ceil(repeats * depth)
            for n in range(count):
                blocks.append(Inverted(inputs, kernel, stride if n == 0 else 1, expand, outputs))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(inputs, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, 1e-3, 0.01)
        self._fc = nn.Linear(1280, classes)

    def forward(self, x):
        x = F.relu6(self._bn0(same(x, self._conv_stem)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(same(x, self._conv_head)))
        return self._fc(x.mean((2, 3)))
