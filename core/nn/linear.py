"""Linear, Bilinear, and the modules that only reshape: Identity, Flatten, Unflatten."""

from __future__ import annotations

import math
from typing import Any

from .. import create
from ..tensor import Tensor
from . import functional as F
from .init import _calculate_fan_in_and_fan_out, kaiming_uniform_, uniform_
from .module import Module
from .parameter import Parameter


class Identity(Module):
    """The input, whatever arguments it was made with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """y = x weight^T + bias: (*, in_features) -> (*, out_features).

    weight (out_features, in_features) and bias start uniform in +-1 / sqrt(in_features).

    >>> import sensorium as sn
    >>> sn.nn.Linear(3, 2)(sn.ones(5, 3)).shape
    sensorium.Size([5, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        make = {"device": device, "dtype": dtype}
        self.weight = Parameter(create.empty(out_features, in_features, **make))
        self.register_parameter(
            "bias", Parameter(create.empty(out_features, **make)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = _calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear by the name that PyTorch gives the one inside MultiheadAttention."""


class Bilinear(Module):
    """y_k = x1^T weight_k x2 + bias_k: (*, in1) and (*, in2) -> (*, out_features).

    >>> import sensorium as sn
    >>> sn.nn.Bilinear(2, 3, 4)(sn.ones(5, 2), sn.ones(5, 3)).shape
    sensorium.Size([5, 4])
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"Bilinear: in1_features must be positive, got {in1_features}")
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        make = {"device": device, "dtype": dtype}
        self.weight = Parameter(create.empty(out_features, in1_features, in2_features, **make))
        self.register_parameter(
            "bias", Parameter(create.empty(out_features, **make)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform in +-1 / sqrt(in1_features)."""
        bound = 1 / math.sqrt(self.in1_features)
        uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """The dimensions start_dim to end_dim as one: (N, C, H, W) -> (N, C H W).

    >>> import sensorium as sn
    >>> sn.nn.Flatten()(sn.ones(2, 3, 4)).shape
    sensorium.Size([2, 12])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension as several.

    >>> import sensorium as sn
    >>> sn.nn.Unflatten(1, (3, 4))(sn.ones(2, 12)).shape
    sensorium.Size([2, 3, 4])
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
