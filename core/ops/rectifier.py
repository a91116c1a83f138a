"""Rectifiers whose negative side has a shape of its own: celu, selu, prelu, rrelu."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..device import device_of, move
from ..errors import DTypeError, OpError, ShapeError
from ..tensor import wrap
from ._declare import Array, op
from .activation import _away_from, _each, leaky_relu
from .exponential import exp
from .select import where

_ALPHA, _SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
"""SELU's constants, the fixed point at mean 0 and variance 1."""


# -- exponential ---------------------------------------------------------------------------------
@op(promote="float")
def celu(input: Array, alpha: float = 1.0) -> Array:
    """input where positive, alpha (exp(input / alpha) - 1) elsewhere. Source: Barron (2017).

    Error: alpha is 0.

    >>> import sensorium as sn
    >>> sn.celu(sn.tensor([0.0, 2.0]), alpha=2.0)
    tensor([0., 2.])
    """
    if alpha == 0:
        raise OpError("celu: alpha must not be 0, got 0")
    kind = input.dtype.type
    low = kind(alpha) * np.expm1(np.where(input > 0, kind(0), input) / kind(alpha))
    return np.where(input > 0, input, low)


@celu.grad
def _(g, input, alpha):
    return g * exp(where(input > 0, 0.0, input) * (1 / alpha))


@celu.samples(reference=_each(lambda v, a=1.0: v if v > 0 else a * (math.exp(v / a) - 1)))
def _(rng):
    yield from ((x, 1.5) for (x,) in _away_from(0)(rng))


@op(promote="float")
def selu(input: Array) -> Array:
    """1.0507 input where positive, 1.7581 (exp(input) - 1) elsewhere.

    Source: Klambauer et al., "Self-normalizing neural networks" (2017).

    >>> import sensorium as sn
    >>> sn.selu(sn.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """
    kind = input.dtype.type
    low = kind(_ALPHA) * np.expm1(np.where(input > 0, kind(0), input))
    return kind(_SCALE) * np.where(input > 0, input, low)


@selu.grad
def _(g, input):
    low = _ALPHA * exp(where(input > 0, 0.0, input))
    return g * (_SCALE * where(input > 0, 1.0, low))


@selu.samples(
    reference=_each(
        lambda v: 1.0507009873554805 * (v if v > 0 else 1.6732632423543772 * (math.exp(v) - 1))
    )
)
def _(rng):
    yield from _away_from(0)(rng)


# -- a slope for the negative side ---------------------------------------------------------------
@op
def _prelu(input: Array, weight: Array) -> Array:
    """input where positive, weight * input elsewhere; weight broadcasts."""
    return np.where(input > 0, input, weight * input)


@_prelu.grad("input")
def _(g, input, weight):
    return where(input > 0, g, g * weight)


@_prelu.grad("weight")
def _(g, input):
    return where(input > 0, 0.0, g * input)


@_prelu.samples(reference=lambda x, w: np.maximum(x, 0) + w * np.minimum(x, 0))
def _(rng):
    for (x,) in _away_from(0)(rng):
        yield x, rng.normal(size=(4,)) if x.shape == (3, 4) else rng.normal(size=(1,) * x.ndim)


def prelu(input: Any, weight: Any) -> Any:
    """input where positive, weight * input elsewhere: weight has one value, or one for each channel.

    input (N, C, ...), weight () or (1) or (C). Source: He et al. (2015).

    >>> import sensorium as sn
    >>> sn.prelu(sn.tensor([[-1.0, -1.0]]), sn.tensor([0.5, 0.25]))
    tensor([[-0.5000, -0.2500]])
    """
    if input.dtype != weight.dtype:
        raise DTypeError(f"prelu: input is {input.dtype} but weight {weight.dtype}")
    if weight.ndim > 1:
        raise ShapeError(
            f"prelu: weight must have at most one dimension, got {tuple(weight.shape)} for input "
            f"{tuple(input.shape)}"
        )
    count = math.prod(weight.shape)
    channels = input.shape[1] if input.ndim > 1 else 1
    if count != 1 and (input.ndim == 0 or count != channels):
        raise ShapeError(
            f"prelu: weight has {count} values but input {tuple(input.shape)} has {channels} channels"
        )
    wide = [1] * input.ndim
    if input.ndim > 1:
        wide[1] = count
    return _prelu(input, weight.reshape(wide))


def rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Any:
    """input where positive, slope * input elsewhere: slope drawn from [lower, upper) for each element.

    Not in training the slope is (lower + upper) / 2. Source: Xu et al. (2015).

    >>> import sensorium as sn
    >>> sn.rrelu(sn.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    if lower > upper:
        raise OpError(f"rrelu: want lower <= upper, got lower {lower} and upper {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    from ..generator import uniform

    drawn = uniform(tuple(input.shape), input.dtype, None) * input.dtype.type(upper - lower)
    slope = wrap(move(np.asarray(drawn + input.dtype.type(lower)), device_of(input.array)))
    return input * where(input.detach() <= 0, slope, 1.0)
