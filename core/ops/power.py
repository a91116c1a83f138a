"""Powers of two operands, elementwise."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError
from . import _promote
from ._declare import Array, op
from ._out import with_out
from .cast import to_dtype
from .exponential import conjugate, log
from .select import where

_PLAIN = frozenset((np.dtype(np.float32), np.dtype(np.float64)))  # a Python number leaves these


def _kind(x: Any) -> str:
    return getattr(x, "dtype", np.dtype(type(x))).kind


def _operands(input: Any, exponent: Any) -> tuple[Any, Any]:
    """Both in their common type; refuses what only a Python number is refused as."""
    if exponent.__class__ is int and exponent < 0 and _kind(input) in "biu":
        raise DTypeError(f"pow: integers to negative integer powers are not integers ({exponent})")
    if not hasattr(input, "dtype") and not hasattr(exponent, "dtype"):
        raise DTypeError(f"pow: want at least one Tensor, got {input!r} and {exponent!r}")
    if _kind(input) == _kind(exponent) == "b":
        raise DTypeError("pow: bool has no powers")
    return _promote.common(input, exponent)


def _whole(input: Any, exponent: Any) -> Any:
    """Integer powers: a negative one of 1 and -1 is 1 or -1, of others 0."""
    if not np.any(np.less(exponent, 0)):
        return np.power(input, exponent)
    plain = np.power(input, np.maximum(exponent, 0))
    unit = np.where(input == 1, 1, np.where(input == -1, 1 - 2 * (exponent % 2), 0))
    return np.where(exponent < 0, unit, plain).astype(plain.dtype)


@with_out
@op
def pow(input: Array, exponent: Array) -> Array:
    """input to the power exponent, elementwise.

    A negative Python int as the exponent of integers is an error, as in PyTorch; of an integer tensor
    with negative exponents the powers are cut to integers: 0 but for 1 and -1.

    >>> import sensorium as sn
    >>> sn.pow(sn.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    if exponent.__class__ in (int, float) and getattr(input, "dtype", None) in _PLAIN:
        return np.multiply(input, input) if exponent == 2 else np.power(input, exponent)
    input, exponent = _operands(input, exponent)
    if exponent.__class__ in (int, float) and exponent == 2:
        return np.multiply(input, input)
    if _kind(input) in "iu" and _kind(exponent) in "iu":
        return _whole(input, exponent)
    return np.power(input, exponent)


@pow.grad("input")
def _(g, input, exponent):
    if exponent.__class__ in (int, float):  # a known power needs no care at 0
        if exponent == 0:
            return g * 0
        return g * conjugate(exponent * (input if exponent == 2 else pow(input, exponent - 1)))
    safe = where(exponent == 0, 1.0, exponent)  # d x**0 = 0, also at x = 0
    return g * conjugate(where(exponent == 0, 0.0, exponent * pow(input, safe - 1)))


@pow.grad("exponent")
def _(g, input, exponent, y):
    # d a**b / db = a**b log a, and 0 where a = 0 and b >= 0
    silent = (input == 0) & (exponent.real >= 0 if exponent.dtype.kind == "c" else exponent >= 0)
    base = to_dtype(where(silent, 1.0, input), y.dtype)
    return g * conjugate(where(silent, 0.0, y * log(base)))


@pow.samples(reference=lambda a, b: np.exp(np.array(b) * np.log(a)))
def _(rng):
    yield rng.uniform(0.5, 2, size=(2, 3)), rng.uniform(0.5, 2, size=(2, 3))
    yield rng.uniform(0.5, 2, size=(4, 1, 3)), rng.uniform(0.5, 2, size=(2, 1))
    yield rng.uniform(0.5, 2, size=(0, 3)), rng.uniform(0.5, 2, size=(1, 3))
    yield rng.uniform(0.5, 2, size=(3,)), 3.0
