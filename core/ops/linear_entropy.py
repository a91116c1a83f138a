"""linear_cross_entropy: a linear layer and the cross entropy of its logits in one step.

Follows ``torch.nn.functional.linear_cross_entropy``. With ``options`` the rows are taken in chunks and
the logits (N, K) never exist all at once, forward or backward: for vocabularies that is most of the
memory. A second derivative builds them after all. PyTorch's choices of how to accumulate
(``acc_policy``, ``acc_dtype``, ``allow_retain_graph``) are accepted and change nothing: half types are
always accumulated in float32, and backward may be run again.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import float32, float64
from ..errors import OptionError, ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from .entropy import _checked_labels, _class_weights, _label_weights, _weighted, cross_entropy
from .loss import reduction_of
from .matmul import linear
from .reduce import _sum
from .select import where
from .softmax import _softmax

_POLICIES = ("auto", "accurate", "balanced", "compact")


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """How many rows ``linear_cross_entropy`` takes at a time.

    batch_chunk_size says it outright. Else chunking_method: "aspect_ratio" makes a chunk of logits
    about as large as the input, "aspect_ratio:N" N times smaller; "auto" is "aspect_ratio:2" (without
    the 2 for half types); None takes all rows at once.

    >>> LinearCrossEntropyOptions(batch_chunk_size=64).batch_chunk_size
    64
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        if self.acc_policy not in _POLICIES:
            raise OptionError(
                f"{name}: acc_policy must be one of {_POLICIES}, got {self.acc_policy!r}"
            )
        if self.chunking_method not in (None, "auto"):
            _divisor(str(self.chunking_method))
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise OptionError(
                f"{name}: batch_chunk_size must be a positive int or None, got {size!r}"
            )


def _divisor(method: str) -> int:
    """N of "aspect_ratio:N"."""
    name, _, number = method.partition(":")
    number = number if ":" in method else "1"
    if name != "aspect_ratio" or not number.isdigit() or int(number) < 1:
        raise OptionError(
            "LinearCrossEntropyOptions: chunking_method must be None, 'auto', 'aspect_ratio' or "
            f"'aspect_ratio:N', got {method!r}"
        )
    return int(number)


