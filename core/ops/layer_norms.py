"""Layer, root-mean-square, group and instance normalisation.

y = (x - mean) / sqrt(var + eps) * weight + bias, with mean and biased variance over the last
dimensions (layer norm) or over groups of channels and space of each sample (group and instance norm);
y = x / sqrt(mean(x^2) + eps) * weight over the last dimensions (RMS norm). Sources: Ba et al. (2016),
Zhang and Sennrich (2019), Wu and He (2018).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..dtypes import FLOATING, complex128, float32, float64, is_complex
from ..errors import DTypeError, ShapeError
from . import _small
from ._declare import Array, op
from ._dims import sizes
from .arithmetic import mul
from .batch_norms import (
    _as_tensor,
    _is_tensor,
    _move,
    _of_nothing,
    _vector,
    as_single,
    batch_norm,
    is_half,
    through,
)
from .cast import to_dtype
from .exponential import rsqrt
from .reduce import _sum, mean
from .shape import reshape


# -- layer norm ------------------------------------------------------------------------------------
@op(outputs=("y", "mean", "inverse"))
def _layer_norm(input: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """The last dimension normalised; also its mean and 1 / sqrt(var + eps), size 1 kept."""
    n = input.shape[-1]
    if _small.takes(input, -1):
        average = _small.row_means(input)
        off = input - average
        spread = _small.row_means(off * off)
    else:
        average = np.add.reduce(input, -1, keepdims=True) / n
        off = input - average
        spread = np.add.reduce(off * off, -1, keepdims=True) / n
    spread += input.dtype.type(eps)
    inverse = np.reciprocal(np.sqrt(spread, out=spread), out=spread)
    y = np.multiply(off, inverse, out=off)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias, average[..., :1], inverse[..., :1]


@_layer_norm.grad
def _(g, input, weight, mean, inverse, needs):
    dx, dweight, dbias = _layer_norm_backward(g, input, weight, mean, inverse)
    return dx, dweight if needs[1] else None, dbias if needs[2] else None


@op(outputs=("dx", "dweight", "dbias"), differentiable=3)
def _layer_norm_backward(
    g: Array, input: Array, weight: Array | None, mean: Array, inverse: Array
) -> Array:
    """The gradients of input, weight and bias; mean and inverse are what the norm returned."""
    z = (input - mean) * inverse
    gw = g if weight is None else g * weight
    n = 1 / input.shape[-1]
    total = np.add.reduce(gw, -1, keepdims=True) * n
    dx = (gw - total - z * (np.add.reduce(gw * z, -1, keepdims=True) * n)) * inverse
    rows = tuple(range(input.ndim - 1))
    return dx.astype(g.dtype, copy=False), np.add.reduce(g * z, rows), np.add.reduce(g, rows)


@_layer_norm_backward.grad
def _(h, g, input, weight, inverse):
    """Through a composition of differentiable ops; the statistics depend on the input."""

    def composed(g: Any, x: Any, weight: Any) -> tuple[Any, Any, Any]:
        average, scale = _row_statistics(x, inverse)
        z = (x - average) * scale
        gw = g if weight is None else g * weight
        n, last = 1 / x.shape[-1], (x.ndim - 1,)
        dx = (gw - _sum(gw, last, True) * n - z * (_sum(gw * z, last, True) * n)) * scale
        rows = tuple(range(x.ndim - 1))
        return dx, _sum(g * z, rows, False), _sum(g, rows, False)

    return (*through(composed, h, g, input, weight), None, None)


@_layer_norm_backward.fast("onednn", least=1024, when=lambda g, x, w, mean, inverse: (
    x.dtype == np.float32 == g.dtype and onednn.takes_layer_norm(x)))  # fmt: skip
def _(g, input, weight, mean, inverse):
    scale = np.ones(input.shape[-1], input.dtype) if weight is None else weight
    rows = input.shape[:-1]
    var = np.reciprocal(inverse * inverse).reshape(rows)
    average = np.ascontiguousarray(mean).reshape(rows)
    return onednn.layer_norm_backward(g, input, average, var, scale, 0.0)


def _slow_layer_norm_backward(g: Any, x: Any, w: Any, m: Any, inverse: Any) -> Any:
    dx, dw, db = np.zeros_like(x), np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
    for i in np.ndindex(*x.shape[:-1]):
        z = (x[i] - m[i]) * inverse[i]
        gw = g[i] if w is None else g[i] * w
        dx[i] = (gw - gw.mean() - z * (gw * z).mean()) * inverse[i]
        dw += g[i] * z
        db += g[i]
    return dx, dw, db


@_layer_norm_backward.samples(reference=_slow_layer_norm_backward, tolerance=1e-10, smooth=False)
def _(rng):
    for shape in [(4, 5), (2, 3, 6), (32, 64)]:
        x = rng.normal(size=shape)
        _, m, inverse = _slow_layer_norm(x, None, None, 1e-5)
        yield rng.normal(size=shape), x, rng.normal(size=shape[-1]), m, inverse


def _row_statistics(input: Any, inverse: Any) -> tuple[Any, Any]:
    """mean and inverse as functions of the input; eps is what the kept inverse implies."""
    last = (input.ndim - 1,)
    average = mean(input, last, True)
    off = input - average
    spread = mean(off * off, last, True)
    kept = _as_tensor(inverse).detach()
    return average, rsqrt(spread + (1 / (kept * kept) - spread.detach()))


@_layer_norm.fast("onednn", least=1024, when=lambda x, w, b, eps: x.dtype == np.float32 and (
    onednn.takes_layer_norm(x) and all(v is None or v.dtype == x.dtype for v in (w, b))))  # fmt: skip
def _(input, weight, bias, eps):
    n = input.shape[-1]
    if weight is None and bias is not None:
        weight = np.ones(n, input.dtype)
    if bias is None and weight is not None:
        bias = np.zeros(n, input.dtype)
    y, average, spread = onednn.layer_norm_forward(input, weight, bias, eps)
    shape = (*input.shape[:-1], 1)
    return y, average.reshape(shape), (1 / np.sqrt(spread + np.float32(eps))).reshape(shape)


def _slow_layer_norm(x: Any, w: Any, b: Any, eps: float) -> Any:
    y, means, inverses = (
        np.zeros_like(x),
        np.zeros((*x.shape[:-1], 1)),
        np.zeros((*x.shape[:-1], 1)),
    )
    for i in np.ndindex(*x.shape[:-1]):
        means[i] = x[i].mean()
        inverses[i] = (x[i].var() + eps) ** -0.5
        y[i] = (x[i] - means[i]) * inverses[i] * (1 if w is None else w) + (0 if b is None else b)
    return y, means, inverses


@_layer_norm.samples(reference=_slow_layer_norm, tolerance=1e-11)
def _(rng):
    for shape in [(4, 5), (2, 3, 6), (32, 64)]:
        yield rng.normal(size=shape), rng.normal(size=shape[-1]), rng.normal(size=shape[-1]), 1e-5
    yield rng.normal(size=(4, 5)), None, None, 1e-3


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, normalized_shape.

    >>> import sensorium as sn
    >>> sn.nn.functional.layer_norm(sn.tensor([1.0, 3.0]), (2,))
    tensor([-1.0000,  1.0000])
    """
    shape = _last_shape("layer_norm", input, normalized_shape, ("weight", weight), ("bias", bias))
    if is_half(input.dtype):
        x, scale, shift = map(as_single, (input, weight, bias))
        return to_dtype(layer_norm(x, shape, scale, shift, eps), input.dtype)
    if len(shape) == 1:
        return _layer_norm(input, weight, bias, eps)[0]
    flat = reshape(input, (*input.shape[: input.ndim - len(shape)], -1))
    vectors = [v if v is None else reshape(v, (-1,)) for v in (weight, bias)]
    return reshape(_layer_norm(flat, *vectors, eps)[0], tuple(input.shape))


