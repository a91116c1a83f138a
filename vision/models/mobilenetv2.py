"""MobileNetV2: inverted residuals with linear bottlenecks, for photographs on small devices.

Sandler et al. 2018 (https://arxiv.org/abs/1801.04381). Keys, shapes, numerics and starts of
``torchvision.models.mobilenetv2``, so its checkpoints load as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sensorium import nn
from sensorium.errors import OptionError
from sensorium.nn import functional as F, init
from sensorium.tensor import Tensor

from ._layers import Conv2dNormActivation, Norm, add_last, make_divisible, start_convolutions
from ._registry import register

# -- config --------------------------------------------------------------------------------------
SETTING = (  # Table 2 of the paper: expand ratio, channels, blocks, stride of the first of them
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, HEAD = 32, 1280


# -- blocks --------------------------------------------------------------------------------------
class InvertedResidual(nn.Module):
    """1x1 to expand_ratio inp channels, depthwise 3x3, 1x1 to oup; + x where the shape stays.

    (N, inp, H, W) -> (N, oup, H/stride, W/stride), rounded up.
    """

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: int,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise OptionError(f"InvertedResidual: stride is 1 or 2, got {stride}")
        norm = norm_layer or nn.BatchNorm2d
        inner = round(inp * expand_ratio)
        shared: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.ReLU6}
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, inner, kernel_size=1, **shared))
        layers += [
            Conv2dNormActivation(inner, inner, stride=stride, groups=inner, **shared),
            nn.Conv2d(inner, oup, 1, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.stride, self.out_channels = stride, oup
        self.use_res_connect = stride == 1 and inp == oup

    def forward(self, x: Tensor) -> Tensor:
        return add_last(x, self.conv, x if self.use_res_connect else None)


# -- net -----------------------------------------------------------------------------------------
class MobileNetV2(nn.Module):
    """A stem, inverted residuals, a 1x1 head, the mean over H and W, a linear layer:
    (N, 3, H, W) -> (N, num_classes).

    width_mult: what channels are multiplied by, then rounded to round_nearest;
    inverted_residual_setting: rows like those of ``SETTING``.

    >>> import sensorium as sn
    >>> MobileNetV2(num_classes=10, width_mult=0.25).eval()(sn.zeros(1, 3, 64, 64)).shape
    sensorium.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        setting = SETTING if inverted_residual_setting is None else inverted_residual_setting
        if not setting or any(len(row) != 4 for row in setting):
            raise OptionError(
                "MobileNetV2: inverted_residual_setting is rows of 4 numbers (expand ratio, "
                f"channels, blocks, stride), got {inverted_residual_setting!r}"
            )
        shared: dict[str, Any] = {
            "norm_layer": norm_layer or nn.BatchNorm2d,
            "activation_layer": nn.ReLU6,
        }
        inputs = make_divisible(STEM * width_mult, round_nearest)
        self.last_channel = make_divisible(HEAD * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [Conv2dNormActivation(3, inputs, stride=2, **shared)]
        for expand, channels, blocks, stride in setting:
            outputs = make_divisible(channels * width_mult, round_nearest)
            for n in range(blocks):
                make = block or InvertedResidual
                step = stride if n == 0 else 1
                features.append(
                    make(inputs, outputs, step, expand_ratio=expand, norm_layer=norm_layer)
                )
                inputs = outputs
        features.append(Conv2dNormActivation(inputs, self.last_channel, kernel_size=1, **shared))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes)
        )
        start_convolutions(self)
        init.normal_(self.classifier[1].weight, 0, 0.01)
        init.zeros_(self.classifier[1].bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))  # (N, last_channel, 1, 1)
        return self.classifier(x.flatten(1))


# -- variants ------------------------------------------------------------------------------------
VARIANTS: dict[str, dict[str, Any]] = {"mobilenet_v2": {"width_mult": 1.0}}
register("mobilenetv2", MobileNetV2, VARIANTS)