def _rows(options: Any, n: int, features: int, classes: int, dtype: Any) -> int:
    size, method = options.batch_chunk_size, options.chunking_method
    if method == "auto":
        default = "aspect_ratio" if dtype.itemsize == 2 else "aspect_ratio:2"
        method = None if size is not None else default
    if method is None:
        return max(1, n if size is None else min(size, n))
    target = -(-n // max(1, -(-classes // max(features, 1))))
    found = min((1 << max(target - 1, 0).bit_length()) // _divisor(method), n)
    if size is not None and size != found:
        raise OptionError(
            f"linear_cross_entropy: batch_chunk_size {size} and chunking_method {method!r} ({found} "
            "rows) differ: give one of them"
        )
    return max(1, found)


# -- the loss of every row, in chunks --------------------------------------------------------------
def _wide(array: Any) -> Any:
    return array.astype(np.float32) if array.dtype not in (float32, float64) else array


def _logits(x: Any, w: Any, b: Any, part: slice) -> Any:
    y = _wide(x[part]) @ w.T
    return y if b is None else y + b


@op
def _row_entropy(input: Array, weight: Array, bias: Array | None, labels: Any, chunk: int) -> Array:
    """-log softmax(input @ weight.T + bias)[label] of every row: (N, E), (K, E), (K) -> (N).

    0 where the label is -1.
    """
    w, b = _wide(weight), None if bias is None else _wide(bias)
    loss = np.zeros(labels.shape, w.dtype, like=w)
    for start in range(0, len(labels), chunk):
        part = slice(start, start + chunk)
        y = _logits(input, w, b, part)
        y = y - y.max(1, keepdims=True)
        row = np.arange(len(y), like=y)
        loss[part] = np.log(np.exp(y).sum(1)) - y[row, np.maximum(labels[part], 0)]
    return np.where(labels < 0, 0, loss).astype(input.dtype, copy=False)


@_row_entropy.grad
def _(g, input, weight, bias, labels, chunk):
    if isinstance(g, Tensor):
        return _whole_slopes(g, input, weight, bias, labels)
    w, b = _wide(weight), None if bias is None else _wide(bias)
    dx, dw = np.zeros(input.shape, w.dtype, like=w), np.zeros_like(w)
    db = None if b is None else np.zeros_like(b)
    used = np.where(labels < 0, 0, _wide(g))
    for start in range(0, len(labels), chunk):
        part = slice(start, start + chunk)
        d = _softmax(_logits(input, w, b, part), 1) * used[part, None]
        d[np.arange(len(d), like=d), np.maximum(labels[part], 0)] -= used[part]
        dx[part] = d @ w
        dw += d.T @ _wide(input[part])
        if db is not None:
            db += d.sum(0)
    return dx, dw, db


def _whole_slopes(g: Any, x: Any, w: Any, b: Any, labels: Any) -> tuple[Any, Any, Any]:
    """The gradients as a graph, with all logits at once."""
    used = where(labels < 0, 0.0, g)
    onehot = labels[:, None] == np.arange(w.shape[0], like=labels)
    d = (_softmax(linear(x, w, b), 1) - Tensor(onehot.astype(w.dtype))) * used.unsqueeze(1)
    return d @ w, d.T @ x, None if b is None else _sum(d, (0,), False)


def _slow_row_entropy(x: Any, w: Any, b: Any, labels: Any, chunk: int) -> Any:
    y = []
    for row, label in zip(x, labels):
        logits = [float(row @ v) + (0 if b is None else float(b[k])) for k, v in enumerate(w)]
        total = math.log(math.fsum(math.exp(v) for v in logits))
        y.append(total - logits[label] if label >= 0 else 0.0)
    return np.array(y)


@_row_entropy.samples(reference=_slow_row_entropy)
def _(rng):
    labels = np.array([2, -1, 0, 3, 1])
    yield rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), rng.normal(size=4), labels, 2
    yield rng.normal(size=(5, 2)), rng.normal(size=(4, 2)), None, labels, 5


# -- what users call -------------------------------------------------------------------------------
def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Any:
    """cross_entropy(linear(input, linear_weight, linear_bias), target).

    input (E) or (N, E); linear_weight (K, E), or (K, ..., E) for logits (N, K, ...); linear_bias of
    its shape but for E; target, weight and the other arguments as of ``cross_entropy``. options: take
    the rows in chunks (``LinearCrossEntropyOptions``); for labels and weights (K, E) without
    smoothing, else a warning and all at once.

    >>> import sensorium as sn
    >>> x, w = sn.ones(4, 2), sn.zeros(8, 2)
    >>> sn.nn.functional.linear_cross_entropy(x, w, sn.tensor([0, 7, 1, 2]))
    tensor(2.0794)
    """
    name = "linear_cross_entropy"
    shape = _check(input, linear_weight, linear_bias)
    if ignore_index is not None and tuple(target.shape) == shape:
        raise ShapeError(f"{name}: ignore_index {ignore_index} is for labels, not probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None and _chunkable(linear_weight, target, reduction, label_smoothing):
        return _chunked(
            input, linear_weight, linear_bias, target, weight, reduction, ignored, options
        )
    features = linear_weight.shape[-1]
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, linear_weight.reshape(-1, features), bias).reshape(shape)
    return cross_entropy(logits, target, weight, None, ignored, None, reduction, label_smoothing)


def _check(input: Any, weight: Any, bias: Any) -> tuple[int, ...]:
    """The shape of the logits."""
    shapes = f"(input {tuple(input.shape)}, linear_weight {tuple(weight.shape)})"
    name = "linear_cross_entropy"
    if input.ndim not in (1, 2) or weight.ndim < 2 or input.shape[-1] != weight.shape[-1]:
        raise ShapeError(f"{name}: want input (E) or (N, E) and linear_weight (K, ..., E) {shapes}")
    if weight.ndim > 2 and input.ndim == 1:
        raise ShapeError(f"{name}: a linear_weight (K, ..., E) wants a batch of inputs {shapes}")
    outer = tuple(weight.shape[:-1])
    if bias is not None and tuple(bias.shape) != outer:
        raise ShapeError(f"{name}: want linear_bias {outer}, got {tuple(bias.shape)} {shapes}")
    return (*input.shape[:-1], *outer)


def _chunkable(weight: Any, target: Any, reduction: str, smoothing: float) -> bool:
    if weight.ndim == 2 and target.dtype == np.int64 and not smoothing:
        return True
    warnings.warn(
        "linear_cross_entropy: all rows at once; chunks want int64 labels, a linear_weight (K, E) and "
        f"no label_smoothing, got {target.dtype}, {tuple(weight.shape)} and {smoothing}",
        stacklevel=3,
    )
    return False


def _chunked(
    input: Any, w: Any, b: Any, target: Any, weight: Any, reduction: str, ignored: int, options: Any
) -> Any:
    single = input.ndim == 1
    x, goal = (input.reshape(1, -1), target.reshape(1)) if single else (input, target)
    shape = (x.shape[0], w.shape[0])
    like = np.broadcast_to(
        np.empty((), x.dtype), shape
    )  # the logits' shape and type, not their memory
    labels = _checked_labels("linear_cross_entropy", like, goal, ignored)
    classes = _class_weights("linear_cross_entropy", like, weight)
    each, total = _label_weights(labels, classes, x.dtype)
    chunk = _rows(options, x.shape[0], x.shape[1], w.shape[0], x.dtype)
    how = reduction_of("linear_cross_entropy", reduction, None, None)
    loss = _weighted(_row_entropy(x, w, b, labels, chunk), each, total, how)
    return loss.reshape(()) if single and how == "none" else loss
