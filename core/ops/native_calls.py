"""Layers under the names of PyTorch's own engine: native_layer_norm, constant_pad_nd, grid_sampler_2d.

They take every argument by position, modes as numbers, and the norms also return their statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError
from ..tensor import wrap
from ._out import with_out
from .batch_norms import batch_norm
from .exponential import rsqrt
from .grid import grid_sample
from .join import pad as _pad
from .layer_norms import group_norm, layer_norm
from .pixel import channel_shuffle
from .reduce import mean, var
from .shape import reshape


# -- norms with their statistics -------------------------------------------------------------------
def _statistics(x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """mean and 1 / sqrt(var + eps) over axes, sizes 1 kept, outside the graph."""
    wide = x.array.astype(np.float32) if x.array.itemsize == 2 else x.array
    middle = wide.mean(axes, keepdims=True)
    spread = np.square(wide - middle).mean(axes, keepdims=True)
    return wrap(middle.astype(x.dtype)), wrap((1 / np.sqrt(spread + eps)).astype(x.dtype))


def native_layer_norm(
    input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    """``layer_norm``, and the mean and 1 / sqrt(var + eps) it used.

    >>> import sensorium as sn
    >>> y, mean, rstd = sn.native_layer_norm(sn.tensor([[1.0, 3.0]]), (2,), None, None, 0.0)
    >>> y, mean
    (tensor([[-1.,  1.]]), tensor([[2.]]))
    """
    y = layer_norm(input, normalized_shape, weight, bias, eps)
    axes = tuple(range(input.ndim - len(tuple(normalized_shape)), input.ndim))
    return y, *_statistics(input, axes, eps)


def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Any, Any, Any]:
    """``group_norm`` of (N, C, *) with HxW places, and the mean and 1 / sqrt(var + eps) (N, group).

    >>> import sensorium as sn
    >>> y, mean, rstd = sn.native_group_norm(sn.ones(1, 2, 3), None, None, 1, 2, 3, 1, 1e-5)
    >>> mean
    tensor([[1.]])
    """
    if input.numel() != N * C * HxW or tuple(input.shape[:2]) != (N, C):
        raise ShapeError(
            f"native_group_norm: N {N}, C {C} and HxW {HxW} do not describe {tuple(input.shape)}"
        )
    rows = reshape(input, (N, group, C * HxW // max(group, 1)))
    y = group_norm(input, group, weight, bias, eps) if input.numel() else input.clone()
    return y, mean(rows, 2), rsqrt(var(rows, 2, correction=0) + eps)


@with_out
def native_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Any, Any, Any]:
    """``batch_norm``, and in training the mean and 1 / sqrt(var + eps) of the batch, else no values.

    >>> import sensorium as sn
    >>> x = sn.tensor([[1.0], [3.0]])
    >>> sn.native_batch_norm(x, None, None, None, None, True, 0.1, 0.0)[1]
    tensor([2.])
    """
    y = batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return y, *(wrap(np.zeros(0, input.dtype, like=input.array)) for _ in range(2))
    axes = (0, *range(2, input.ndim))
    return y, *(reshape(v, (-1,)) for v in _statistics(input, axes, eps))


# -- others ----------------------------------------------------------------------------------------
native_channel_shuffle = channel_shuffle


def constant_pad_nd(input: Any, pad: Sequence[int], value: float = 0) -> Any:
    """``nn.functional.pad`` with a constant.

    >>> import sensorium as sn
    >>> sn.constant_pad_nd(sn.tensor([1, 2]), (1, 0))
    tensor([0, 1, 2])
    """
    return _pad(input, pad, "constant", value)


_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _sample(
    name: str, input: Any, grid: Any, mode: int, padding: int, align_corners: bool, dims: int
) -> Any:
    if input.ndim != dims + 2:
        raise ShapeError(f"{name}: want {dims + 2} dimensions, got input {tuple(input.shape)}")
    if mode not in (0, 1, 2) or padding not in (0, 1, 2):
        raise OptionError(f"{name}: the modes are 0, 1 and 2, got {mode} and padding {padding}")
    return grid_sample(input, grid, _MODES[mode], _PADDINGS[padding], align_corners)


def grid_sampler_2d(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """``grid_sample`` of images; modes 0, 1, 2: bilinear, nearest, bicubic; zeros, border, reflection.

    >>> import sensorium as sn
    >>> sn.grid_sampler_2d(sn.ones(1, 1, 2, 2), sn.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[1.]]]])
    """
    name = "grid_sampler_2d"
    return _sample(name, input, grid, interpolation_mode, padding_mode, align_corners, 2)


def grid_sampler_3d(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """``grid_sample`` of volumes; modes 0, 1: trilinear, nearest; paddings as ``grid_sampler_2d``.

    >>> import sensorium as sn
    >>> sn.grid_sampler_3d(sn.ones(1, 1, 2, 2, 2), sn.zeros(1, 1, 1, 1, 3), 0, 0, False)
    tensor([[[[[1.]]]]])
    """
    name = "grid_sampler_3d"
    return _sample(name, input, grid, interpolation_mode, padding_mode, align_corners, 3)
