"""Losses of class labels: cross_entropy and nll_loss.

Labels are checked before anything is computed; one out of range is an error that names it. Inside,
ignored labels are -1. The gradient of cross_entropy is softmax(input) - onehot(label) in one step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import FLOATING
from ..errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from ._declare import Array, op
from ._small import range_of
from .loss import reduced, reduction_of
from .reduce import _sum, _sum_all, sum
from .select import where
from .shape import _expand, _reshape_view
from .softmax import _log_softmax, _softmax, _softmax_backward


# -- labels --------------------------------------------------------------------------------------
def _at(labels: Any, whole: bool = False) -> tuple[Any, ...]:
    """The index that picks labels (N, ...) out of (N, K, ...); ignored labels (-1) pick class 0."""
    if whole and labels.ndim == 1:
        return np.arange(len(labels), like=labels), labels
    first, *rest = (np.asarray(r, like=labels) for r in np.indices(labels.shape, sparse=True))
    return (first, np.maximum(labels, 0), *rest)


@op
def _label_loss(input: Array, labels: Any, whole: bool, share: float | None) -> Array:
    """-log softmax(input)[label] over dim 1: (N, K, ...) with labels (N, ...); 0 where label is -1.

    whole: no label is -1. share: the sum of all times share, instead of a value for each label.
    """
    loss = np.negative(_log_softmax(input, 1)[_at(labels, whole)])
    if not whole:
        loss = np.where(labels < 0, input.dtype.type(0), loss)
    return loss if share is None else _sum_all(loss) * input.dtype.type(share)


@_label_loss.grad
def _(g, input, labels, whole, share):
    return _label_loss_backward(g, input, labels, whole, share)


@_label_loss.samples(reference=lambda x, *rest: _slow_label_loss(x, *rest))
def _(rng):
    yield rng.normal(size=(4, 5)), np.array([0, 4, -1, 2]), False, None
    yield rng.normal(size=(4, 5)), np.array([0, 4, 1, 2]), True, 0.25
    yield rng.normal(size=(2, 3, 4)), rng.integers(0, 3, size=(2, 4)), False, 0.5
    yield rng.normal(size=(0, 3)), np.zeros((0,), np.int64), True, None


def _slow_label_loss(x: Any, labels: Any, whole: bool, share: float | None) -> Any:
    y = np.zeros(labels.shape)
    for i in np.ndindex(*labels.shape):
        row = x[(i[0], slice(None), *i[1:])]
        if labels[i] >= 0:
            y[i] = math.log(math.fsum(math.exp(v) for v in row)) - row[labels[i]]
    return y if share is None else y.sum() * share


@op
def _label_loss_backward(
    g: Array, input: Array, labels: Any, whole: bool, share: float | None
) -> Array:
    """g * (softmax(input) - onehot(labels)) along dim 1, 0 where label is -1.

    g has labels' shape; with share it is one number, and times share it is every label's.
    """
    y = _softmax(input, 1)
    if whole and share is not None:
        y[_at(labels, whole)] -= 1
        return np.multiply(y, g * input.dtype.type(share), out=y)
    each = g if share is None else g * input.dtype.type(share)
    used = np.where(labels < 0, g.dtype.type(0), each)
    y *= np.expand_dims(used, 1)
    y[_at(labels)] -= used
    return y


@_label_loss_backward.grad
def _(h, g, input, labels, whole, share):
    each = g if share is None else _expand(g * share, labels.shape)
    kept = where(labels < 0, 0.0, each)
    prob = _softmax(input, 1)
    along = where(labels < 0, 0.0, _sum(h * prob, (1,), False) - h[_at(labels)])
    wide = _reshape_view(kept, (kept.shape[0], 1, *kept.shape[1:]))
    along_g = along if share is None else _sum_all(along) * share
    return along_g, _softmax_backward(h * wide, prob, 1)


@_label_loss_backward.samples(reference=lambda *given: _slow_backward(*given))
def _(rng):
    yield rng.normal(size=(4,)), rng.normal(size=(4, 5)), np.array([0, 4, -1, 2]), False, None
    labels = rng.integers(0, 3, size=(2, 4))
    yield rng.normal(size=(2, 4)), rng.normal(size=(2, 3, 4)), labels, True, None
    yield rng.normal(size=()), rng.normal(size=(4, 5)), np.array([0, 4, 1, 2]), True, 0.25
    yield rng.normal(size=()), rng.normal(size=(4, 5)), np.array([0, 4, -1, 2]), False, 0.5


def _slow_backward(g: Any, x: Any, labels: Any, whole: bool, share: float | None) -> Any:
    if share is not None:
        g = np.full(labels.shape, g * share)
    prob = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    onehot = np.moveaxis(np.eye(x.shape[1])[np.maximum(labels, 0)], -1, 1)
    return np.expand_dims(g * (labels >= 0), 1) * (prob - onehot)


@op
def _picked_loss(input: Array, labels: Any) -> Array:
    """-input[label] over dim 1: (N, K, ...) with labels (N, ...) -> (N, ...); 0 where label is -1."""
    return np.where(labels < 0, input.dtype.type(0), -input[_at(labels)])


@_picked_loss.grad
def _(g, shapes, labels):
    return _unpicked_loss(g, labels, shapes[0][1])


@_picked_loss.samples(
    reference=lambda x, labels: np.array(
        [
            -x[(i[0], labels[i], *i[1:])] if labels[i] >= 0 else 0.0
            for i in np.ndindex(*labels.shape)
        ]
    ).reshape(labels.shape)
)
def _(rng):
    yield rng.normal(size=(4, 5)), np.array([0, 4, -1, 2])
    yield rng.normal(size=(2, 3, 4)), rng.integers(0, 3, size=(2, 4))


@op
def _unpicked_loss(g: Array, labels: Any, classes: int) -> Array:
    """-g at the labels of (N, classes, ...), zeros elsewhere: the gradient of ``_picked_loss``."""
    y = np.zeros((g.shape[0], classes, *g.shape[1:]), g.dtype, like=g)
    y[_at(labels)] = np.where(labels < 0, g.dtype.type(0), -g)
    return y


@_unpicked_loss.grad
def _(h, labels):
    return _picked_loss(h, labels)


@_unpicked_loss.samples(
    reference=lambda g, labels, classes: (
        -np.moveaxis(np.eye(classes)[np.maximum(labels, 0)], -1, 1)
        * np.expand_dims(g * (labels >= 0), 1)
    )
)
def _(rng):
    yield rng.normal(size=(4,)), np.array([0, 4, -1, 2]), 5
    yield rng.normal(size=(2, 4)), rng.integers(0, 3, size=(2, 4)), 3


def _checked_labels(name: str, input: Any, target: Any, ignore_index: int) -> Any:
    """The raw labels, ignored ones as -1, after checking type, shape and range."""
    return _labels(name, input, target, ignore_index)[0]


def _labels(name: str, input: Any, target: Any, ignore_index: int) -> tuple[Any, bool]:
    """``_checked_labels``, and whether none of them is ignored."""
    labels = getattr(target, "array", target)
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"{name}: class labels must be integers, got {labels.dtype}")
    wanted = (input.shape[0], *input.shape[2:])
    if tuple(labels.shape) != wanted:
        raise ShapeError(
            f"{name}: input {tuple(input.shape)} wants labels of shape {wanted}, got "
            f"{tuple(labels.shape)}"
        )
    classes = input.shape[1]
    if labels.size and not 0 <= ignore_index < classes:
        low, high = range_of(labels)
        if low >= 0 and high < classes:
            return labels.astype(np.int64, copy=False), True
    ignored = labels == ignore_index
    bad = ((labels < 0) | (labels >= input.shape[1])) & ~ignored
    if bad.any():
        raise OutOfBoundsError(
            f"{name}: label {int(labels[bad][0])} is out of range for {input.shape[1]} classes "
            f"(input {tuple(input.shape)}, ignore_index {ignore_index})"
        )
    return np.where(ignored, -1, labels.astype(np.int64)), False


def _class_weights(name: str, input: Any, weight: Any) -> Any:
    """The raw weight (K), in input's type, or None."""
    if weight is None:
        return None
    array = getattr(weight, "array", weight)
    if tuple(array.shape) != (input.shape[1],):
        raise ShapeError(
            f"{name}: weight {tuple(array.shape)} must have one value for each of "
            f"{input.shape[1]} classes"
        )
    if array.dtype != input.dtype:
        raise DTypeError(f"{name}: weight is {array.dtype} but input {input.dtype}")
    return array


