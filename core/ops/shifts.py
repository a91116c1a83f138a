"""Shifts of integers' bits: ``<<`` and ``>>``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError
from ._declare import Array, op
from ._out import with_out


def _operands(name: str, input: Any, other: Any) -> tuple[Any, Any, Any]:
    """Both in their type, and where other is no place of a bit; refuses what has none."""
    kind = (input if hasattr(input, "dtype") else other).dtype
    if kind.kind not in "iu":
        raise DTypeError(f"{name}: want integers, got {kind}")
    input, other = (v if hasattr(v, "dtype") else kind.type(v) for v in (input, other))
    return input, other, (other < 0) | (other >= 8 * kind.itemsize)


def _shifts(rng: Any) -> Any:
    yield rng.integers(-50, 50, size=(3, 4)), rng.integers(0, 9, size=(4,))
    yield np.array([5, -5, 5, -5]), np.array([64, 70, -1, -2])


@with_out
@op(promote="common", differentiable=0, warns=False)
def bitwise_left_shift(input: Array, other: Array) -> Array:
    """input * 2**other as the bits move, elementwise; 0 where other is negative or all bits leave.

    >>> import sensorium as sn
    >>> sn.bitwise_left_shift(sn.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """
    input, other, beyond = _operands("bitwise_left_shift", input, other)
    zero = input.dtype.type(0)
    return np.where(beyond, zero, np.left_shift(input, np.where(beyond, zero, other)))


@bitwise_left_shift.samples(
    reference=np.vectorize(lambda a, b: a * 2**b if 0 <= b < 64 else 0, otypes="q")
)
def _(rng):
    yield from _shifts(rng)


@with_out
@op(promote="common", differentiable=0, warns=False)
def bitwise_right_shift(input: Array, other: Array) -> Array:
    """floor(input / 2**other), elementwise; 0 or -1, by the sign, where other is negative or large.

    >>> import sensorium as sn
    >>> sn.bitwise_right_shift(sn.tensor([8, -8]), 2)
    tensor([ 2, -2])
    """
    input, other, beyond = _operands("bitwise_right_shift", input, other)
    most = input.dtype.type(8 * input.dtype.itemsize - 1)
    shifted = np.right_shift(input, np.where(beyond, most, other))
    if input.dtype.kind == "i":
        return shifted
    return np.where(beyond, input.dtype.type(0), shifted)


@bitwise_right_shift.samples(
    reference=np.vectorize(lambda a, b: a // 2 ** (b if 0 <= b < 64 else 64), otypes="q")
)
def _(rng):
    yield from _shifts(rng)