def _last_shape(name: str, input: Any, normalized_shape: Any, *vectors: Any) -> tuple[int, ...]:
    """normalized_shape as a tuple, checked against the input and the named weight and bias."""
    single = hasattr(normalized_shape, "__index__")
    shape = sizes(name, (normalized_shape,) if single else tuple(normalized_shape))
    if tuple(input.shape[input.ndim - len(shape) :]) != shape or not shape:
        raise ShapeError(f"{name}: x {tuple(input.shape)} does not end in {shape}")
    for what, v in vectors:
        if v is not None and tuple(v.shape) != shape:
            raise ShapeError(f"{name}: {what} {tuple(v.shape)} is not {shape}")
    return shape


# -- root mean square norm -------------------------------------------------------------------------
@op(outputs=("y", "inverse"))
def _rms_norm(input: Array, weight: Array | None, eps: float) -> Array:
    """The last dimension over its root mean square; also 1 / sqrt(mean(x^2) + eps), size 1 kept."""
    spread = np.add.reduce(input * input, -1, keepdims=True) / input.shape[-1]
    inverse = 1 / np.sqrt(spread + input.dtype.type(eps))
    y = input * inverse
    return y if weight is None else y * weight, inverse


@_rms_norm.grad
def _(g, input, weight, inverse, eps, needs):
    last = (input.ndim - 1,)
    if _is_tensor(g):  # a graph of the gradient is wanted: the statistic must depend on the input
        inverse = rsqrt(mean(input * input, last, True) + eps)
    z = input * inverse
    gw = (g if weight is None else g * weight) * inverse
    dx = gw - z * (_sum(gw * z, last, True) * (1 / input.shape[-1]))
    return dx, g * z if needs[1] else None


