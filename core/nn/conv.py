"""Convolutions and transposed convolutions of one, two and three dimensions.

Follows ``torch.nn.modules.conv``. The weight is (out_channels, in_channels / groups, *kernel), of a
transposed one (in_channels, out_channels / groups, *kernel); weight and bias start uniform in
+-1 / sqrt(inputs of one output).
"""

from __future__ import annotations

import math
from typing import Any

from .. import create
from ..errors import ShapeError
from ..ops._dims import pair_up
from ..tensor import Tensor
from . import functional as F
from .init import _calculate_fan_in_and_fan_out, kaiming_uniform_, uniform_
from .module import Module
from .parameter import Parameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all of them share."""

    _dims = 0
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name, n = type(self).__name__, self._dims
        _check_channels(name, in_channels, out_channels, groups)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = pair_up(name, "kernel_size", kernel_size, n, 1)
        self.stride = pair_up(name, "stride", stride, n, 1)
        self.dilation = pair_up(name, "dilation", dilation, n, 1)
        self.output_padding = pair_up(name, "output_padding", output_padding, n)
        self.padding = _checked_padding(name, padding, n, self.stride)
        self.padding_mode = _checked_mode(name, padding_mode, self.transposed)
        self._edges = _edges(self.padding, self.kernel_size, self.dilation)
        shape = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        make = {"device": device, "dtype": dtype}
        self.weight = Parameter(
            create.empty(shape[0], shape[1] // groups, *self.kernel_size, **make)
        )
        self.register_parameter(
            "bias", Parameter(create.empty(out_channels, **make)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in, _ = _calculate_fan_in_and_fan_out(self.weight)
        if self.bias is not None and fan_in:
            bound = 1 / math.sqrt(fan_in)
            uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        facts = [f"{self.in_channels}, {self.out_channels}"]
        facts += [f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        zeros, ones = (0,) * self._dims, (1,) * self._dims
        for name, usual in (
            ("padding", zeros), ("dilation", ones), ("output_padding", zeros), ("groups", 1),
        ):  # fmt: skip
            if getattr(self, name) != usual:
                facts.append(f"{name}={getattr(self, name)}")
        if self.bias is None:
            facts.append("bias=False")
        if self.padding_mode != "zeros":
            facts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(facts)


def _check_channels(name: str, in_channels: int, out_channels: int, groups: int) -> None:
    if groups <= 0:
        raise ShapeError(f"{name}: groups must be positive, got {groups}")
    for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels < 0 or channels % groups:
            raise ShapeError(f"{name}: {what}={channels} is no multiple of groups={groups}")


def _checked_padding(name: str, padding: Any, n: int, stride: tuple[int, ...]) -> Any:
    if not isinstance(padding, str):
        return pair_up(name, "padding", padding, n)
    if padding not in ("same", "valid"):
        raise ShapeError(f"{name}: padding must be numbers, 'same' or 'valid', got {padding!r}")
    if padding == "same" and any(s != 1 for s in stride):
        raise ShapeError(f"{name}: padding='same' wants stride 1, got {stride}")
    return padding


def _checked_mode(name: str, mode: str, transposed: bool) -> str:
    allowed = PADDING_MODES[:1] if transposed else PADDING_MODES
    if mode not in allowed:
        raise ShapeError(f"{name}: padding_mode must be one of {', '.join(allowed)}, got {mode!r}")
    return mode


def _edges(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> list[int]:
    """Pairs (before, after), last dimension first, as ``pad`` wants them."""
    if padding == "valid":
        return [0, 0] * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(reversed(kernel), reversed(dilation))]
        return [n for total in totals for n in (total // 2, total - total // 2)]
    return [n for p in reversed(padding) for n in (p, p)]


# -- convolution ---------------------------------------------------------------------------------
class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    @property
    def _reversed_padding_repeated_twice(self) -> list[int]:
        return self._edges

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input, padded here if not with zeros, and what the convolution still has to pad."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return F.pad(input, self._edges, mode=self.padding_mode), 0


class Conv1d(_Conv):
    """The convolution of (N, C, T) or (C, T) -> (N, out_channels, T').

    >>> import sensorium as sn
    >>> sn.nn.Conv1d(3, 8, 5, padding="same")(sn.ones(2, 3, 16)).shape
    sensorium.Size([2, 8, 16])
    """

    _dims = 1

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self._padded(input)
        return F.conv1d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv2d(_Conv):
    """The convolution of (N, C, H, W) or (C, H, W) -> (N, out_channels, H', W').

    H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    >>> import sensorium as sn
    >>> sn.nn.Conv2d(3, 8, 3, stride=2, padding=1)(sn.ones(2, 3, 16, 16)).shape
    sensorium.Size([2, 8, 8, 8])
    """

    _dims = 2

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input)
        return F.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv3d(_Conv):
    """The convolution of (N, C, D, H, W) or (C, D, H, W).

    >>> import sensorium as sn
    >>> sn.nn.Conv3d(1, 2, 3)(sn.ones(1, 1, 4, 4, 4)).shape
    sensorium.Size([1, 2, 2, 2, 2])
    """

    _dims = 3

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self._padded(input)
        return F.conv3d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


# -- transposed ----------------------------------------------------------------------------------
class _ConvTranspose(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(padding, str):
            raise ShapeError(f"{type(self).__name__}: padding must be numbers, got {padding!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output_padding that gives output_size, or the layer's own."""
        if output_size is None:
            return self.output_padding
        n, name = self._dims, type(self).__name__
        wanted = pair_up(name, "output_size", tuple(output_size)[-n:], n)
        extra = []
        for i, want in enumerate(wanted):
            least = (
                (input.shape[i - n] - 1) * self.stride[i] - 2 * self.padding[i]
                + self.dilation[i] * (self.kernel_size[i] - 1) + 1
            )  # fmt: skip
            if not least <= want < least + max(self.stride[i], self.dilation[i]):
                raise ShapeError(
                    f"{name}: output_size {wanted} cannot be had from an input "
                    f"{tuple(input.shape)}: dimension {i} must be {least} to "
                    f"{least + max(self.stride[i], self.dilation[i]) - 1}"
                )
            extra.append(want - least)
        return tuple(extra)


class ConvTranspose1d(_ConvTranspose):
    """The transposed convolution of (N, C, T): the gradient of Conv1d with respect to its input."""

    _dims = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._extra(input, output_size), self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose2d(_ConvTranspose):
    """The transposed convolution of (N, C, H, W): the gradient of Conv2d with respect to its input.

    H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.

    >>> import sensorium as sn
    >>> sn.nn.ConvTranspose2d(3, 8, 2, stride=2)(sn.ones(2, 3, 4, 4)).shape
    sensorium.Size([2, 8, 8, 8])
    """

    _dims = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._extra(input, output_size), self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose3d(_ConvTranspose):
    """The transposed convolution of (N, C, D, H, W)."""

    _dims = 3

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return F.conv_transpose3d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._extra(input, output_size), self.groups, self.dilation,
        )  # fmt: skip
