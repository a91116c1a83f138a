"""Activations, elementwise: relu, relu6, sigmoid, silu, hardswish, leaky_relu, softplus, ...
A backward that a vendor routine knows is an op of its own
(``_relu_backward``), so that it has a fast path and a gradient like any other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ._declare import Array, op
from ._out import with_out
from .exponential import conjugate, exp
from .select import where


def _away_from(*kinks: float) -> Any:
    """Samples that keep a distance from points where a function has no slope."""

    def samples(rng: Any) -> Any:
        for shape in [(3, 4), (), (0, 2), (64, 1024)]:
            x = rng.normal(size=shape) * 3
            for k in kinks:
                x = np.where(np.abs(x - k) < 0.05, k + 0.1, x)
            yield (np.asarray(x),)

    return samples


def _each(function: Any) -> Any:
    return lambda x, *options: np.vectorize(lambda v: function(v, *options), otypes="d")(x)


_ZEROS = {np.dtype(t): np.zeros((), t) for t in (np.float32, np.float64)}
_ONES = {np.dtype(t): np.ones((), t) for t in (np.float32, np.float64)}


def zero_of(x: Any) -> Any:
    """0 in the type of x; NumPy meets a ready 0-d array faster than a number."""
    return (
        _ZEROS.get(x.dtype) if x.__class__ is np.ndarray and x.dtype in _ZEROS else x.dtype.type(0)
    )


def one_of(x: Any) -> Any:
    """1 in the type of x."""
    return _ONES.get(x.dtype) if x.__class__ is np.ndarray and x.dtype in _ONES else x.dtype.type(1)


# -- relu ------------------------------------------------------------------------------------------
@op(warns=False)
def relu(input: Array) -> Array:
    """max(input, 0), elementwise; nan stays nan. The slope at 0 is taken as 0.

    >>> import sensorium as sn
    >>> sn.relu(sn.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return np.maximum(input, zero_of(input))


@relu.grad
def _(g, y):
    return _relu_backward(g, y)


@relu.fast("onednn", when=onednn.takes_eltwise, least=8192)
def _(input):
    return onednn.eltwise("relu", input)


@relu.samples(reference=_each(lambda v: v if v > 0 else 0.0))
def _(rng):
    yield from _away_from(0)(rng)


@op(warns=False)
def _relu_backward(g: Array, y: Array) -> Array:
    """g where y > 0, else 0."""
    through = np.greater(y, zero_of(y)).astype(g.dtype)  # NumPy multiplies equal types faster
    return np.multiply(g, through)


@_relu_backward.grad("g")
def _(g, y):
    return _relu_backward(g, y)


@_relu_backward.fast("onednn", when=onednn.takes_eltwise_backward, least=8192)
def _(g, y):
    return onednn.eltwise_backward("relu", g, y)


@_relu_backward.samples(reference=lambda g, y: np.where(y > 0, g, 0.0))
def _(rng):
    for (y,) in _away_from(0)(rng):
        yield rng.normal(size=y.shape), np.maximum(y, 0)


def relu6(input: Any) -> Any:
    """min(max(input, 0), 6), elementwise. Source: Howard et al., MobileNets (2017).

    >>> import sensorium as sn
    >>> sn.nn.functional.relu6(sn.tensor([-1.0, 2.0, 9.0]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0)


@op
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """min(max(input, min_val), max_val), elementwise; no slope at and outside the limits.

    >>> import sensorium as sn
    >>> sn.nn.functional.hardtanh(sn.tensor([-2.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    kind = input.dtype.type
    return np.minimum(np.maximum(input, kind(min_val)), kind(max_val))


@hardtanh.grad
def _(g, input, min_val, max_val):
    return where((input > min_val) & (input < max_val), g, 0.0)


@hardtanh.fast("onednn", when=onednn.takes_eltwise, least=8192)
def _(input, min_val=-1.0, max_val=1.0):
    return onednn.eltwise("clip", input, min_val, max_val)


@hardtanh.samples(reference=lambda x, a=-1.0, b=1.0: np.where(x < a, a, np.where(x > b, b, x)))
def _(rng):
    for (x,) in _away_from(-1, 0, 1, 6)(rng):
        yield (x,)
        yield x, 0.0, 6.0


@op(promote="float")
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """input where positive, negative_slope * input elsewhere.

    >>> import sensorium as sn
    >>> sn.nn.functional.leaky_relu(sn.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return np.where(input > 0, input, input * input.dtype.type(negative_slope))


@leaky_relu.grad
def _(g, input, negative_slope):
    return where(input > 0, g, g * negative_slope)


@leaky_relu.samples(reference=_each(lambda v, slope=0.01: v if v > 0 else slope * v))
def _(rng):
    yield from ((x, 0.2) for (x,) in _away_from(0)(rng))


@op(promote="float")
def elu(input: Array, alpha: float = 1.0) -> Array:
    """input where positive, alpha (exp(input) - 1) elsewhere. Source: Clevert et al. (2015).

    >>> import sensorium as sn
    >>> sn.nn.functional.elu(sn.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    kind = input.dtype.type
    return np.where(input > 0, input, kind(alpha) * np.expm1(np.minimum(input, kind(0))))


@elu.grad
def _(g, input, alpha):
    negative = where(input > 0, 0.0, input)
    return where(input > 0, g, g * (alpha * exp(negative)))


@elu.samples(reference=_each(lambda v, a=1.0: v if v > 0 else a * (math.exp(v) - 1)))
def _(rng):
    yield from ((x, 1.5) for (x,) in _away_from(0)(rng))


# -- sigmoid and its family ------------------------------------------------------------------------
@with_out
@op(promote="float")
def sigmoid(input: Array) -> Array:
    """1 / (1 + exp(-input)), elementwise, without overflow.

    >>> import sensorium as sn
    >>> sn.sigmoid(sn.tensor([0.0, -1000.0]))
    tensor([0.5000, 0.0000])
    """
    if input.dtype.kind == "c":
        return 1 / (1 + np.exp(-input))
    e = np.exp(np.negative(input))  # inf where input is very negative: 1 / inf is the right 0
    return np.reciprocal(np.add(e, one_of(e), out=e if e.ndim else None))


@sigmoid.grad
def _(g, y):
    gy = g * conjugate(y)
    return gy - gy * conjugate(y)


@sigmoid.fast("onednn", when=onednn.takes_costly_eltwise, least=1024)
def _(input):
    return onednn.eltwise("sigmoid", input)


@sigmoid.samples(reference=_each(lambda v: 0.5 * (1 + math.tanh(v / 2))))
def _(rng):
    yield from _away_from()(rng)


@with_out
def logsigmoid(input: Any) -> Any:
    """log(sigmoid(input)), elementwise, without overflow.

    >>> import sensorium as sn
    >>> sn.nn.functional.logsigmoid(sn.tensor([0.0]))
    tensor([-0.6931])
    """
    return -softplus(-input)


@with_out
@op(promote="float")
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta input)) / beta, elementwise; input itself where beta input > threshold.

    >>> import sensorium as sn
    >>> sn.nn.functional.softplus(sn.tensor([0.0, 100.0]))
    tensor([  0.6931, 100.0000])
    """
    scaled = beta * input
    soft = (np.log1p(np.exp(-np.absolute(scaled))) + np.maximum(scaled, 0)) / beta
    return np.where(scaled > threshold, input, soft).astype(input.dtype, copy=False)


@softplus.grad
def _(g, input, beta, threshold):
    return where(input * beta > threshold, g, g * sigmoid(input * beta))


@softplus.samples(
    reference=_each(
        lambda v, b=1.0, threshold=20.0: v if b * v > threshold else math.log1p(math.exp(b * v)) / b
    )
)
def _(rng):
    yield from ((x, 2.0) for (x,) in _away_from()(rng))


@op(promote="float")
def silu(input: Array) -> Array:
    """input * sigmoid(input), elementwise. Source: Elfwing et al. (2017), as "swish" Ramachandran et al.

    >>> import sensorium as sn
    >>> sn.nn.functional.silu(sn.tensor([0.0, 10.0]))
    tensor([0.0000, 9.9995])
    """
    e = np.exp(np.negative(input))
    return np.divide(input, np.add(e, one_of(e), out=e if e.ndim else None))


@silu.grad
def _(g, input):
    s = sigmoid(input)
    return g * (s * (input * (1 - s) + 1))


@silu.fast("onednn", when=onednn.takes_costly_eltwise, least=1024)
def _(input):
    return onednn.eltwise("silu", input)


@silu.samples(reference=_each(lambda v: v / (1 + math.exp(-v))))
def _(rng):
    yield from _away_from()(rng)


def hardsigmoid(input: Any) -> Any:
    """relu6(input + 3) / 6, elementwise.

    >>> import sensorium as sn
    >>> sn.nn.functional.hardsigmoid(sn.tensor([0.0, 5.0]))
    tensor([0.5000, 1.0000])
    """
    return relu6(input + 3) / 6


def hardswish(input: Any) -> Any:
    """input * relu6(input + 3) / 6, elementwise. Source: Howard et al., MobileNetV3 (2019).

    >>> import sensorium as sn
    >>> sn.nn.functional.hardswish(sn.tensor([-4.0, 4.0]))
    tensor([-0., 4.])
    """
    return input * relu6(input + 3) / 6
