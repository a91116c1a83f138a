"""Pooling layers: the maximum, mean or norm of windows, of given size or as many as the output has
places; and unpooling, which puts maxima back. Follows ``torch.nn.modules.pooling``.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ops._dims import pair_up
from ..tensor import Tensor
from . import functional as F
from .module import Module


# -- maximum -------------------------------------------------------------------------------------
class _MaxPool(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest value of every window of (N, C, T)."""

    def forward(self, input: Tensor) -> Any:
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class MaxPool2d(_MaxPool):
    """The largest value of every window of (N, C, H, W); with return_indices also where it stood.

    >>> import sensorium as sn
    >>> sn.nn.MaxPool2d(2)(sn.ones(1, 3, 4, 4)).shape
    sensorium.Size([1, 3, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class MaxPool3d(_MaxPool):
    """The largest value of every window of (N, C, D, H, W)."""

    def forward(self, input: Tensor) -> Any:
        return F.max_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class _MaxUnpool(Module):
    _dims = 0

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        name, n = type(self).__name__, self._dims
        self.kernel_size = pair_up(name, "kernel_size", kernel_size, n, 1)
        self.stride = self.kernel_size if stride is None else pair_up(name, "stride", stride, n, 1)
        self.padding = pair_up(name, "padding", padding, n)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Zeros with the values of (N, C, T) at the indices that MaxPool1d gave."""

    _dims = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool2d(_MaxUnpool):
    """Zeros with the values of (N, C, H, W) at the indices that MaxPool2d gave.

    >>> import sensorium as sn
    >>> pool = sn.nn.MaxPool2d(2, return_indices=True)
    >>> sn.nn.MaxUnpool2d(2)(*pool(sn.ones(1, 3, 4, 4))).shape
    sensorium.Size([1, 3, 4, 4])
    """

    _dims = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool3d(_MaxUnpool):
    """Zeros with the values of (N, C, D, H, W) at the indices that MaxPool3d gave."""

    _dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


# -- maximum of windows at random places ---------------------------------------------------------
class _FractionalMaxPool(Module):
    _dims = 0

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name, n = type(self).__name__, self._dims
        if (output_size is None) == (output_ratio is None):
            raise ShapeError(
                f"{name}: give output_size or output_ratio, got {output_size} and {output_ratio}"
            )
        self.kernel_size = pair_up(name, "kernel_size", kernel_size, n, 1)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        several = hasattr(output_ratio, "__len__")
        ratio = tuple(output_ratio) if several else (output_ratio,) * n
        if output_ratio is not None and (len(ratio) != n or not all(0 < r < 1 for r in ratio)):
            raise ShapeError(
                f"{name}: output_ratio wants {n} values between 0 and 1, got {output_ratio}"
            )
        self.output_ratio = None if output_ratio is None else ratio
        self.output_size = (
            None if output_size is None else pair_up(name, "output_size", output_size, n, 1)
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest values of windows of (N, C, H, W) that start at random steps.

    >>> import sensorium as sn
    >>> sn.nn.FractionalMaxPool2d(3, output_ratio=0.5)(sn.ones(1, 3, 9, 9)).shape
    sensorium.Size([1, 3, 4, 4])
    """

    _dims = 2

    def forward(self, input: Tensor) -> Any:
        return F.fractional_max_pool2d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest values of windows of (N, C, D, H, W) that start at random steps."""

    _dims = 3

    def forward(self, input: Tensor) -> Any:
        return F.fractional_max_pool3d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip


# -- norm ----------------------------------------------------------------------------------------
class _LPPool(Module):
    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum x^p)^(1/p), p = norm_type, over every window of (N, C, T)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool2d(_LPPool):
    """(sum x^p)^(1/p), p = norm_type, over every window of (N, C, H, W).

    >>> import sensorium as sn
    >>> sn.nn.LPPool2d(2, 2)(sn.ones(1, 1, 2, 2))
    tensor([[[[2.]]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool3d(_LPPool):
    """(sum x^p)^(1/p), p = norm_type, over every window of (N, C, D, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


# -- mean ----------------------------------------------------------------------------------------
class AvgPool1d(Module):
    """The mean of every window of (N, C, T)."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
        stride = self.kernel_size if stride is None else stride
        self.stride = (stride,) if isinstance(stride, int) else tuple(stride)
        self.padding = (padding,) if isinstance(padding, int) else tuple(padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    extra_repr = AvgPool1d.extra_repr


class AvgPool2d(_AvgPool):
    """The mean of every window of (N, C, H, W).

    >>> import sensorium as sn
    >>> sn.nn.AvgPool2d(2)(sn.ones(1, 3, 4, 4)).shape
    sensorium.Size([1, 3, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip


class AvgPool3d(_AvgPool):
    """The mean of every window of (N, C, D, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip


# -- adaptive ------------------------------------------------------------------------------------
class _Adaptive(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """The mean of output_size windows of (N, C, T) that cover it evenly."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_Adaptive):
    """The mean of windows of (N, C, H, W) -> (N, C, *output_size); None keeps a size.

    >>> import sensorium as sn
    >>> sn.nn.AdaptiveAvgPool2d(1)(sn.ones(2, 3, 7, 7)).shape
    sensorium.Size([2, 3, 1, 1])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_Adaptive):
    """The mean of windows of (N, C, D, H, W) -> (N, C, *output_size); None keeps a size."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMax(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMax):
    """The maximum of output_size windows of (N, C, T) that cover it evenly."""

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """The maximum of windows of (N, C, H, W) -> (N, C, *output_size); None keeps a size."""

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMax):
    """The maximum of windows of (N, C, D, H, W) -> (N, C, *output_size); None keeps a size."""

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)
