"""Rounding, elementwise, in the input's own type; the slope is 0 everywhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from ._out import with_out
from ._samples import any_sign, each


# -- rounding --------------------------------------------------------------------------------------
def _flat(g: Any) -> Any:
    return g * 0


@with_out
@op(warns=False)
def floor(input: Array) -> Array:
    """The largest integer not above input, elementwise, in input's type.

    >>> import sensorium as sn
    >>> sn.floor(sn.tensor([1.7, -1.2]))
    tensor([ 1., -2.])
    """
    return np.floor(input) if input.dtype.kind == "f" else input.copy()


floor.grad(_flat)


@floor.samples(reference=each(math.floor), smooth=False)
def _(rng):
    yield from any_sign(rng)


@with_out
@op(warns=False)
def ceil(input: Array) -> Array:
    """The smallest integer not below input, elementwise, in input's type.

    >>> import sensorium as sn
    >>> sn.ceil(sn.tensor([1.2, -1.7]))
    tensor([ 2., -1.])
    """
    return np.ceil(input) if input.dtype.kind == "f" else input.copy()


ceil.grad(_flat)


@ceil.samples(reference=each(math.ceil), smooth=False)
def _(rng):
    yield from any_sign(rng)


@with_out
@op(warns=False)
def trunc(input: Array) -> Array:
    """input without its fraction, elementwise, in input's type.

    >>> import sensorium as sn
    >>> sn.trunc(sn.tensor([1.7, -1.7]))
    tensor([ 1., -1.])
    """
    return np.trunc(input) if input.dtype.kind == "f" else input.copy()


trunc.grad(_flat)


@trunc.samples(reference=each(math.trunc), smooth=False)
def _(rng):
    yield from any_sign(rng)


@with_out
@op
def round(input: Array, decimals: int = 0) -> Array:
    """The nearest number of so many decimals, halves to even, elementwise, in input's type.

    >>> import sensorium as sn
    >>> sn.round(sn.tensor([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    """
    return np.round(input, decimals) if input.dtype.kind == "f" else input.copy()


round.grad(_flat)


@round.samples(reference=each(lambda v: float(int(v + math.copysign(0.5, v)))), smooth=False)
def _(rng):
    yield from any_sign(rng)