def _slow_rms_norm(x: Any, w: Any, eps: float) -> Any:
    y, inverses = np.zeros_like(x), np.zeros((*x.shape[:-1], 1))
    for i in np.ndindex(*x.shape[:-1]):
        inverses[i] = (sum(v * v for v in x[i].tolist()) / len(x[i]) + eps) ** -0.5
        y[i] = [v * inverses[i][0] for v in x[i].tolist()]
    return y if w is None else y * w, inverses


@_rms_norm.samples(reference=_slow_rms_norm, tolerance=1e-11)
def _(rng):
    for shape in [(4, 5), (2, 3, 6)]:
        yield rng.normal(size=shape), rng.normal(size=shape[-1]), 1e-5
    yield rng.normal(size=(4, 5)), None, 1e-3


def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions, normalized_shape.

    eps is the machine precision of the computation unless given: float64's or float32's. Half
    precision is computed in float32. Source: Zhang and Sennrich (2019).

    >>> import sensorium as sn
    >>> sn.nn.functional.rms_norm(sn.tensor([3.0, 4.0]), (2,))
    tensor([0.8485, 1.1314])
    """
    shape = _last_shape("rms_norm", input, normalized_shape, ("weight", weight))
    if input.dtype not in FLOATING:
        raise DTypeError(f"rms_norm: x is {input.dtype}, want a float or complex type")
    if eps is None:
        double = input.dtype in (float64, complex128)
        eps = float(np.finfo(np.float64 if double else np.float32).eps)
    if is_complex(input.dtype):  # x^2, not |x|^2, as in PyTorch
        last = tuple(range(-len(shape), 0))
        y = input * rsqrt(mean(input * input, last, True) + eps)
        return y if weight is None else y * weight
    wide = float32 if input.dtype.itemsize == 2 else input.dtype
    flat = reshape(input, (*input.shape[: input.ndim - len(shape)], prod(shape)))
    row = None if weight is None else to_dtype(reshape(weight, (-1,)), wide)
    y = _rms_norm(to_dtype(flat, wide), row, eps)[0]
    return to_dtype(reshape(y, tuple(input.shape)), input.dtype)


# -- group and instance norm -----------------------------------------------------------------------
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over groups of channels and space of each sample.

    >>> import sensorium as sn
    >>> sn.nn.functional.group_norm(sn.ones(1, 4, 2), 2).shape
    sensorium.Size([1, 4, 2])
    """
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: {num_groups} groups do not divide the channels of x {tuple(input.shape)}"
        )
    if 0 in input.shape:
        return _of_nothing(input, weight, bias)
    if is_half(input.dtype):
        x, scale, shift = map(as_single, (input, weight, bias))
        return to_dtype(group_norm(x, num_groups, scale, shift, eps), input.dtype)
    rows = reshape(input, (input.shape[0], num_groups, -1))
    y = reshape(_layer_norm(rows, None, None, eps)[0], tuple(input.shape))
    if weight is not None:
        y = mul(y, _vector(weight, input.ndim))
    return y if bias is None else y + _vector(bias, input.ndim)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over the space of each channel of each sample.

    Running statistics, if given, move towards the batch's averages in place, as in batch norm;
    without use_input_stats they are what is used.

    >>> import sensorium as sn
    >>> sn.nn.functional.instance_norm(sn.tensor([[[1.0, 3.0]]]))
    tensor([[[-1.0000,  1.0000]]])
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.ndim < 3 or prod(input.shape[2:]) < 2:
        raise ShapeError(
            f"instance_norm: want more than one place a channel, got {tuple(input.shape)}"
        )
    if running_mean is not None:
        n = prod(input.shape[2:])
        rows = as_single(input.detach()).array.reshape(*input.shape[:2], -1)
        _move(running_mean, rows.mean(axis=(0, 2)), momentum)
        _move(running_var, rows.var(axis=2).mean(0) * (n / (n - 1)), momentum)
    return group_norm(input, input.shape[1], weight, bias, eps)
