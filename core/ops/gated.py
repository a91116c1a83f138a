"""Values that pass a gate: glu, mish, softsign; and gumbel_softmax, which draws its gate."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..device import device_of, move
from ..errors import ShapeError
from ..tensor import wrap
from ._declare import Array, op
from ._dims import one_dim
from .activation import _away_from, _each, sigmoid, softplus
from .exponential import abs
from .join import split
from .order import argmax
from .softmax import softmax
from .trigonometry import tanh


# -- gates -----------------------------------------------------------------------------------------
@op(promote="float")
def mish(input: Array) -> Array:
    """input * tanh(softplus(input)), elementwise. Source: Misra (2019).

    >>> import sensorium as sn
    >>> sn.nn.functional.mish(sn.tensor([0.0, 10.0]))
    tensor([ 0., 10.])
    """
    soft = np.log1p(np.exp(-np.absolute(input))) + np.maximum(input, input.dtype.type(0))
    return input * np.tanh(soft)


@mish.grad
def _(g, input):
    gate = tanh(softplus(input, 1.0, math.inf))
    return g * (gate + input * sigmoid(input) * (1 - gate * gate))


@mish.samples(reference=_each(lambda v: v * math.tanh(math.log(1 + math.exp(v)))))
def _(rng):
    yield from _away_from()(rng)


def softsign(input: Any) -> Any:
    """input / (1 + abs(input)), elementwise.

    >>> import sensorium as sn
    >>> sn.nn.functional.softsign(sn.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return input / (abs(input) + 1)


def glu(input: Any, dim: int = -1) -> Any:
    """a * sigmoid(b), a and b the halves of input along dim: (..., 2n, ...) -> (..., n, ...).

    Error: an odd size. Source: Dauphin et al. (2016).

    >>> import sensorium as sn
    >>> sn.nn.functional.glu(sn.tensor([3.0, 0.0]))
    tensor([1.5000])
    """
    if input.ndim == 0:
        raise ShapeError("glu: want at least one dimension to halve, got a single value")
    d = one_dim("glu", dim, input.ndim)
    n = input.shape[d]
    if n % 2:
        raise ShapeError(
            f"glu: the size along dim must be even, got {n} along dim {dim} of {tuple(input.shape)}"
        )
    if n == 0:
        return input * 1
    value, gate = split(input, n // 2, d)
    return value * sigmoid(gate)


# -- a drawn gate ----------------------------------------------------------------------------------
def gumbel_softmax(
    logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Any:
    """softmax((logits + noise) / tau), a relaxed draw from the classes along dim; noise is Gumbel's.

    hard: the result is the one-hot draw, its gradient that of the relaxed one. eps has no effect.
    Source: Jang et al. (2016), Maddison et al. (2016).

    >>> import sensorium as sn
    >>> sn.nn.functional.gumbel_softmax(sn.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    if eps != 1e-10:
        warnings.warn("gumbel_softmax: eps has no effect", stacklevel=2)
    from ..generator import source_of

    drawn = source_of(None).standard_exponential(tuple(logits.shape))
    noise = wrap(move(-np.log(drawn).astype(logits.dtype), device_of(logits.array)))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    d = one_dim("gumbel_softmax", dim, logits.ndim)
    places = np.arange(logits.shape[d]).reshape([-1 if i == d else 1 for i in range(logits.ndim)])
    chosen = argmax(soft.detach(), d, True).array == np.asarray(places, like=logits.array)
    return wrap(chosen.astype(soft.dtype)) - soft.detach() + soft
