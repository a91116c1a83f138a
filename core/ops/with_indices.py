"""Max pooling that always returns where the values stood, and conv_tbc: further names of PyTorch.

``return_indices`` is accepted, as there, and changes nothing.
"""

from __future__ import annotations

from typing import Any

from . import adaptive, lp_pool, max_pool
from .conv import conv1d
from .shape import permute

Pair = tuple[Any, Any]


def max_pool1d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pair:
    """``max_pool1d`` and the places of its values.

    >>> import sensorium as sn
    >>> sn.nn.functional.max_pool1d_with_indices(sn.tensor([[[1.0, 3.0]]]), 2)
    (tensor([[[3.]]]), tensor([[[1]]]))
    """
    return max_pool.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pair:
    """``max_pool2d`` and the places of its values."""
    return max_pool.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pair:
    """``max_pool3d`` and the places of its values."""
    return max_pool.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d_with_indices(
    input: Any, output_size: Any, return_indices: bool = False
) -> Pair:
    """``adaptive_max_pool1d`` and the places of its values.

    >>> import sensorium as sn
    >>> sn.nn.functional.adaptive_max_pool1d_with_indices(sn.tensor([[1.0, 3.0]]), 1)
    (tensor([[3.]]), tensor([[1]]))
    """
    return adaptive.adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(
    input: Any, output_size: Any, return_indices: bool = False
) -> Pair:
    """``adaptive_max_pool2d`` and the places of its values."""
    return adaptive.adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(
    input: Any, output_size: Any, return_indices: bool = False
) -> Pair:
    """``adaptive_max_pool3d`` and the places of its values."""
    return adaptive.adaptive_max_pool3d(input, output_size, True)


def fractional_max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Pair:
    """``fractional_max_pool2d`` and the places of its values."""
    return lp_pool.fractional_max_pool2d(
        input, kernel_size, output_size, output_ratio, True, _random_samples
    )


def fractional_max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Pair:
    """``fractional_max_pool3d`` and the places of its values."""
    return lp_pool.fractional_max_pool3d(
        input, kernel_size, output_size, output_ratio, True, _random_samples
    )


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """``conv1d`` with time first: (T, N, C), weight (K, C, O), bias (O) -> (T', N, O).

    >>> import sensorium as sn
    >>> sn.conv_tbc(sn.ones(3, 1, 1), sn.ones(2, 1, 1), sn.zeros(1)).reshape(-1)
    tensor([2., 2.])
    """
    y = conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, 1, pad)
    return permute(y, (2, 0, 1))
