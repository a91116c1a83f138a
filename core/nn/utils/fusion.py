"""Batch norm folded into the convolution or linear layer before it, for inference.

y = (W x + b - mean) / sqrt(var + eps) * weight + bias is one layer with other W and b. Follows
``torch.nn.utils.fusion``.
"""

from __future__ import annotations

import copy
from typing import Any

from ...errors import OpError, OptionError, ShapeError
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the one layer; transpose: conv_w has the output channels second.

    >>> import sensorium as sn
    >>> one = sn.ones(1)
    >>> fuse_conv_bn_weights(sn.ones(1, 2, 1), None, one, one * 4, 0.0, None, None)[1]
    Parameter containing:
    tensor([-0.5000], requires_grad=True)
    """
    scale = (bn_rv + bn_eps) ** -0.5
    if bn_w is not None:
        scale = scale * bn_w
    channel = 1 if transpose else 0
    shape = tuple(-1 if d == channel else 1 for d in range(conv_w.ndim))
    start = -bn_rm if conv_b is None else conv_b - bn_rm
    shift = start * scale if bn_b is None else start * scale + bn_b
    weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
    bias = shift.to(conv_w.dtype if conv_b is None else conv_b.dtype)
    wants = True if conv_b is None else conv_b.requires_grad
    return _parameter(weight, conv_w.requires_grad), _parameter(bias, wants)


def _parameter(value: Tensor, requires_grad: bool) -> Parameter:
    return Parameter(value.detach(), requires_grad)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """``fuse_conv_bn_weights`` for a weight (out, in)."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _fused(function: str, layer: Any, bn: Any, transpose: bool) -> Any:
    if layer.training or bn.training:
        raise OpError(f"{function}: both layers must be in evaluation mode: call eval() first")
    if bn.running_mean is None or bn.running_var is None:
        raise OptionError(f"{function}: {type(bn).__name__} has no running statistics")
    made = copy.deepcopy(layer)
    made.weight, made.bias = fuse_conv_bn_weights(
        layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        transpose,
    )  # fmt: skip
    return made


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """A new convolution that does what conv and then bn do in evaluation mode.

    transpose: conv is a transposed convolution.

    >>> import sensorium as sn
    >>> conv, bn = sn.nn.Conv2d(3, 4, 1).eval(), sn.nn.BatchNorm2d(4).eval()
    >>> x = sn.ones(1, 3, 2, 2)
    >>> sn.allclose(fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
    True
    """
    return _fused("fuse_conv_bn_eval", conv, bn, transpose)


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Module:
    """A new linear layer that does what linear and then bn, of as many or 1 features, do in evaluation.

    >>> import sensorium as sn
    >>> linear, bn = sn.nn.Linear(3, 4).eval(), sn.nn.BatchNorm1d(4).eval()
    >>> x = sn.ones(2, 3)
    >>> sn.allclose(fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6)
    True
    """
    if bn.num_features not in (1, linear.out_features):
        raise ShapeError(
            f"fuse_linear_bn_eval: the batch norm has {bn.num_features} features, the linear layer "
            f"{linear.out_features}"
        )
    return _fused("fuse_linear_bn_eval", linear, bn, False)
