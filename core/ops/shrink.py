"""Activations that flatten a range of values: threshold, hardshrink, softshrink, tanhshrink."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import OpError
from ._declare import Array, op
from ._out import with_out
from .activation import _away_from, _each
from .reduce import _wide
from .select import where
from .trigonometry import tanh


# -- threshold -------------------------------------------------------------------------------------
@op
def threshold(input: Array, threshold: float, value: float) -> Array:
    """input where it exceeds threshold, value elsewhere; nan stays nan.

    >>> import sensorium as sn
    >>> sn.threshold(sn.tensor([-1.0, 2.0]), 0.5, 7)
    tensor([7., 2.])
    """
    limit = _wide(input.dtype).type(threshold)
    return np.where(input <= limit, input.dtype.type(value), input)


@threshold.grad
def _(g, input, threshold):
    return where(input <= _wide(input.dtype).type(threshold), 0.0, g)


@threshold.samples(reference=_each(lambda v, limit, value: v if v > limit else value))
def _(rng):
    yield from ((x, 0.5, -2.0) for (x,) in _away_from(0.5)(rng))


# -- shrinkage -------------------------------------------------------------------------------------
@with_out
@op(promote="float")
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """input where abs(input) > lambd, 0 elsewhere.

    >>> import sensorium as sn
    >>> sn.hardshrink(sn.tensor([-1.0, 0.3]))
    tensor([-1.,  0.])
    """
    kind = input.dtype.type
    return np.where((input >= kind(-lambd)) & (input <= kind(lambd)), kind(0), input)


@hardshrink.grad
def _(g, input, lambd):
    return where((input >= -lambd) & (input <= lambd), 0.0, g)


@hardshrink.samples(reference=_each(lambda v, limit=0.5: v if abs(v) > limit else 0.0))
def _(rng):
    yield from ((x, 0.7) for (x,) in _away_from(-0.7, 0.7)(rng))


@with_out
@op(promote="float")
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """input moved towards 0 by lambd, 0 where abs(input) <= lambd. Error: lambd is negative.

    >>> import sensorium as sn
    >>> sn.nn.functional.softshrink(sn.tensor([-1.0, 0.3]))
    tensor([-0.5000,  0.0000])
    """
    if lambd < 0:
        raise OpError(f"softshrink: lambd must be at least 0, got {lambd}")
    limit = input.dtype.type(lambd)
    return np.where(
        input > limit, input - limit, np.where(input < -limit, input + limit, 0 * input)
    )


@softshrink.grad
def _(g, input, lambd):
    return where((input >= -lambd) & (input <= lambd), 0.0, g)


@softshrink.samples(
    reference=_each(lambda v, limit=0.5: 0.0 if abs(v) <= limit else v - limit * np.sign(v))
)
def _(rng):
    yield from ((x, 0.7) for (x,) in _away_from(-0.7, 0.7)(rng))


def tanhshrink(input: Any) -> Any:
    """input - tanh(input), elementwise.

    >>> import sensorium as sn
    >>> sn.nn.functional.tanhshrink(sn.tensor([0.0, 20.0]))
    tensor([ 0., 19.])
    """
    return input - tanh(input)
