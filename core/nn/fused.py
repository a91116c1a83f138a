"""``linear_act``: what every transformer block does, as one step where that changes nothing.

The layers stay separate modules, so keys, hooks and training are PyTorch's. When nothing could tell
the difference (no gradient wanted, no hooks, a plain Linear) product, bias, residual and activation
are one op; otherwise they are the steps they look like.
"""

from __future__ import annotations

from typing import Any

from .. import ops
from ..autograd.mode import is_grad_enabled
from ..errors import OptionError
from ..ops.fused import LINEAR_ACTIVATIONS
from ..tensor import Tensor
from .linear import Linear

ACTIVATIONS = LINEAR_ACTIVATIONS


def linear_act(
    x: Tensor, linear: Any, activation: str | None = None, residual: Tensor | None = None
) -> Tensor:
    """activation(linear(x) + residual), with x (..., in) and residual (..., out).

    activation: None, "gelu", "gelu_tanh", "relu", "silu" or "tanh".

    >>> import sensorium as sn
    >>> linear_act(sn.zeros(2, 3), sn.nn.Linear(3, 4), "gelu", residual=sn.zeros(2, 4)).shape
    sensorium.Size([2, 4])
    """
    if activation not in ACTIVATIONS:
        raise OptionError(
            f"linear_act: activation is {activation!r}, want one of {list(ACTIVATIONS)}"
        )
    if type(linear) is Linear and not linear._hooks and not _wants_grad(x, linear, residual):
        return ops.linear_act(x, linear.weight, linear.bias, residual, activation)
    y = linear(x)
    return ACTIVATIONS[activation](y if residual is None else y + residual)


def _wants_grad(x: Tensor, linear: Linear, residual: Tensor | None) -> bool:
    """Whether the tape would record any of it."""
    if not is_grad_enabled():
        return False
    tensors = (x, linear.weight, linear.bias, residual)
    return any(tensor is not None and tensor.requires_grad for tensor in tensors)
