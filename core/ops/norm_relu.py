"""Batch normalisation in training followed by relu, as one op: one pass over memory fewer.

max(0, (x - mean) / sqrt(var + eps) * weight + bias). Its gradient is that of ``batch_norms.py`` with g cut where
the result is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ._declare import Array, op
from .activation import _relu_backward, relu
from .batch_norms import (
    _batch_norm_backward,
    _batch_norm_train,
    _check_batch_norm,
    _onednn_batch,
    _slow_batch_norm,
    batch_norm,
    train_with,
)


@op(outputs=("y", "mean", "var"))
def _batch_norm_relu(input: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """relu of the batch normalised with its own mean and variance, which are returned too."""
    y, mean, var = _batch_norm_train.op.compute(input, weight, bias, eps)
    return relu(y), mean, var


@_batch_norm_relu.grad
def _(g, input, weight, y, mean, var, eps):
    return _batch_norm_backward(_relu_backward(g, y), input, weight, mean, var, eps)


@_batch_norm_relu.fast("onednn", when=lambda x, w, b, eps: w is not None and _onednn_batch(x, w))
def _(input, weight, bias, eps):
    y, mean, var, _ = onednn.batch_norm_forward_train(input, weight, bias, eps, relu=True)
    if np.isnan(var).any():  # oneDNN's relu would hide a nan; the variance shows every one
        return _batch_norm_relu.op.formula(input, weight, bias, eps)
    return y, mean, var


def _slow(x: Any, w: Any, b: Any, eps: float) -> Any:
    y, mean, var = _slow_batch_norm(x, w, b, eps)
    return np.where(y > 0, y, 0.0), mean, var


@_batch_norm_relu.samples(reference=_slow, tolerance=1e-11)
def _(rng):
    for shape in [(4, 3), (2, 3, 4, 5), (8, 16, 8, 8)]:
        c = shape[1]  # channels well above or below 0: no element near the kink
        yield (
            rng.normal(size=shape),
            rng.normal(size=c) * 0.1,
            np.where(rng.random(c) > 0.5, 1, -1.0),
            1e-5,
        )


def batch_norm_relu(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """``relu(batch_norm(...))``; see ``batch_norm``.

    >>> import sensorium as sn
    >>> sn.ops.batch_norm_relu(sn.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[0.0000],
            [1.0000]])
    """
    if not training:
        y = batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        return relu(y)
    _check_batch_norm(input, running_mean, running_var, weight, bias, training)
    return train_with(
        _batch_norm_relu, input, running_mean, running_var, weight, bias, momentum, eps
    )
