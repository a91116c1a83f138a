"""Batch normalisation.

y = (x - mean) / sqrt(var + eps) * weight + bias, with mean and biased variance over batch and space
for each channel. Source: Ioffe and Szegedy (2015). Layer, group and instance norm: ``layer_norms.py``.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..autograd.mode import no_grad
from ..backends.cpu import onednn
from ..dtypes import FLOATING, float32
from ..errors import DTypeError, ShapeError
from ..jit.state import is_tracing
from ._declare import Array, op
from .cast import to_dtype
from .exponential import rsqrt
from .reduce import _sum, mean
from .shape import _reshape_view, reshape


def _vector(v: Any, ndim: int) -> Any:
    """A vector over channels, shaped to meet (N, C, ...)."""
    return _reshape_view(v, (1, -1, *(1,) * (ndim - 2)))


def _channel_axes(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


def _count(shape: Any) -> int:
    return prod(shape) // max(shape[1], 1)


# -- batch norm with the batch's own statistics ----------------------------------------------------
@op(outputs=("y", "mean", "var"))
def _batch_norm_train(input: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """The batch normalised with its own mean and biased variance, which are returned too."""
    axes, n = _channel_axes(input.ndim), _count(input.shape)
    average = np.add.reduce(input, axes, keepdims=True) / n
    off = input - average
    spread = np.add.reduce(off * off, axes) / n
    y = off / np.sqrt(_vector(spread, input.ndim) + input.dtype.type(eps))
    if weight is not None:
        y = y * _vector(weight, input.ndim) + _vector(bias, input.ndim)
    return y, average.reshape(-1), spread


@_batch_norm_train.grad
def _(g, input, weight, mean, var, eps):
    return _batch_norm_backward(g, input, weight, mean, var, eps)


@op(outputs=("dx", "dweight", "dbias"), differentiable=3)
def _batch_norm_backward(
    g: Array, input: Array, weight: Array | None, mean: Array, var: Array, eps: float
) -> Array:
    """The gradients of input, weight and bias; mean and var are those of the input."""
    axes, n, d = _channel_axes(input.ndim), _count(input.shape), input.ndim
    inverse = 1 / np.sqrt(var + input.dtype.type(eps))
    z = (input - _vector(mean, d)) * _vector(inverse, d)
    dbias = np.add.reduce(g, axes)
    dweight = np.add.reduce(g * z, axes)
    scale = inverse if weight is None else inverse * weight
    dx = (g - _vector(dbias, d) / n - z * (_vector(dweight, d) / n)) * _vector(scale, d)
    return dx, dweight, dbias


@_batch_norm_backward.grad
def _(h, g, input, weight, eps):
    """Through a composition of differentiable ops: rare enough to be written for clarity."""
    return (*through(lambda *v: _composed_backward(*v, eps), h, g, input, weight), None, None)


def through(composed: Any, h: Any, *values: Any) -> tuple[Any, ...]:
    """The gradients of values by way of composed(*values), whose results' gradients are h.

    Tensors if h's are, else raw arrays; None for a value that is None.
    """
    from ..autograd.engine import grad
    from ..autograd.mode import enable_grad

    with enable_grad():
        leaves = [_leaf(v) for v in values]
        outs = composed(*leaves)
        live = [v for v in leaves if v is not None]
        pairs = [(o, _as_tensor(k)) for o, k in zip(outs, h) if o is not None]
        found = iter(grad([o for o, _ in pairs], live, [k for _, k in pairs],
                          create_graph=_is_tensor(h[0]), allow_unused=True))  # fmt: skip
    got = [None if v is None else next(found) for v in leaves]
    return tuple(v if v is None or _is_tensor(h[0]) else v.array for v in got)


def _is_tensor(v: Any) -> bool:
    from ..tensor import Tensor

    return isinstance(v, Tensor)


def _as_tensor(v: Any) -> Any:
    from ..tensor import wrap

    return v if _is_tensor(v) else wrap(v)


def _leaf(v: Any) -> Any:
    """v as a tensor one can differentiate by: itself if it is in a graph, else a new leaf."""
    if v is None:
        return None
    out = _as_tensor(v)
    if not out.needs_grad:
        out = out.detach()
        out.requires_grad = True
    return out


def _composed_backward(g: Any, x: Any, weight: Any, eps: float) -> tuple[Any, Any, Any]:
    axes, n, d = _channel_axes(x.ndim), _count(x.shape), x.ndim
    off = x - mean(x, axes, True)
    inverse = rsqrt(mean(off * off, axes, True) + eps)
    z = off * inverse
    dbias, dweight = _sum(g, axes, True), _sum(g * z, axes, True)
    scale = inverse if weight is None else inverse * _vector(weight, d)
    dx = (g - dbias / n - z * (dweight / n)) * scale
    return dx, reshape(dweight, (-1,)), reshape(dbias, (-1,))


@_batch_norm_train.fast("onednn", when=lambda x, w, b, eps: _onednn_batch(x, w))
def _(input, weight, bias, eps):
    y, average, spread, _ = onednn.batch_norm_forward_train(input, weight, bias, eps)
    return y, average, spread


@_batch_norm_backward.fast(
    "onednn", when=lambda g, x, w, *_: _onednn_batch(x, w) and g.dtype == x.dtype
)
def _(g, input, weight, mean, var, eps):
    scale = np.ones(input.shape[1], input.dtype) if weight is None else weight
    return onednn.batch_norm_backward(g, input, mean, var, scale, eps)


def _onednn_batch(x: Any, weight: Any) -> bool:
    return (
        x.dtype == np.float32
        and onednn.takes_batch_norm(x)
        and (weight is None or weight.dtype == x.dtype)
    )


def _slow_batch_norm(x: Any, w: Any, b: Any, eps: float) -> Any:
    y, means, variances = np.zeros_like(x), [], []
    for c in range(x.shape[1]):
        values = x[:, c]
        means.append(values.mean())
        variances.append(((values - means[-1]) ** 2).mean())
        y[:, c] = (values - means[-1]) / (variances[-1] + eps) ** 0.5
        y[:, c] = y[:, c] * (1 if w is None else w[c]) + (0 if b is None else b[c])
    return y, np.array(means), np.array(variances)


@_batch_norm_train.samples(reference=_slow_batch_norm, tolerance=1e-11)
def _(rng):
    for shape in [(4, 3), (2, 3, 4, 5), (3, 2, 6), (8, 16, 8, 8)]:
        yield rng.normal(size=shape), rng.normal(size=shape[1]), rng.normal(size=shape[1]), 1e-5
    yield rng.normal(size=(4, 3, 2)), None, None, 1e-3


def _slow_batch_norm_backward(g: Any, x: Any, w: Any, m: Any, v: Any, eps: float) -> Any:
    dx, dw, db = np.zeros_like(x), [], []
    for c in range(x.shape[1]):
        gc, xc, n = g[:, c], x[:, c], x[:, c].size
        s = (v[c] + eps) ** 0.5
        z = (xc - m[c]) / s
        dw.append((gc * z).sum())
        db.append(gc.sum())
        dx[:, c] = (1 if w is None else w[c]) / (n * s) * (n * gc - gc.sum() - z * (gc * z).sum())
    return dx, np.array(dw), np.array(db)


@_batch_norm_backward.samples(reference=_slow_batch_norm_backward, tolerance=1e-10, smooth=False)
def _(rng):
    for shape in [(4, 3), (2, 3, 4, 5), (8, 16, 8, 8)]:
        x, g = rng.normal(size=shape), rng.normal(size=shape)
        _, m, v = _slow_batch_norm(x, None, None, 0.0)
        yield g, x, rng.normal(size=shape[1]), m, v, 1e-5


# -- batch norm with given statistics --------------------------------------------------------------
@op
def _normalise(
    input: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float
) -> Array:
    """(input - mean) / sqrt(var + eps) * weight + bias with vectors over channels."""
    scale = 1 / np.sqrt(var + var.dtype.type(eps))
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return input * _vector(scale, input.ndim) + _vector(shift, input.ndim)


@_normalise.grad("input")
def _(g, var, weight, eps):
    return g * _vector(_scale(var, weight, eps), g.ndim)


@_normalise.grad("mean")
def _(g, var, weight, eps):
    return -_sum(g, _channel_axes(g.ndim), False) * _scale(var, weight, eps)


@_normalise.grad("var")
def _(g, input, mean, var, weight, eps):
    total = _sum(g * (input - _vector(mean, g.ndim)), _channel_axes(g.ndim), False)
    scale = _scale(var, weight, eps)
    return total * scale * (-0.5 / (var + eps))


@_normalise.grad("weight")
def _(g, input, mean, var, eps):
    total = _sum(g * (input - _vector(mean, g.ndim)), _channel_axes(g.ndim), False)
    return total * rsqrt(var + eps)


@_normalise.grad("bias")
def _(g):
    return _sum(g, _channel_axes(g.ndim), False)


def _scale(var: Any, weight: Any, eps: float) -> Any:
    scale = rsqrt(var + eps)
    return scale if weight is None else scale * weight


@_normalise.fast(
    "onednn", when=lambda x, m, v, w, b, eps: _onednn_batch(x, w) and m.dtype == x.dtype
)
def _(input, mean, var, weight, bias, eps):
    return onednn.batch_norm_inference(input, mean, var, weight, bias, eps)


@_normalise.samples(reference=lambda x, m, v, w, b, eps: np.stack(
    [(x[:, c] - m[c]) / (v[c] + eps) ** 0.5 * w[c] + b[c] for c in range(x.shape[1])], 1),
    tolerance=1e-11)  # fmt: skip
def _(rng):
    for shape in [(4, 3), (2, 3, 4, 5), (8, 16, 8, 8)]:
        c = shape[1]
        yield (rng.normal(size=shape), rng.normal(size=c), rng.uniform(0.5, 2, c),
               rng.normal(size=c), rng.normal(size=c), 1e-5)  # fmt: skip


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias for every channel of (N, C, ...).

    In training the statistics are the batch's, and running ones move towards them by momentum (the
    running variance towards the unbiased one), in place; else the running ones are used.

    >>> import sensorium as sn
    >>> x = sn.tensor([[1.0], [3.0]])
    >>> sn.nn.functional.batch_norm(x, None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    if 0 in input.shape:
        return _of_nothing(input, weight, bias)
    _check_batch_norm(input, running_mean, running_var, weight, bias, training)
    if is_half(input.dtype):
        stats = (running_mean, running_var)  # which training writes to
        stats = stats if training else tuple(map(as_single, stats))
        x, scale, shift = map(as_single, (input, weight, bias))
        return to_dtype(batch_norm(x, *stats, scale, shift, training, momentum, eps), input.dtype)
    if not training:
        return _normalise(input, running_mean, running_var, weight, _both(weight, bias, 0), eps)
    return train_with(
        _batch_norm_train, input, running_mean, running_var, weight, bias, momentum, eps
    )


def _of_nothing(input: Any, weight: Any, bias: Any) -> Any:
    """No values, in the graph of all three; the running statistics stay as they are."""
    y = input * 1
    if input.ndim > 1:
        y = y if weight is None else y * _vector(weight, input.ndim)
        y = y if bias is None else y + _vector(bias, input.ndim)
    return y


def is_half(dtype: Any) -> bool:
    """Whether a norm of this type is computed in float32 and rounded once, at the end."""
    return dtype.itemsize == 2 and dtype in FLOATING


def as_single(v: Any) -> Any:
    """A tensor of half precision in float32, anything else as it is."""
    return to_dtype(v, float32) if _is_tensor(v) and is_half(v.dtype) else v


def train_with(
    function: Any, x: Any, mean: Any, var: Any, weight: Any, bias: Any, momentum: float, eps: float
) -> Any:
    """The result of function, (y, batch mean, batch variance, ...); the running statistics follow."""
    n = _count(x.shape)
    if n < 2:
        raise ShapeError(
            f"batch_norm: training wants more than one value a channel, got x {tuple(x.shape)}"
        )
    y, average, spread, *_ = function(x, _both(bias, weight, 1), _both(weight, bias, 0), eps)
    if mean is not None:
        _follow(mean, average, 1.0, momentum)
        _follow(var, spread, n / (n - 1), momentum)
    return y


def _both(given: Any, value: Any, fill: float) -> Any:
    """value, or a vector of fill where only the other of weight and bias was given."""
    if value is not None or given is None:
        return value
    from ..create_like import full_like

    return full_like(given.detach(), fill)


def _follow(running: Any, batch: Any, factor: float, momentum: float) -> None:
    """running = (1 - momentum) running + momentum factor batch, in place."""
    if not is_tracing():
        return _move(running, batch.array * factor, momentum)
    from ..inplace import store

    with no_grad():
        moved = running * (1 - momentum) + batch.detach() * (momentum * factor)
        store("batch_norm", running, moved)
    return None


def _move(running: Any, towards: Any, momentum: float) -> None:
    from ..inplace import wrote

    kind = running.array.dtype.type
    running.array *= kind(1 - momentum)
    running.array += (towards * kind(momentum)).astype(running.dtype, copy=False)
    wrote(running)


def _check_batch_norm(x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool) -> None:
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: want (N, C, ...), got x {tuple(x.shape)}")
    if x.dtype.kind not in "fV":
        raise DTypeError(f"batch_norm: want a floating-point x, got {x.dtype}")
    if not training and (mean is None or var is None):
        raise ShapeError("batch_norm: running_mean and running_var are needed outside training")
    named = {"running_mean": mean, "running_var": var, "weight": weight, "bias": bias}
    for name, v in named.items():
        if v is not None and tuple(v.shape) != (x.shape[1],):
            raise ShapeError(
                f"batch_norm: {name} {tuple(v.shape)} does not fit the {x.shape[1]} channels of x "
                f"{tuple(x.shape)}"
            )
