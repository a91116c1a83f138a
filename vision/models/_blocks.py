"""What the convolutional models share: convolution, norm, residual and activation as one step.

The layers stay separate modules, so keys, hooks and training are PyTorch's. When nothing could
tell the difference (eval mode, no gradient wanted, no hooks, plain layers) the step is one fused
op; in training norm and relu are.
"""

from __future__ import annotations

import math
from typing import Any

from sensorium import is_grad_enabled, nn, ops
from sensorium.nn import functional as F
from sensorium.tensor import Tensor

Pads = tuple[tuple[int, int], ...]  # zeros (before, after) for each of H and W

_ACTIVATIONS = {type(None): None, nn.ReLU: "relu", nn.ReLU6: "relu6", nn.SiLU: "silu"}


def conv_norm(
    x: Tensor,
    conv: nn.Module,
    norm: nn.Module,
    activation: nn.Module | None = None,
    residual: Tensor | None = None,
    pads: Pads | None = None,
) -> Tensor:
    """activation(norm(conv(x)) + residual), x (N, C, H, W); ``pads`` are put around x first.

    >>> import sensorium as sn
    >>> conv, norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
    >>> conv_norm(sn.zeros(2, 3, 4, 4), conv, norm, nn.ReLU()).shape
    sensorium.Size([2, 8, 4, 4])
    """
    if _fusable(x, conv, norm, activation, residual):
        return _fused(x, conv, norm, activation, residual, pads)
    if pads is not None:
        (top, bottom), (left, right) = pads
        x = F.pad(x, (left, right, top, bottom))
    y = conv(x)
    if residual is None and _fusable_training(norm, activation):
        return norm.normalise(y, ops.batch_norm_relu)
    y = norm(y)
    if residual is not None:
        y = y + residual
    return y if activation is None else activation(y)


def shortcut(x: Tensor, downsample: nn.Module | None) -> Tensor:
    """downsample(x), or x: the other branch of a residual block."""
    if downsample is None:
        return x
    if type(downsample) is nn.Sequential and len(downsample) == 2 and not downsample._hooks:
        return conv_norm(x, downsample[0], downsample[1])
    return downsample(x)


def same_pads(x: Tensor, kernel: int, stride: int) -> Pads | None:
    """What TensorFlow's SAME puts around x (N, C, H, W), so that H becomes ceil(H / stride); the
    odd one goes to the bottom and the right. None for nothing.

    >>> import sensorium as sn
    >>> same_pads(sn.zeros(1, 1, 4, 5), 3, 2)
    ((0, 1), (1, 1))
    """
    totals = [max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:]]
    return tuple((n // 2, n - n // 2) for n in totals) if any(totals) else None


# -- the fused steps ------------------------------------------------------------------------------
def _fusable(
    x: Tensor, conv: nn.Module, norm: nn.Module, activation: nn.Module | None, residual: Any
) -> bool:
    """Whether one op gives what the modules would, and nobody watches them."""
    return (
        type(conv) is nn.Conv2d
        and type(norm) is nn.BatchNorm2d
        and type(activation) in _ACTIVATIONS
        and not (norm.training or conv._hooks or norm._hooks)
        and not (activation is not None and activation._hooks)
        and norm.running_mean is not None
        and norm.weight is not None
        and conv.padding_mode == "zeros"
        and type(conv.padding) is tuple
        and not (is_grad_enabled() and _wants_grad(x, conv, norm, residual))
    )


def _fusable_training(norm: nn.Module, activation: nn.Module | None) -> bool:
    """Whether norm and relu can be one op in training, too."""
    if type(norm) is not nn.BatchNorm2d or type(activation) is not nn.ReLU:
        return False
    return norm.training and not (norm._hooks or activation._hooks)


def _wants_grad(x: Tensor, conv: nn.Module, norm: nn.Module, residual: Any) -> bool:
    tensors = (x, residual, conv.weight, conv.bias, norm.weight, norm.bias)
    return any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _fused(
    x: Tensor,
    conv: nn.Module,
    norm: nn.Module,
    activation: nn.Module | None,
    residual: Tensor | None,
    pads: Pads | None,
) -> Tensor:
    padding = tuple((p, p) for p in conv.padding)
    if pads is not None:
        padding = tuple((p + a, p + b) for p, (a, b) in zip(conv.padding, pads))
    return ops.conv_norm_act(
        x,
        conv.weight,
        conv.bias,
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        residual,
        norm.eps,
        conv.stride,
        padding,
        conv.dilation,
        conv.groups,
        _ACTIVATIONS[type(activation)],
    )
