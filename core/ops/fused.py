"""Several steps as one op, for inference: what eager code can fuse without a compiler.

Fused ops have no gradient of their own: callers use them only where none is wanted, and the plain
steps elsewhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..backends.cpu.folding import folded
from ..errors import DTypeError
from ._declare import Array, op
from .activation import relu, relu6, silu
from .batch_norms import _normalise, _vector
from .conv import Pairs, _conv
from .gelus import gelu
from .matmul import _check_linear, linear
from .trigonometry import tanh

ACTIVATIONS = {None: lambda x: x, "relu": relu, "relu6": relu6, "silu": silu}


@op(differentiable=0)
def conv_norm_act(
    input: Array,
    weight: Array,
    bias: Array | None,
    norm_weight: Array | None,
    norm_bias: Array | None,
    running_mean: Array,
    running_var: Array,
    residual: Array | None,
    eps: float,
    stride: Any,
    padding: Pairs,
    dilation: Any,
    groups: int,
    activation: str | None,
) -> Array:
    """activation(batch_norm(conv(input)) + residual) with frozen statistics, in one pass.

    activation is None, "relu", "relu6" or "silu"; padding is pairs (before, after) a dimension.

    Folding: w' = w s, b' = (b - mean) s + norm_bias with s = norm_weight / sqrt(var + eps).

    >>> import sensorium as sn
    >>> one, zero = sn.ones(1), sn.zeros(1)
    >>> geometry = (0.0, (1, 1), ((0, 0), (0, 0)), (1, 1), 1, "relu")
    >>> x, w = sn.tensor([[[[2.0, 3.0]]]]), sn.ones(1, 1, 1, 1)
    >>> sn.ops.conv_norm_act(x, w, None, one, zero, zero, one, None, *geometry)
    tensor([[[[2., 3.]]]])
    """
    if activation not in ACTIVATIONS:
        raise DTypeError(
            f"conv_norm_act: activation {activation!r} is not one of {list(ACTIVATIONS)}"
        )
    y = _conv(input, weight, stride, padding, dilation, groups)
    if bias is not None:
        y = y + _vector(bias, y.ndim)
    y = _normalise(y, running_mean, running_var, norm_weight, norm_bias, eps)
    y = y if residual is None else y + residual
    return ACTIVATIONS[activation](y)


@conv_norm_act.fast("onednn", when=onednn.takes_conv)
def _(input, weight, bias, norm_weight, norm_bias, running_mean, running_var, residual, eps, stride,
      padding, dilation, groups, activation):  # fmt: skip
    norm = (norm_weight, norm_bias, running_mean, running_var)
    scaled, start = folded(weight, bias, norm, eps)
    return onednn.conv_forward(
        input, scaled, start, stride, padding, dilation, groups, activation=activation,
        residual=residual,
    )  # fmt: skip


def _slow(
    x: Any, w: Any, b: Any, nw: Any, nb: Any, m: Any, v: Any, r: Any, eps: float, *rest: Any
) -> Any:
    from .conv import _slow_conv

    *geometry, activation = rest
    y = _slow_conv(x, w, *geometry) + (0 if b is None else b[:, None, None])
    for c in range(y.shape[1]):
        y[:, c] = (y[:, c] - m[c]) / (v[c] + eps) ** 0.5 * nw[c] + nb[c]
    y = y if r is None else y + r
    return np.maximum(y, 0) if activation == "relu" else y


@conv_norm_act.samples(reference=_slow, tolerance=1e-11)
def _(rng):
    def vectors():
        return rng.normal(size=4), rng.normal(size=4), rng.normal(size=4), rng.uniform(0.5, 2, 4)

    geometry = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    x, w = rng.normal(size=(1, 3, 5, 4)), rng.normal(size=(4, 3, 3, 3))
    yield x, w, None, *vectors(), rng.normal(size=(1, 4, 5, 4)), 1e-5, *geometry, "relu"
    yield x, w, rng.normal(size=4), *vectors(), None, 1e-3, *geometry, None


# -- linear, residual, activation ------------------------------------------------------------------
LINEAR_ACTIVATIONS = {
    None: lambda x: x,
    "gelu": gelu,
    "gelu_tanh": lambda x: gelu(x, "tanh"),
    "relu": relu,
    "silu": silu,
    "tanh": tanh,
}


@op(differentiable=0)
def linear_act(
    input: Array,
    weight: Array,
    bias: Array | None,
    residual: Array | None,
    activation: str | None,
) -> Array:
    """activation(input @ weight.T + bias + residual) in one pass.

    input (..., in), weight (out, in), bias (out), residual (..., out); activation is None, "gelu",
    "gelu_tanh", "relu", "silu" or "tanh".

    >>> import sensorium as sn
    >>> sn.ops.linear_act(sn.ones(1, 2), sn.tensor([[1.0, -3.0]]), None, sn.ones(1, 1), "relu")
    tensor([[0.]])
    """
    if activation not in LINEAR_ACTIVATIONS:
        raise DTypeError(
            f"linear_act: activation {activation!r} is not one of {list(LINEAR_ACTIVATIONS)}"
        )
    y = linear(input, weight, bias)
    return LINEAR_ACTIVATIONS[activation](y if residual is None else y + residual)


@linear_act.fast("onednn", when=onednn.takes_linear, least=64)
def _(input, weight, bias, residual, activation):
    _check_linear(input, weight, bias)
    return onednn.linear(input, weight, bias, activation, residual)


_SLOW_ACTIVATIONS = {
    None: lambda v: v,
    "gelu": lambda v: v * 0.5 * math.erfc(-v / math.sqrt(2)),
    "relu": lambda v: max(v, 0.0),
}


def _slow_linear_act(x: Any, w: Any, b: Any, r: Any, activation: str | None) -> Any:
    y = np.zeros((*x.shape[:-1], len(w)))
    for i in np.ndindex(*y.shape):
        v = math.fsum(x[i[:-1]] * w[i[-1]]) + (0 if b is None else b[i[-1]])
        y[i] = _SLOW_ACTIVATIONS[activation](v + (0 if r is None else r[i]))
    return y


@linear_act.samples(reference=_slow_linear_act, tolerance=1e-10)
def _(rng):
    def tensors(rows: int, inner: int, out: int) -> Any:
        return rng.normal(size=(2, rows, inner)), rng.normal(size=(out, inner))

    yield *tensors(3, 4, 5), rng.normal(size=5), rng.normal(size=(2, 3, 5)), None
    yield *tensors(3, 4, 5), None, None, "gelu"
    yield *tensors(32, 64, 80), rng.normal(size=80), None, "gelu"
    yield *tensors(32, 64, 80), rng.normal(size=80), rng.normal(size=(2, 32, 80)), "relu"
