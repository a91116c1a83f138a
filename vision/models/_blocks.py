"""What the convolutional models share: convolution, norm, residual and activation as one step.

The layers stay separate modules, so keys, hooks and training are PyTorch's. When nothing could
tell the difference (eval mode, no gradient wanted, no hooks, plain layers) the step is one fused
op. Left out: fusing in training mode.
"""

from __future__ import annotations

from sensorium import is_grad_enabled, nn, ops
from sensorium.tensor import Tensor

_ACTIVATIONS = {type(None): None, nn.ReLU: "relu", nn.ReLU6: "relu6"}


def conv_norm(
    x: Tensor,
    conv: nn.Module,
    norm: nn.Module,
    activation: nn.Module | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """activation(norm(conv(x)) + residual), x (N, C, H, W).

    >>> import sensorium as sn
    >>> conv, norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
    >>> conv_norm(sn.zeros(2, 3, 4, 4), conv, norm, nn.ReLU()).shape
    sensorium.Size([2, 8, 4, 4])
    """
    if _fusable(x, conv, norm, activation, residual):
        return _fused(x, conv, norm, activation, residual)
    y = norm(conv(x))
    if residual is not None:
        y = y + residual
    return y if activation is None else activation(y)


def shortcut(x: Tensor, downsample: nn.Module | None) -> Tensor:
    """downsample(x), or x: the other branch of a residual block."""
    if downsample is None:
        return x
    if type(downsample) is nn.Sequential and len(downsample) == 2 and not _hooked(downsample):
        return conv_norm(x, downsample[0], downsample[1])
    return downsample(x)


def _fused(x, conv, norm, activation, residual):
    return ops.conv_norm_act(
        x,
        conv.weight,
        conv.bias,
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
        _ACTIVATIONS[type(activation)],
        residual,
    )
