"""Layers that several published families are built of, with the keys their checkpoints have.

Follow ``torchvision.ops`` (``Conv2dNormActivation``, ``SqueezeExcitation``, ``StochasticDepth``) in
names, options, numbers and starts. Left out: three-dimensional forms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError
from sensorium.nn import functional as F, init
from sensorium.tensor import Tensor

from ._blocks import conv_norm

Norm = Callable[[int], nn.Module]
Size = int | tuple[int, int]


def make_divisible(channels: float, divisor: int = 8, least: int | None = None) -> int:
    """The nearest multiple of divisor, the next one if that loses more than a tenth.

    >>> [make_divisible(c) for c in (3, 17, 19.2, 33.6)]
    [8, 16, 24, 32]
    """
    rounded = max(least or divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


# -- convolution, norm, activation ---------------------------------------------------------------
class Conv2dNormActivation(nn.Sequential):
    """activation(norm(conv(x))): (N, in_channels, H, W) -> (N, out_channels, H/stride, W/stride).

    padding: by default what keeps H and W at stride 1. norm_layer, activation_layer: None for
    none. bias: by default only where no norm follows. inplace: None for activations without it.

    >>> Conv2dNormActivation(3, 8, stride=2)(sn.zeros(1, 3, 6, 6)).shape
    sensorium.Size([1, 8, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        stride: Size = 1,
        padding: Size | str | None = None,
        groups: int = 1,
        norm_layer: Norm | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
        dilation: Size = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        padding = _kept(kernel_size, dilation) if padding is None else padding
        bias = norm_layer is None if bias is None else bias
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            options = {} if inplace is None else {"inplace": inplace}
            layers.append(activation_layer(**options))
        super().__init__(*layers)
        self.out_channels = out_channels

    def forward(self, input: Tensor) -> Tensor:
        layers = self._members()
        if len(layers) in (2, 3):
            return conv_norm(input, *layers)
        return super().forward(input)


def _kept(kernel: Size, dilation: Size) -> tuple[int, int]:
    """The padding that keeps H and W at stride 1, for odd kernels."""
    (high, wide), (down, across) = ((n, n) if isinstance(n, int) else n for n in (kernel, dilation))
    return (high - 1) // 2 * down, (wide - 1) // 2 * across


def add_last(x: Tensor, layers: nn.Module, residual: Tensor | None) -> Tensor:
    """layers(x) + residual, for layers that end with a convolution and its norm: the sum is part of
    their step where nobody watches."""
    last = _pair_at_end(layers)
    if last is None:
        y = layers(x)
        return y if residual is None else y + residual
    first, conv, norm = last
    for layer in first:
        x = layer(x)
    return conv_norm(x, conv, norm, residual=residual)


def _pair_at_end(layers: nn.Module) -> tuple[list[nn.Module], nn.Module, nn.Module] | None:
    """(what comes before, convolution, norm) of a plain Sequential, its end nested or not."""
    if type(layers) is not nn.Sequential or layers._hooks or len(layers) < 2:
        return None
    *first, before, last = layers
    if isinstance(last, nn.BatchNorm2d):
        return first, before, last
    if type(last) is Conv2dNormActivation and len(last) == 2 and not last._hooks:
        return [*first, before], last[0], last[1]
    return None


# -- squeeze and excitation ----------------------------------------------------------------------
class SqueezeExcitation(nn.Module):
    """x sigmoid(fc2(activation(fc1(mean of x over H and W)))): a weight for each channel.

    (N, input_channels, H, W) keeps its shape. Source: Hu et al. 2017
    (https://arxiv.org/abs/1709.01507), eq. 3, where activation is delta, scale_activation sigma.

    >>> SqueezeExcitation(8, 2)(sn.zeros(1, 8, 4, 4)).shape
    sensorium.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[..., nn.Module] = nn.ReLU,
        scale_activation: Callable[..., nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        scale = self.activation(self.fc1(self.avgpool(input)))  # (N, squeeze_channels, 1, 1)
        return self.scale_activation(self.fc2(scale)) * input


# -- stochastic depth ----------------------------------------------------------------------------
def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """In training input (N, ...) is 0 with chance p, else divided by 1 - p.

    mode: "row", each sample by itself, or "batch", all at once. Source: Huang et al. 2016
    (https://arxiv.org/abs/1603.09382).

    >>> stochastic_depth(sn.ones(3), 1.0, "batch")
    tensor([0., 0., 0.])
    """
    if not 0 <= p <= 1:
        raise OptionError(f"stochastic_depth: p must lie in [0, 1], got {p}")
    if mode not in ("batch", "row"):
        raise OptionError(f"stochastic_depth: mode is 'batch' or 'row', got {mode!r}")
    if not training or p == 0:
        return input
    shape = (len(input) if mode == "row" else 1, *[1] * (input.ndim - 1))
    return input * F.dropout(sn.ones(*shape, dtype=input.dtype, device=input.device), p)


class StochasticDepth(nn.Module):
    """``stochastic_depth`` as a module."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"


# -- starts --------------------------------------------------------------------------------------
def start_convolutions(net: nn.Module) -> None:
    """Kaiming normal by the outputs for convolutions, 1 for norms, 0 for the biases of both."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            _start_norm(module)


def _start_norm(norm: Any) -> None:
    init.ones_(norm.weight)
    init.zeros_(norm.bias)
