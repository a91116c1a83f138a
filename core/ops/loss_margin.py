"""Losses with a margin: hinge_embedding, margin_ranking, soft_margin, multi_margin, multilabel ones.

All are compositions; ``reduction`` and the two older flags are those of ``loss.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from .activation import relu, softplus
from .gather import gather, index_select
from .loss import reduced, reduction_of
from .reduce import _sum
from .select import clamp, where


# -- targets 1 and -1 ----------------------------------------------------------------------------
def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """input where target is 1, max(margin - input, 0) where it is -1.

    >>> import sensorium as sn
    >>> x, y = sn.tensor([0.5, 0.25]), sn.tensor([1.0, -1.0])
    >>> sn.nn.functional.hinge_embedding_loss(x, y, reduction="none")
    tensor([0.5000, 0.7500])
    """
    reduction = reduction_of("hinge_embedding_loss", reduction, size_average, reduce)
    far = where(target != 1, clamp(margin - input, 0), 0.0)
    return reduced(far + where(target != -1, input, 0.0), reduction)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(margin - target (input1 - input2), 0): target 1 wants input1 the larger, -1 input2.

    >>> import sensorium as sn
    >>> a, b = sn.tensor([1.0]), sn.tensor([3.0])
    >>> sn.nn.functional.margin_ranking_loss(a, b, sn.tensor([1.0]))
    tensor(2.)
    """
    reduction = reduction_of("margin_ranking_loss", reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            "margin_ranking_loss: inputs and target must have equally many dimensions, got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    return reduced(clamp(margin - target * (input1 - input2), 0), reduction)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """log(1 + exp(-target input)), target 1 or -1, without overflow.

    >>> import sensorium as sn
    >>> sn.nn.functional.soft_margin_loss(sn.zeros(1), sn.ones(1))
    tensor(0.6931)
    """
    reduction = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    return reduced(softplus(-(target * input), 1.0, math.inf), reduction)


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The mean over K of -(target log(sigmoid(input)) + (1 - target) log(sigmoid(-input))).

    input and target (..., K), weight (K) or broadcastable -> (...) before reduction.

    >>> import sensorium as sn
    >>> sn.nn.functional.multilabel_soft_margin_loss(sn.zeros(1, 2), sn.ones(1, 2))
    tensor(0.6931)
    """
    name = "multilabel_soft_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    if input.ndim == 0:
        raise ShapeError(f"{name}: want (..., K), got a single value")
    loss = target * _soft(-input) + (1 - target) * _soft(input)
    loss = loss if weight is None else loss * weight
    return reduced(_sum(loss, (loss.ndim - 1,), False) * (1 / input.shape[-1]), reduction)


def _soft(x: Any) -> Any:
    """log(1 + exp(x)) at every x."""
    return softplus(x, 1.0, math.inf)


# -- class labels --------------------------------------------------------------------------------
def _labels(name: str, target: Any, classes: int, least: int = 0) -> Any:
    """The raw labels, after checking that they are integers in [least, classes)."""
    labels = target.array
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"{name}: class labels must be integers, got {labels.dtype}")
    bad = (labels < least) | (labels >= classes)
    if bad.any():
        raise OutOfBoundsError(
            f"{name}: label {int(labels[bad].reshape(-1)[0])} is out of range for {classes} classes"
        )
    return labels.astype(np.int64)


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """sum over k != y of weight[y] max(margin - input[y] + input[k], 0)**p, over K; y the label.

    input (N, K) with labels (N), or (K) with one label. p is 1 or 2.

    >>> import sensorium as sn
    >>> sn.nn.functional.multi_margin_loss(sn.tensor([[0.0, 0.5]]), sn.tensor([1]))
    tensor(0.2500)
    """
    reduction = reduction_of("multi_margin_loss", reduction, size_average, reduce)
    if p not in (1, 2):
        raise OptionError(f"multi_margin_loss: p must be 1 or 2, got {p}")
    x = _rows("multi_margin_loss", input)
    if target.ndim > 1 or target.array.size != x.shape[0]:
        raise ShapeError(
            f"multi_margin_loss: input {tuple(input.shape)} wants {x.shape[0]} labels, got "
            f"{tuple(target.shape)}"
        )
    labels = _labels("multi_margin_loss", target, x.shape[1]).reshape(-1, 1)
    over = relu(margin - gather(x, 1, labels) + x)
    over = over if p == 1 else over * over
    if weight is not None:
        over = over * _label_weight(weight, labels, x)
    own = labels == np.arange(x.shape[1], like=labels)
    loss = _sum(where(own, 0.0, over), (1,), False) * (1 / x.shape[1])
    return loss.reshape(target.shape) if reduction == "none" else reduced(loss, reduction)


def _rows(name: str, input: Any) -> Any:
    """(K) and () as a batch of one: (N, K)."""
    x = input if input.ndim == 2 else input.reshape(1, -1)
    if input.ndim > 2 or x.shape[1] == 0:
        raise ShapeError(f"{name}: want input (N, K) or (K), got {tuple(input.shape)}")
    return x


def _label_weight(weight: Any, labels: Any, x: Any) -> Any:
    if tuple(weight.shape) != (x.shape[1],):
        error = OptionError if weight.ndim != 1 else ShapeError
        raise error(
            f"multi_margin_loss: weight {tuple(weight.shape)} must have one value for each of "
            f"{x.shape[1]} classes"
        )
    return index_select(weight, 0, labels[:, 0]).reshape(-1, 1)


def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """sum over labels y and classes k that are no labels of max(1 - input[y] + input[k], 0), over K.

    input (N, K) or (K), target of the same shape: labels first, then -1 and anything.

    >>> import sensorium as sn
    >>> x, y = sn.tensor([[0.0, 0.5]]), sn.tensor([[1, -1]])
    >>> sn.nn.functional.multilabel_margin_loss(x, y)
    tensor(0.2500)
    """
    name = "multilabel_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    x = _rows(name, input)
    if input.shape != target.shape and target.array.size != input.array.size:
        raise ShapeError(
            f"{name}: target {tuple(target.shape)} must have the input's shape {tuple(input.shape)}"
        )
    labels = _labels(name, target, x.shape[1], -1).reshape(x.shape)
    listed, own = _label_set(labels)
    picked = gather(x, 1, np.maximum(labels, 0))
    over = relu(1 - picked.reshape(*x.shape, 1) + x.reshape(x.shape[0], 1, -1))  # (N, label, K)
    counts = listed[:, :, None] & ~own[:, None, :]
    loss = _sum(where(counts, over, 0.0), (1, 2), False) * (1 / x.shape[1])
    if input.ndim < 2:
        loss = loss.reshape(())
    return reduced(loss, reduction)


def _label_set(labels: Any) -> tuple[Any, Any]:
    """Which places of (N, K) hold a label, and which classes are labels."""
    listed = np.cumsum(labels < 0, axis=1) == 0
    classes = np.arange(labels.shape[1], like=labels)
    same = labels[:, :, None] == classes  # (N, place, class)
    return listed, (same & listed[:, :, None]).any(axis=1)
