"""Dropout: values, or whole channels, set to zero at random during training.

Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).
What stays is scaled by 1 / (1 - p), so that nothing needs to change for evaluation. The numbers come
from the default generator (``sn.manual_seed``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import FLOATING
from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from .arithmetic import mul


def _check_chance(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise OutOfBoundsError(f"{name}: p must lie in [0, 1], got {p}")


def _check(name: str, input: Tensor, p: float) -> None:
    _check_chance(name, p)
    if input.dtype not in FLOATING:
        raise DTypeError(f"{name}: want a floating-point tensor, got {input.dtype}")


@op(differentiable=0)
def _noise(input: Array, shape: tuple[int, ...], p: float) -> Array:
    """1 / (1 - p) with chance 1 - p, else 0; in input's type and memory layout."""
    from ..generator import coins

    kept = coins(shape, 1 - p)
    noise = kept.astype(input.dtype)
    if 0 < p < 1:
        noise *= input.dtype.type(1 / (1 - p))
    if shape == input.shape:  # random anyway: take the layout that multiplies fastest
        order = sorted(range(input.ndim), key=lambda i: -input.strides[i])
        back = sorted(range(input.ndim), key=order.__getitem__)
        noise = noise.reshape([shape[i] for i in order]).transpose(back)
    return noise if isinstance(input, np.ndarray) else np.asarray(noise, like=input)


@_noise.samples(reference=lambda x, shape, p: np.full(shape, 1.0 - p))
def _(rng):
    yield rng.normal(size=(3, 4)), (3, 4), 0.0  # what is certain; chances: tests/core/nn
    yield rng.normal(size=(3, 4)).T, (4, 1), 1.0


def _drop(name: str, input: Any, p: float, shape: tuple[int, ...], inplace: bool) -> Any:
    _check(name, input, p)
    noise = _noise(input, shape, p)
    return input.mul_(noise) if inplace else mul(input, noise)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Every value set to 0 with chance p, the others scaled by 1 / (1 - p); input if not training.

    >>> import sensorium as sn
    >>> sn.nn.functional.dropout(sn.ones(3), training=False)
    tensor([1., 1., 1.])
    """
    _check("dropout", input, p)
    if not training or p == 0:
        return input
    return _drop("dropout", input, p, tuple(input.shape), inplace)


def _feature(name: str, input: Any, p: float, training: bool, inplace: bool, batched: int) -> Any:
    _check(name, input, p)
    if input.ndim not in (batched, batched - 1):
        raise ShapeError(
            f"{name}: want {batched - 1} or {batched} dimensions, got shape {tuple(input.shape)}"
        )
    if not training or p == 0:
        return input
    leading = 2 if input.ndim == batched else 1  # (N, C), or (C)
    shape = tuple(input.shape[:leading]) + (1,) * (input.ndim - leading)
    return _drop(name, input, p, shape, inplace)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, L) or (C, L) set to 0 with chance p, the others scaled.

    >>> import sensorium as sn
    >>> sn.nn.functional.dropout1d(sn.ones(1, 2), p=0.0)
    tensor([[1., 1.]])
    """
    return _feature("dropout1d", input, p, training, inplace, 3)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, H, W) or (C, H, W) set to 0 with chance p, the others scaled.

    >>> import sensorium as sn
    >>> sn.nn.functional.dropout2d(sn.ones(1, 2, 2, 2), p=1.0).sum()
    tensor(0.)
    """
    return _feature("dropout2d", input, p, training, inplace, 4)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) set to 0 with chance p, the others scaled.

    >>> import sensorium as sn
    >>> sn.nn.functional.dropout3d(sn.ones(1, 2, 2, 2, 2), p=1.0).sum()
    tensor(0.)
    """
    return _feature("dropout3d", input, p, training, inplace, 5)


_ALPHA_PRIME = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout to SELU's limit -1.758, then scaled and shifted back to mean 0 and variance 1.

    Source: Klambauer et al., "Self-normalizing neural networks" (2017).

    >>> import sensorium as sn
    >>> sn.nn.functional.alpha_dropout(sn.ones(2))
    tensor([1., 1.])
    """
    return _alpha("alpha_dropout", input, p, tuple(input.shape), training, inplace)


def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """``alpha_dropout`` of whole channels of (N, C, ...).

    >>> import sensorium as sn
    >>> sn.nn.functional.feature_alpha_dropout(sn.ones(1, 2))
    tensor([[1., 1.]])
    """
    if training and input.ndim < 2:
        raise ShapeError(
            f"feature_alpha_dropout: want at least (N, C), got shape {tuple(input.shape)}"
        )
    shape = tuple(input.shape[:2]) + (1,) * (input.ndim - 2)
    return _alpha("feature_alpha_dropout", input, p, shape, training, inplace)


def _alpha(
    name: str, input: Any, p: float, shape: tuple[int, ...], training: bool, inplace: bool
) -> Any:
    """Dropout of cells of the given shape, which broadcasts, to SELU's limit."""
    _check_chance(name, p)
    if not training or p == 0:
        return input
    _check(name, input, p)
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    kept = _noise(input, shape, p) * (1 - p)  # 1 or 0
    scale = ((1 - p) * (1 + p * _ALPHA_PRIME**2)) ** -0.5
    plus = (1 - kept) * (scale * _ALPHA_PRIME) - scale * p * _ALPHA_PRIME
    times = kept * scale
    return input.mul_(times).add_(plus) if inplace else input * times + plus
