"""Tests of one value's sign and kind, elementwise: signbit, isposinf, isneginf, isreal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DTypeError
from ._declare import Array, op
from ._out import with_out


def _real_only(name: str, input: Any) -> None:
    if input.dtype.kind == "c":
        raise DTypeError(f"{name}: complex values have no order, got {input.dtype}")


def _odd(rng: Any) -> Any:
    yield (rng.normal(size=(3, 4)),)
    yield (np.array([0.0, -0.0, np.inf, -np.inf, np.nan]),)


@with_out
@op(differentiable=0, warns=False)
def signbit(input: Array) -> Array:
    """Whether a value is negative, -0.0 included, elementwise.

    >>> import sensorium as sn
    >>> sn.signbit(sn.tensor([-1.0, -0.0, 0.0]))
    tensor([ True,  True, False])
    """
    _real_only("signbit", input)
    return np.signbit(input) if input.dtype.kind in "fV" else input < input.dtype.type(0)


@signbit.samples(reference=np.vectorize(lambda v: math.copysign(1, v) < 0, otypes="?"))
def _(rng):
    yield from _odd(rng)


@with_out
@op(differentiable=0)
def isposinf(input: Array) -> Array:
    """Whether a value is positive infinity, elementwise.

    >>> import sensorium as sn
    >>> sn.isposinf(sn.tensor([float("inf"), 1.0]))
    tensor([ True, False])
    """
    _real_only("isposinf", input)
    return np.isinf(input) & (input > input.dtype.type(0))


@isposinf.samples(reference=lambda x: x == np.inf)
def _(rng):
    yield from _odd(rng)


@with_out
@op(differentiable=0)
def isneginf(input: Array) -> Array:
    """Whether a value is negative infinity, elementwise.

    >>> import sensorium as sn
    >>> sn.isneginf(sn.tensor([float("-inf"), 1.0]))
    tensor([ True, False])
    """
    _real_only("isneginf", input)
    return np.isinf(input) & (input < input.dtype.type(0))


@isneginf.samples(reference=lambda x: x == -np.inf)
def _(rng):
    yield from _odd(rng)


@op(differentiable=0, warns=False)
def isreal(input: Array) -> Array:
    """Whether a value has no imaginary part, elementwise; true of every real type.

    >>> import sensorium as sn
    >>> sn.isreal(sn.tensor([1 + 0j, 1j]))
    tensor([ True, False])
    """
    return np.equal(input.imag, 0) if input.dtype.kind == "c" else np.ones_like(input, bool)


@isreal.samples(reference=np.vectorize(lambda v: complex(v).imag == 0, otypes="?"))
def _(rng):
    yield from _odd(rng)
    yield (np.array([1 + 0j, 1j, 2 - 3j]),)
