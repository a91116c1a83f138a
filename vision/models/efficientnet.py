"""EfficientNet B0 to B7: width, depth and image size grown together, with squeeze-and-excitation.

Tan and Le 2019 (https://arxiv.org/abs/1905.11946). Keys, shapes, numerics and starts of
``torchvision.models.efficientnet``, so its checkpoints load as they are. Left out: EfficientNetV2.
For small devices: ``efficientnet_lite``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sensorium import nn
from sensorium.errors import OptionError
from sensorium.nn import init
from sensorium.tensor import Tensor

from ._layers import (
    Conv2dNormActivation,
    Norm,
    SqueezeExcitation,
    StochasticDepth,
    add_last,
    make_divisible,
    start_convolutions,
)
from ._registry import register


# -- config --------------------------------------------------------------------------------------
@dataclass
class MBConvConfig:
    """A stage: num_layers blocks, the first with the stride, the others 1.

    Channels are given unscaled and multiplied by width_mult, layers by depth_mult and rounded up.

    >>> MBConvConfig(6, 3, 2, 40, 80, 3, width_mult=1.1, depth_mult=1.2).num_layers
    4
    """

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    width_mult: float = 1.0
    depth_mult: float = 1.0
    block: Callable[..., nn.Module] | None = None

    def __post_init__(self) -> None:
        self.input_channels = self.adjust_channels(self.input_channels, self.width_mult)
        self.out_channels = self.adjust_channels(self.out_channels, self.width_mult)
        self.num_layers = self.adjust_depth(self.num_layers, self.depth_mult)
        self.block = self.block or MBConv

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """channels times width_mult, a multiple of 8."""
        return make_divisible(channels * width_mult, 8, min_value)

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """num_layers times depth_mult, rounded up."""
        return math.ceil(num_layers * depth_mult)


STAGES = (  # Table 1 of the paper: expand ratio, kernel, stride, channels in and out, layers
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


# -- blocks --------------------------------------------------------------------------------------
class MBConv(nn.Module):
    """1x1 to expand, depthwise k x k, squeeze-and-excitation, 1x1 to project; + x where the shape
    stays: (N, input_channels, H, W) -> (N, out_channels, H/stride, W/stride).

    With probability stochastic_depth_prob a sample of a training step has x alone.
    """

    def __init__(
        self,
        cnf: MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Norm,
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise OptionError(f"MBConv: stride is 1 or 2, got {cnf.stride}")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        inner = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer)
        silu: dict[str, Any] = {"activation_layer": nn.SiLU}
        layers: list[nn.Module] = []
        if inner != cnf.input_channels:
            layers.append(conv(cnf.input_channels, inner, kernel_size=1, **silu))
        layers.append(
            conv(inner, inner, kernel_size=cnf.kernel, stride=cnf.stride, groups=inner, **silu)
        )
        squeezed = max(1, cnf.input_channels // 4)
        layers.append(se_layer(inner, squeezed, activation=partial(nn.SiLU, inplace=True)))
        layers.append(conv(inner, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        if not self.use_res_connect:
            return self.block(input)
        drop = self.stochastic_depth
        if drop._hooks or (drop.training and drop.p):
            return drop(self.block(input)) + input
        return add_last(input, self.block, input)


# -- net -----------------------------------------------------------------------------------------
class EfficientNet(nn.Module):
    """A stem, stages of inverted bottlenecks, a 1x1 head, the mean over H and W, a linear layer:
    (N, 3, H, W) -> (N, num_classes).

    inverted_residual_setting: a config for each stage. Block k of K has the chance
    stochastic_depth_prob k / K to be passed over in training. last_channel: the head's channels, by
    default four times those of the last stage.

    >>> import sensorium as sn
    >>> tiny = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(6, 3, 2, 8, 16, 2)]
    >>> EfficientNet(tiny, dropout=0.2, num_classes=10).eval()(sn.zeros(1, 3, 32, 32)).shape
    sensorium.Size([1, 10])
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not setting or not all(isinstance(stage, MBConvConfig) for stage in setting):
            raise OptionError(
                f"EfficientNet: inverted_residual_setting is MBConvConfigs, got {setting!r}"
            )
        norm = norm_layer or nn.BatchNorm2d
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        last = setting[-1].out_channels
        head = 4 * last if last_channel is None else last_channel
        self.features = nn.Sequential(
            conv(3, setting[0].input_channels, stride=2),
            *_stages(setting, stochastic_depth_prob, norm),
            conv(last, head, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, inplace=True), nn.Linear(head, num_classes)
        )
        start_convolutions(self)
        bound = 1 / math.sqrt(num_classes)
        init.uniform_(self.classifier[1].weight, -bound, bound)
        init.zeros_(self.classifier[1].bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x)).flatten(1)  # (N, last_channel)
        return self.classifier(x)


def _stages(setting: Sequence[MBConvConfig], prob: float, norm: Norm) -> list[nn.Module]:
    """The blocks of each stage, every block with its own share of prob."""
    total = sum(stage.num_layers for stage in setting)
    stages: list[nn.Module] = []
    made = 0
    for stage in setting:
        blocks: list[nn.Module] = []
        make: Any = stage.block
        for n in range(stage.num_layers):
            cnf = copy.copy(stage)
            if n > 0:
                cnf.input_channels, cnf.stride = stage.out_channels, 1
            blocks.append(make(cnf, prob * made / total, norm))
            made += 1
        stages.append(nn.Sequential(*blocks))
    return stages


# -- variants ------------------------------------------------------------------------------------
def efficientnet(
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    dropout: float = 0.2,
    stochastic_depth_prob: float = 0.2,
    num_classes: int = 1000,
    norm_layer: Norm | None = None,
    norm_eps: float = 1e-5,
    norm_momentum: float = 0.1,
) -> EfficientNet:
    """``STAGES`` scaled by width_mult and depth_mult. norm_eps and norm_momentum are those of batch
    norm where no norm_layer is given.

    >>> efficientnet(width_mult=0.25, depth_mult=0.5, num_classes=10).classifier[1].out_features
    10
    """
    stages = [MBConvConfig(*row, width_mult, depth_mult) for row in STAGES]
    norm = norm_layer or partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
    return EfficientNet(stages, dropout, stochastic_depth_prob, num_classes, norm)


def _row(width: float, depth: float, dropout: float, **norm: float) -> dict[str, Any]:
    return {"width_mult": width, "depth_mult": depth, "dropout": dropout, **norm}


_CONVERTED: dict[str, float] = {"norm_eps": 1e-3, "norm_momentum": 0.01}  # from TensorFlow
VARIANTS: dict[str, dict[str, Any]] = {  # for 224, 240, 260, 300, 380, 456, 528, 600 pixels
    "efficientnet_b0": _row(1.0, 1.0, 0.2),
    "efficientnet_b1": _row(1.0, 1.1, 0.2),
    "efficientnet_b2": _row(1.1, 1.2, 0.3),
    "efficientnet_b3": _row(1.2, 1.4, 0.3),
    "efficientnet_b4": _row(1.4, 1.8, 0.4),
    "efficientnet_b5": _row(1.6, 2.2, 0.4, **_CONVERTED),
    "efficientnet_b6": _row(1.8, 2.6, 0.5, **_CONVERTED),
    "efficientnet_b7": _row(2.0, 3.1, 0.5, **_CONVERTED),
}
register("efficientnet", efficientnet, VARIANTS)
