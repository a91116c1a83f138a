"""Losses of values: mse, l1, huber, smooth_l1, binary cross-entropy, KL divergence.

A loss compares input with target element by element and reduces by ``reduction``: "none", "mean" or
"sum". The old names ``size_average`` and ``reduce`` keep their places in the signatures, as in
PyTorch. Losses of class labels are in ``entropy.py``.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..errors import OptionError, OutOfBoundsError, ShapeError
from ._declare import Array, op
from .activation import softplus
from .exponential import abs, exp, log
from .reduce import mean, sum
from .select import clamp, where
from .shape import broadcast_tensors


# -- reduction -----------------------------------------------------------------------------------
def reduction_of(name: str, reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """The reduction, from its name or from the two flags PyTorch had before."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    if reduction not in ("none", "mean", "sum"):
        raise OptionError(f"{name}: reduction must be none, mean or sum, got {reduction!r}")
    return reduction


def reduced(loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def _together(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both at their common shape; broadcasting is rarely meant, so it is said."""
    if input.shape == target.shape:
        return input, target
    warnings.warn(
        f"{name}: input {tuple(input.shape)} and target {tuple(target.shape)} differ and are "
        "broadcast; is that meant?",
        stacklevel=3,
    )
    return broadcast_tensors(input, target)


# -- distances -----------------------------------------------------------------------------------
def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """(input - target)**2; with weight, the mean is over the weights.

    >>> import sensorium as sn
    >>> sn.nn.functional.mse_loss(sn.tensor([1.0, 3.0]), sn.tensor([1.0, 1.0]))
    tensor(2.)
    """
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    off = _difference("mse_loss", input, target)
    return _weighted_mean("mse_loss", off * off, weight, reduction)


def _difference(name: str, input: Any, target: Any) -> Any:
    input, target = _together(name, input, target)
    return input - target


def _weighted_mean(name: str, loss: Any, weight: Any, reduction: str) -> Any:
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != loss.shape:
        raise ShapeError(
            f"{name}: weight {tuple(weight.shape)} must have the loss's shape {tuple(loss.shape)}"
        )
    loss = loss * weight
    return sum(loss) / sum(weight) if reduction == "mean" else reduced(loss, reduction)


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """abs(input - target); with weight, the mean is over the weights.

    >>> import sensorium as sn
    >>> sn.nn.functional.l1_loss(sn.tensor([1.0, 4.0]), sn.tensor([1.0, 1.0]))
    tensor(1.5000)
    """
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    return _weighted_mean("l1_loss", abs(_difference("l1_loss", input, target)), weight, reduction)


@op
def _huber(input: Array, delta: float) -> Array:
    """input**2 / 2 where abs(input) <= delta, else delta (abs(input) - delta / 2)."""
    size, limit, half = np.absolute(input), input.dtype.type(delta), input.dtype.type(0.5)
    return np.where(size <= limit, input * input * half, limit * (size - half * limit))


@_huber.grad
def _(g, input, delta):
    return g * clamp(input, -delta, delta)


@_huber.samples(
    reference=lambda x, d: np.vectorize(
        lambda v: v * v / 2 if -d <= v <= d else d * math.fabs(v) - d * d / 2, otypes="d"
    )(x)
)
def _(rng):
    for shape in [(3, 4), (), (0, 2)]:
        x = np.asarray(rng.normal(size=shape) * 2)
        yield np.where(np.abs(np.abs(x) - 0.7) < 0.01, 0.0, x), 0.7


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Any:
    """(input - target)**2 / 2 up to a distance of delta, beyond it delta (distance - delta / 2).

    Source: Huber, "Robust estimation of a location parameter" (1964).

    >>> import sensorium as sn
    >>> sn.nn.functional.huber_loss(sn.tensor([0.0, 3.0]), sn.tensor([1.0, 0.0]), reduction="none")
    tensor([0.5000, 2.5000])
    """
    if not delta > 0:
        raise OutOfBoundsError(f"huber_loss: delta must be positive, got {delta}")
    reduction = reduction_of("huber_loss", reduction, None, None)
    loss = _huber(_difference("huber_loss", input, target), delta)
    return _weighted_mean("huber_loss", loss, weight, reduction)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """(input - target)**2 / (2 beta) up to a distance of beta, beyond it distance - beta / 2.

    beta 0 is ``l1_loss``. Source: Girshick, "Fast R-CNN" (2015).

    >>> import sensorium as sn
    >>> sn.nn.functional.smooth_l1_loss(sn.tensor([0.0, 3.0]), sn.tensor([1.0, 0.0]))
    tensor(1.5000)
    """
    if beta < 0:
        raise OutOfBoundsError(f"smooth_l1_loss: beta must be at least 0, got {beta}")
    reduction = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    off = _difference("smooth_l1_loss", input, target)
    return reduced(_huber(off, beta) * (1 / beta) if beta else abs(off), reduction)


# -- binary cross entropy ------------------------------------------------------------------------
@op(promote="common")
def _binary_entropy(input: Array, target: Array) -> Array:
    """-(target log(input) + (1 - target) log(1 - input)), each logarithm at least -100."""
    if input.size and not 0 <= input.min() <= input.max() <= 1:
        raise OutOfBoundsError(
            "binary_cross_entropy: input must lie in [0, 1], got values from "
            f"{float(input.min())} to {float(input.max())}"
        )
    low = input.dtype.type(-100)
    yes, no = np.maximum(np.log(input), low), np.maximum(np.log1p(-input), low)
    return (target - 1) * no - target * yes


@_binary_entropy.grad("input")
def _(g, input, target):
    return g * ((input - target) / clamp(input * (1 - input), 1e-12))


@_binary_entropy.grad("target")
def _(g, input):
    return g * (clamp(log(1 - input), -100.0) - clamp(log(input), -100.0))


@_binary_entropy.samples(
    reference=lambda x, t: np.vectorize(
        lambda p, q: -q * math.log(p) - (1 - q) * math.log(1 - p), otypes="d"
    )(x, t)
)
def _(rng):
    yield rng.uniform(0.05, 0.95, size=(3, 4)), rng.uniform(size=(3, 4))
    yield rng.uniform(0.05, 0.95, size=(0, 4)), rng.uniform(size=(0, 4))


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-(target log(input) + (1 - target) log(1 - input)) for probabilities; logarithms end at -100.

    >>> import sensorium as sn
    >>> sn.nn.functional.binary_cross_entropy(sn.tensor([0.5]), sn.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = reduction_of("binary_cross_entropy", reduction, size_average, reduce)
    _same_shape("binary_cross_entropy", input, target)
    loss = _binary_entropy(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


def _same_shape(name: str, input: Any, target: Any) -> None:
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: input {tuple(input.shape)} and target {tuple(target.shape)} must agree"
        )


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """``binary_cross_entropy`` of sigmoid(input), without overflow; pos_weight weighs target 1.

    >>> import sensorium as sn
    >>> sn.nn.functional.binary_cross_entropy_with_logits(sn.tensor([0.0]), sn.tensor([1.0]))
    tensor(0.6931)
    """
    name = "binary_cross_entropy_with_logits"
    reduction = reduction_of(name, reduction, size_average, reduce)
    _same_shape(name, input, target)
    soft = softplus(-input, 1.0, math.inf)  # -log sigmoid(input)
    if pos_weight is not None:
        soft = soft * ((pos_weight - 1) * target + 1)
    loss = input * (1 - target) + soft
    return reduced(loss if weight is None else loss * weight, reduction)


# -- Kullback-Leibler ----------------------------------------------------------------------------
def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """target (log(target) - input), input log-probabilities; log_target: target is a logarithm too.

    reduction "batchmean" (the sum over dim 0's size) is the divergence; "mean" divides by all
    elements.

    >>> import sensorium as sn
    >>> sn.nn.functional.kl_div(sn.tensor([[-1.0]]), sn.tensor([[1.0]]), reduction="batchmean")
    tensor(1.)
    """
    batch = reduction == "batchmean"
    reduction = reduction_of("kl_div", "sum" if batch else reduction, size_average, reduce)
    input, target = _together("kl_div", input, target)
    if log_target:
        loss = exp(target) * (target - input)
    else:
        zero = target == 0
        loss = where(zero, 0.0, target * log(where(zero, 1.0, target))) - target * input
    if batch and input.ndim:
        return sum(loss) * (1 / input.shape[0] if input.shape[0] else math.nan)
    return reduced(loss, reduction)
