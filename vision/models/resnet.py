"""ResNet, ResNeXt and Wide ResNet: residual networks for photographs.

He et al. 2015 (https://arxiv.org/abs/1512.03385), Xie et al. 2016 (1611.05431), Zagoruyko and
Komodakis 2016 (1605.07146). Keys, shapes and numerics of ``torchvision.models.resnet``, so its
checkpoints load as they are. As there, a bottleneck has its stride in the 3x3 convolution ("v1.5").
A deviation: the shortcut is computed before the last convolution, not after it, so that the two can
be one step; only the order in which hooks run can tell. For tiny images: ``resnet_small``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from sensorium import nn
from sensorium.errors import OptionError
from sensorium.tensor import Tensor

from ._blocks import conv_norm, shortcut
from ._registry import register

Norm = Callable[[int], nn.Module]


# -- blocks --------------------------------------------------------------------------------------
def conv3x3(inputs: int, outputs: int, stride: int = 1, groups: int = 1, dilation: int = 1):
    """A 3x3 convolution that keeps H and W at stride 1, without bias: a norm follows."""
    return nn.Conv2d(
        inputs, outputs, 3, stride, dilation, groups=groups, bias=False, dilation=dilation
    )


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """relu(x + two 3x3 convolutions): (N, C, H, W) -> (N, planes, H/stride, W/stride)."""

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if (groups, base_width, dilation) != (1, 64, 1):
            raise OptionError(
                "BasicBlock: groups, base_width, dilation are 1, 64, 1, got "
                f"{groups}, {base_width}, {dilation}; a Bottleneck has them"
            )
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = conv_norm(x, self.conv1, self.bn1, self.relu)
        x = shortcut(x, self.downsample)
        return conv_norm(y, self.conv2, self.bn2, self.relu, x)


class Bottleneck(nn.Module):
    """relu(x + 1x1, 3x3, 1x1 convolutions): (N, C, H, W) -> (N, 4 planes, H/stride, W/stride).

    The 3x3 convolution has planes * base_width / 64 * groups channels, in groups.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = conv_norm(x, self.conv1, self.bn1, self.relu)
        y = conv_norm(y, self.conv2, self.bn2, self.relu)
        x = shortcut(x, self.downsample)
        return conv_norm(y, self.conv3, self.bn3, self.relu, x)


Block = type[BasicBlock] | type[Bottleneck]
BLOCKS: dict[str, Block] = {"basic": BasicBlock, "bottleneck": Bottleneck}


def block_class(block: Block | str) -> Block:
    """A block by its name, as a card writes it, or the class itself."""
    if isinstance(block, str):
        if block not in BLOCKS:
            raise OptionError(f"ResNet: block is {block!r}, want one of {sorted(BLOCKS)}")
        return BLOCKS[block]
    return block


# -- net -----------------------------------------------------------------------------------------
class ResNet(nn.Module):
    """A stem, four stages of residual blocks, the mean over H and W, a linear layer.

    block: BasicBlock or Bottleneck, or its name; layers: blocks in each stage. Stages 2 to 4 halve H and W, or
    dilate instead where ``replace_stride_with_dilation`` (three booleans) says so.

    >>> import sensorium as sn
    >>> ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10)(sn.zeros(2, 3, 32, 32)).shape
    sensorium.Size([2, 10])
    """

    def __init__(
        self,
        block: Block | str,
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        block = block_class(block)
        dilate = replace_stride_with_dilation or [False, False, False]
        if len(dilate) != 3 or len(layers) != 4:
            raise OptionError(
                "ResNet: wants 4 layers and None or 3 replace_stride_with_dilation, got "
                f"{layers!r} and {replace_stride_with_dilation!r}"
            )
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        init_residual(self, zero_init_residual)

    def _make_layer(
        self, block: Block, planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        """A stage: the first block changes the shape, the others keep it."""
        dilation = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        outputs = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != outputs:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, outputs, stride), self._norm_layer(outputs)
            )
        shared = (self.groups, self.base_width)
        first = block(
            self.inplanes, planes, stride, downsample, *shared, dilation, self._norm_layer
        )
        self.inplanes = outputs
        rest = [
            block(outputs, planes, 1, None, *shared, self.dilation, self._norm_layer)
            for _ in range(1, blocks)
        ]
        return nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = conv_norm(x, self.conv1, self.bn1, self.relu)  # (N, 64, H/2, W/2)
        x = self.layer1(self.maxpool(x))  # (N, C, H/4, W/4)
        x = self.layer4(self.layer3(self.layer2(x)))  # (N, 8 C, H/32, W/32)
        return self.fc(self.avgpool(x).flatten(1))


def init_residual(net: nn.Module, zero_init_residual: bool) -> None:
    """Kaiming normal for convolutions, as in torchvision; with ``zero_init_residual`` every block
    begins as the identity (Goyal et al. 2017, https://arxiv.org/abs/1706.02677)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.constant_(module.weight, 1)
            nn.init.constant_(module.bias, 0)
    for module in net.modules() if zero_init_residual else ():
        if isinstance(module, (BasicBlock, Bottleneck)):
            last = module.bn3 if isinstance(module, Bottleneck) else module.bn2
            nn.init.constant_(last.weight, 0)


# -- variants ------------------------------------------------------------------------------------
_50: dict[str, Any] = {"block": "bottleneck", "layers": (3, 4, 6, 3)}
_101: dict[str, Any] = {"block": "bottleneck", "layers": (3, 4, 23, 3)}
VARIANTS: dict[str, dict[str, Any]] = {
    "resnet18": {"block": "basic", "layers": (2, 2, 2, 2)},
    "resnet34": {"block": "basic", "layers": (3, 4, 6, 3)},
    "resnet50": _50,
    "resnet101": _101,
    "resnet152": {"block": "bottleneck", "layers": (3, 8, 36, 3)},
    "resnext50_32x4d": {**_50, "groups": 32, "width_per_group": 4},
    "resnext101_32x8d": {**_101, "groups": 32, "width_per_group": 8},
    "resnext101_64x4d": {**_101, "groups": 64, "width_per_group": 4},
    "wide_resnet50_2": {**_50, "width_per_group": 128},
    "wide_resnet101_2": {**_101, "width_per_group": 128},
}
register("resnet", ResNet, VARIANTS)
