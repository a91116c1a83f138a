"""Activations with PyTorch's ``inplace`` flag: the result takes the place of the input.

Where nothing else refers to the input's memory the tensor is simply given the new array, which costs
no copy and leaves intact what earlier operations saved; else the values are written into the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from .. import ops
from ..autograd.mode import mode
from ..inplace import check_writable, store
from ..tensor import Tensor


def in_place(name: str, function: Callable[..., Tensor], x: Tensor, *options: Any) -> Tensor:
    """x with the values, and the graph, of function(x, *options)."""
    check_writable(name, x)
    if not _alone(x):
        source = x.clone() if mode.enabled and x.needs_grad else x
        return store(name, x, function(source, *options))
    y = function(x, *options)
    x.array, x.node, x.needs_grad, x.cell = y.array, y.node, y.needs_grad, y.cell
    return x


def _alone(x: Tensor) -> bool:
    """Whether x is the only way to its memory (CPython counts references)."""
    if x.extra is not None or getrefcount(x.array) > 2 or not isinstance(x.array, np.ndarray):
        return False
    below = x.array.base
    return below is None or (
        isinstance(below, np.ndarray) and below.base is None and getrefcount(below) <= 3
    )


def relu(input: Any, inplace: bool = False) -> Any:
    """max(input, 0); see ``sensorium.ops.relu``."""
    return in_place("relu_", ops.relu, input) if inplace else ops.relu(input)


def relu6(input: Any, inplace: bool = False) -> Any:
    """min(max(input, 0), 6); see ``sensorium.ops.relu6``."""
    return in_place("relu6_", ops.relu6, input) if inplace else ops.relu6(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """input where positive, negative_slope * input elsewhere; see ``sensorium.ops.leaky_relu``."""
    if inplace:
        return in_place("leaky_relu_", ops.leaky_relu, input, negative_slope)
    return ops.leaky_relu(input, negative_slope)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """input where positive, alpha (exp(input) - 1) elsewhere; see ``sensorium.ops.elu``."""
    return in_place("elu_", ops.elu, input, alpha) if inplace else ops.elu(input, alpha)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """min(max(input, min_val), max_val); see ``sensorium.ops.hardtanh``."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: want min_val <= max_val, got {min_val} and {max_val}")
    if inplace:
        return in_place("hardtanh_", ops.hardtanh, input, min_val, max_val)
    return ops.hardtanh(input, min_val, max_val)


def silu(input: Any, inplace: bool = False) -> Any:
    """input * sigmoid(input); see ``sensorium.ops.silu``."""
    return in_place("silu_", ops.silu, input) if inplace else ops.silu(input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """input * relu6(input + 3) / 6; see ``sensorium.ops.hardswish``."""
    return in_place("hardswish_", ops.hardswish, input) if inplace else ops.hardswish(input)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """relu6(input + 3) / 6; see ``sensorium.ops.hardsigmoid``."""
    return in_place("hardsigmoid_", ops.hardsigmoid, input) if inplace else ops.hardsigmoid(input)


def selu(input: Any, inplace: bool = False) -> Any:
    """1.0507 input where positive, 1.7581 (exp(input) - 1) elsewhere; see ``sensorium.ops.selu``."""
    return in_place("selu_", ops.selu, input) if inplace else ops.selu(input)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """input where positive, alpha (exp(input / alpha) - 1) elsewhere; see ``sensorium.ops.celu``."""
    return in_place("celu_", ops.celu, input, alpha) if inplace else ops.celu(input, alpha)


def mish(input: Any, inplace: bool = False) -> Any:
    """input * tanh(softplus(input)); see ``sensorium.ops.mish``."""
    return in_place("mish_", ops.mish, input) if inplace else ops.mish(input)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """input where it exceeds threshold, value elsewhere; see ``sensorium.ops.threshold``."""
    if inplace:
        return in_place("threshold_", ops.threshold, input, threshold, value)
    return ops.threshold(input, threshold, value)


def rrelu(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Any:
    """input where positive, a random slope times input elsewhere; see ``sensorium.ops.rrelu``."""
    if inplace:
        return in_place("rrelu_", ops.rrelu, input, lower, upper, training)
    return ops.rrelu(input, lower, upper, training)


def relu_(input: Any) -> Any:
    """``relu`` in place."""
    return relu(input, True)


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Any:
    """``leaky_relu`` in place."""
    return leaky_relu(input, negative_slope, True)


def elu_(input: Any, alpha: float = 1.0) -> Any:
    """``elu`` in place."""
    return elu(input, alpha, True)


def hardtanh_(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """``hardtanh`` in place."""
    return hardtanh(input, min_val, max_val, True)


def selu_(input: Any) -> Any:
    """``selu`` in place."""
    return selu(input, True)


def celu_(input: Any, alpha: float = 1.0) -> Any:
    """``celu`` in place."""
    return celu(input, alpha, True)


def threshold_(input: Any, threshold: float, value: float) -> Any:
    """``threshold`` in place."""
    return in_place("threshold_", ops.threshold, input, threshold, value)


def rrelu_(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Any:
    """``rrelu`` in place."""
    return rrelu(input, lower, upper, training, True)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """input1^T weight_k input2 + bias_k: (*, A), (*, B), weight (K, A, B) -> (*, K).

    >>> import sensorium as sn
    >>> bilinear(sn.ones(1, 2), sn.ones(1, 3), sn.ones(4, 2, 3))
    tensor([[6., 6., 6., 6.]])
    """
    y = ops.einsum("...a,kab,...b->...k", input1, weight, input2)
    return y if bias is None else y + bias