def _label_weights(labels: Any, weight: Any, dtype: Any) -> tuple[Any, float]:
    """The weight of every label (None if all are 1), 0 where ignored, and their sum."""
    if weight is None:
        return None, float((labels >= 0).sum())
    each = np.where(labels < 0, dtype.type(0), weight[np.maximum(labels, 0)])
    return each, float(each.sum(dtype=np.float64 if dtype.kind == "f" else np.float32))


def _weighted(loss: Any, each: Any, total: float, reduction: str) -> Any:
    """loss times its weights; the mean is over the weights."""
    if each is not None:
        loss = loss * each
    if reduction == "none":
        return loss
    whole = sum(loss)
    return whole if reduction == "sum" else whole * (1 / total if total else math.nan)


def _batched(name: str, input: Any, target: Any) -> tuple[Any, Any, bool]:
    """(K) with () as a batch of one."""
    if input.ndim == 0:
        raise ShapeError(f"{name}: want (K), (N, K) or (N, K, ...), got a single value")
    if input.dtype not in FLOATING:
        raise DTypeError(f"{name}: want a floating-point input, got {input.dtype}")
    if input.ndim > 1:
        return input, target, False
    return input.reshape(1, -1), target.reshape(1, *target.shape), True


# -- cross entropy -------------------------------------------------------------------------------
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """-log softmax(input)[label] over classes: input (N, K, ...) with labels (N, ...), or (K) with ().

    target may hold class probabilities of input's shape instead: -sum(target log softmax(input)).
    weight (K) weighs classes; the mean over labels is over their weights. Labels equal to
    ignore_index do not count. label_smoothing mixes the target with the uniform distribution.
    Source: Szegedy et al. (2015) for label smoothing.

    >>> import sensorium as sn
    >>> sn.nn.functional.cross_entropy(sn.tensor([[0.0, 0.0], [0.0, 9.0]]), sn.tensor([0, 1]))
    tensor(0.3466)
    """
    reduction = reduction_of("cross_entropy", reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise OutOfBoundsError(
            f"cross_entropy: label_smoothing must lie in [0, 1], got {label_smoothing}"
        )
    x, goal, single = _batched("cross_entropy", input, target)
    weights = _class_weights("cross_entropy", x, weight)
    if target.dtype in FLOATING:
        if ignore_index >= 0:
            raise OptionError(
                f"cross_entropy: ignore_index {ignore_index} is for labels, and target holds "
                f"probabilities ({target.dtype})"
            )
        loss = _probability_entropy(x, goal, weights, reduction, label_smoothing)
    else:
        labels, whole = _labels("cross_entropy", x, goal, ignore_index)
        if label_smoothing:
            loss = _smooth_entropy(x, labels, weights, reduction, label_smoothing)
        else:
            loss = _label_entropy(x, labels, whole, weights, reduction)
    return loss.reshape(()) if single and reduction == "none" else loss


def _label_entropy(x: Any, labels: Any, whole: bool, weight: Any, reduction: str) -> Any:
    if weight is None and reduction != "none":
        count = labels.size if whole else float((labels >= 0).sum())
        share = 1.0 if reduction == "sum" else 1 / count if count else math.nan
        return _label_loss(x, labels, whole, share)
    each, total = _label_weights(labels, weight, x.dtype)
    return _weighted(_label_loss(x, labels, whole, None), each, total, reduction)


def _smooth_entropy(x: Any, labels: Any, weight: Any, reduction: str, smoothing: float) -> Any:
    each, total = _label_weights(labels, weight, x.dtype)
    logp = _log_softmax(x, 1)
    sharp = _picked_loss(logp, labels)
    flat = -_sum(logp if weight is None else logp * _along_classes(weight, x), (1,), False)
    flat = where(labels < 0, 0.0, flat)
    sharp = sharp if each is None else sharp * each
    mixed = sharp * (1 - smoothing) + flat * (smoothing / x.shape[1])
    return _weighted(mixed, None, total, reduction)


def _along_classes(weight: Any, x: Any) -> Any:
    return weight.reshape([-1] + [1] * (x.ndim - 2))


def _probability_entropy(x: Any, target: Any, weight: Any, reduction: str, smoothing: float) -> Any:
    if x.shape != target.shape:
        raise ShapeError(
            f"cross_entropy: class probabilities {tuple(target.shape)} must have the input's shape "
            f"{tuple(x.shape)}"
        )
    if smoothing:
        target = target * (1 - smoothing) + smoothing / x.shape[1]
    terms = _log_softmax(x, 1) * target
    loss = -_sum(terms if weight is None else terms * _along_classes(weight, x), (1,), False)
    return reduced(loss, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-input[label], input (N, K, ...) log-probabilities with labels (N, ...), or (K) with ().

    weight (K) weighs classes; the mean is over the weights. Labels equal to ignore_index do not count.

    >>> import sensorium as sn
    >>> sn.nn.functional.nll_loss(sn.tensor([[-1.0, -2.0]]), sn.tensor([1]))
    tensor(2.)
    """
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    x, goal, single = _batched("nll_loss", input, target)
    labels = _checked_labels("nll_loss", x, goal, ignore_index)
    each, total = _label_weights(labels, _class_weights("nll_loss", x, weight), x.dtype)
    loss = _weighted(_picked_loss(x, labels), each, total, reduction)
    return loss.reshape(()) if single and reduction == "none" else loss
