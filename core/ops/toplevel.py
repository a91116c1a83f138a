"""Functions of ``nn.functional`` as PyTorch has them beside its tensors: other orders, other arguments.

``sn.dropout(x, 0.5, True)``, ``sn.embedding(weight, indices)``: what a layer would know is given in full,
modes are numbers. ``cudnn_enabled`` is accepted and changes nothing. The losses are in
``toplevel_losses.py``. Left out: embedding_bag with the three inner results of PyTorch's kernel.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from .batch_norms import batch_norm as _batch_norm
from .conv import conv1d, conv2d, conv3d
from .conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from .dropouts import (
    _check,
    _drop,
    alpha_dropout as _alpha_dropout,
    dropout as _dropout,
    feature_alpha_dropout as _feature_alpha_dropout,
)
from .gather import _integers, _shrink_rows, embedding as _embedding
from .grid import affine_grid, grid_sample
from .layer_norms import (
    group_norm as _group_norm,
    instance_norm as _instance_norm,
    layer_norm as _layer_norm,
)
from .toplevel_losses import named
from .with_indices import adaptive_max_pool1d_with_indices

_CONVOLUTIONS = (conv1d, conv2d, conv3d)
_TRANSPOSED = (conv_transpose1d, conv_transpose2d, conv_transpose3d)
_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


# -- dropout ---------------------------------------------------------------------------------------
def dropout(input: Any, p: float, train: bool) -> Any:
    """``nn.functional.dropout`` with all its arguments.

    >>> import sensorium as sn
    >>> sn.dropout(sn.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _dropout(input, p, train)


def dropout_(input: Any, p: float, train: bool) -> Any:
    """``dropout`` in place."""
    return _dropout(input, p, train, True)


def alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """``nn.functional.alpha_dropout`` with all its arguments.

    >>> import sensorium as sn
    >>> sn.alpha_dropout(sn.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _alpha_dropout(input, p, train)


def alpha_dropout_(input: Any, p: float, train: bool) -> Any:
    """``alpha_dropout`` in place."""
    return _alpha_dropout(input, p, train, True)


def feature_alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """``nn.functional.feature_alpha_dropout`` with all its arguments.

    >>> import sensorium as sn
    >>> sn.feature_alpha_dropout(sn.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    return _feature_alpha_dropout(input, p, train)


def feature_alpha_dropout_(input: Any, p: float, train: bool) -> Any:
    """``feature_alpha_dropout`` in place."""
    return _feature_alpha_dropout(input, p, train, True)


def feature_dropout(input: Any, p: float, train: bool) -> Any:
    """Whole channels of (N, C, ...) set to 0 with chance p, the others scaled by 1 / (1 - p).

    >>> import sensorium as sn
    >>> sn.feature_dropout(sn.ones(1, 2, 2), 1.0, True).sum()
    tensor(0.)
    """
    return _features(input, p, train, False)


def feature_dropout_(input: Any, p: float, train: bool) -> Any:
    """``feature_dropout`` in place."""
    return _features(input, p, train, True)


def _features(input: Any, p: float, train: bool, inplace: bool) -> Any:
    _check("feature_dropout", input, p)
    if not train or p == 0:
        return input
    if input.ndim < 2:
        raise ShapeError(f"feature_dropout: want at least (N, C), got shape {tuple(input.shape)}")
    shape = tuple(input.shape[:2]) + (1,) * (input.ndim - 2)
    return _drop("feature_dropout", input, p, shape, inplace)


# -- normalisation ---------------------------------------------------------------------------------
def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """``nn.functional.batch_norm``, weight and bias first.

    >>> import sensorium as sn
    >>> sn.batch_norm(sn.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 0.0, True)
    tensor([[-1.],
            [ 1.]])
    """
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """``nn.functional.instance_norm``, weight and bias first.

    >>> import sensorium as sn
    >>> sn.instance_norm(sn.tensor([[[1.0, 3.0]]]), None, None, None, None, True, 0.1, 0.0, True)
    tensor([[[-1.,  1.]]])
    """
    return _instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """``nn.functional.layer_norm``.

    >>> import sensorium as sn
    >>> sn.layer_norm(sn.tensor([1.0, 3.0]), (2,), eps=0.0)
    tensor([-1.,  1.])
    """
    return _layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:
    """``nn.functional.group_norm``.

    >>> import sensorium as sn
    >>> sn.group_norm(sn.tensor([[1.0, 3.0]]), 1, eps=0.0)
    tensor([[-1.,  1.]])
    """
    return _group_norm(input, num_groups, weight, bias, eps)


# -- rows and convolutions -------------------------------------------------------------------------
def embedding(
    weight: Any,
    indices: Any,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """``nn.functional.embedding``, weight first; a negative padding_idx is none.

    >>> import sensorium as sn
    >>> sn.embedding(sn.tensor([[1.0], [2.0]]), sn.tensor([1, 0]))
    tensor([[2.],
            [1.]])
    """
    padding = None if padding_idx < 0 else padding_idx
    return _embedding(
        indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse
    )


def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """The rows of input that indices name, shrunk in place to max_norm; input.

    >>> import sensorium as sn
    >>> sn.embedding_renorm_(sn.tensor([[3.0, 4.0], [6.0, 8.0]]), sn.tensor([0]), 1.0, 2.0)
    tensor([[0.6000, 0.8000],
            [6.0000, 8.0000]])
    """
    rows = _integers("embedding_renorm_", indices)
    _shrink_rows(input, rows, max_norm, norm_type)
    return input


def convolution(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    """conv1d, conv2d or conv3d, or their transposed forms, as weight has dimensions.

    >>> import sensorium as sn
    >>> sn.convolution(sn.ones(1, 1, 3), sn.ones(1, 1, 2), None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2.]]])
    """
    n = weight.ndim - 2
    if n not in (1, 2, 3):
        raise ShapeError(f"convolution: want a weight of 3 to 5 dimensions, got {weight.ndim}")
    if transposed:
        function = _TRANSPOSED[n - 1]
        return function(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return _CONVOLUTIONS[n - 1](input, weight, bias, stride, padding, dilation, groups)


def adaptive_max_pool1d(input: Any, output_size: Any) -> tuple[Any, Any]:
    """``nn.functional.adaptive_max_pool1d`` and the places of its values, always.

    >>> import sensorium as sn
    >>> sn.adaptive_max_pool1d(sn.tensor([[1.0, 3.0]]), 1)
    (tensor([[3.]]), tensor([[1]]))
    """
    return adaptive_max_pool1d_with_indices(input, output_size)


def affine_grid_generator(theta: Any, size: Any, align_corners: bool) -> Any:
    """``nn.functional.affine_grid``.

    >>> import sensorium as sn
    >>> sn.affine_grid_generator(sn.ones(1, 2, 3), (1, 1, 2, 2), False).shape
    sensorium.Size([1, 2, 2, 2])
    """
    return affine_grid(theta, size, align_corners)


def grid_sampler(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """``nn.functional.grid_sample``: modes 0 bilinear, 1 nearest, 2 bicubic; 0 zeros, 1 border, 2 reflection.

    >>> import sensorium as sn
    >>> sn.grid_sampler(sn.ones(1, 1, 2, 2), sn.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[1.]]]])
    """
    mode = named("grid_sampler", "interpolation_mode", _MODES, interpolation_mode)
    padding = named("grid_sampler", "padding_mode", _PADDINGS, padding_mode)
    return grid_sample(input, grid, mode, padding, align_corners)
