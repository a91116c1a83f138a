"""Choosing between values: where, clamp, masked_fill."""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from ._out import with_out


# -- where ---------------------------------------------------------------------------------------
@op(promote="where")
def _where(condition: Array, input: Array, other: Array) -> Array:
    """input where condition is true, other elsewhere; all three broadcast.

    >>> import sensorium as sn
    >>> sn.where(sn.tensor([True, False]), 1.0, sn.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    return np.where(condition, input, other)


@_where.grad("input")
def _(g, condition):
    return _where(condition, g, 0.0)


@_where.grad("other")
def _(g, condition):
    return _where(condition, 0.0, g)


@_where.samples(reference=lambda c, a, b: np.where(c, 1.0, 0.0) * a + np.where(c, 0.0, 1.0) * b)
def _(rng):
    yield rng.normal(size=(3, 4)) > 0, rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    yield rng.normal(size=(3, 1)) > 0, rng.normal(size=(4,)), rng.normal(size=(2, 1, 1))


@with_out
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """input where condition is true, other elsewhere; with condition alone, where it is true.

    The three broadcast; input and other come to their common type.

    >>> import sensorium as sn
    >>> sn.where(sn.tensor([True, False]), 1.0, sn.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    if input is None and other is None:
        from .gather import nonzero

        return nonzero(condition, as_tuple=True)
    return _where(condition, input, other)


# -- clamp ---------------------------------------------------------------------------------------
@with_out
@op(promote="optional")
def clamp(input: Array, min: Array | None = None, max: Array | None = None) -> Array:
    """input limited to [min, max], elementwise; either limit may be missing or a tensor.

    The gradient passes where min <= input <= max.

    >>> import sensorium as sn
    >>> sn.clamp(sn.tensor([-1.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise DTypeError("clamp: at least one of min and max must be given")
    y = input if min is None else np.maximum(input, min)
    return y if max is None else np.minimum(y, max)


@clamp.grad("input")
def _(g, input, min, max):
    if min is not None:
        g = where(input >= min, g, 0.0)
    return g if max is None else where(input <= max, g, 0.0)


@clamp.grad("min")
def _(g, input, min, max):
    low = input < min
    return where(low if max is None else low & (min < max), g, 0.0)


@clamp.grad("max")
def _(g, input, min, max):
    high = input > max
    return where(high if min is None else high | (min >= max), g, 0.0)


@clamp.samples(
    reference=lambda x, a=-np.inf, b=np.inf: np.vectorize(
        lambda v, lo, hi: sorted((v, lo, hi))[1], otypes="d"
    )(x, a, b)
)
def _(rng):
    yield rng.normal(size=(3, 4)), -0.5, 0.5
    yield rng.normal(size=(3, 4)), rng.normal(size=(4,)) - 2, rng.normal(size=(3, 1)) + 2


# -- masked_fill ---------------------------------------------------------------------------------
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """input with value wherever the boolean mask, broadcast, is true; input's type is kept.

    >>> import sensorium as sn
    >>> sn.masked_fill(sn.tensor([1.0, 2.0]), sn.tensor([True, False]), -1)
    tensor([-1.,  2.])
    """
    if mask.dtype != np.bool_:
        raise DTypeError(f"masked_fill: mask must be bool, got {mask.dtype}")
    return _where(mask, as_value("masked_fill", value, input.dtype), input)


def as_value(name: str, value: Any, dtype: Any) -> Any:
    """The number, or tensor of one number without dimensions, as one of dtype."""
    if getattr(value, "ndim", 0):
        raise ShapeError(
            f"{name}: value must be a number or a tensor without dimensions, got shape "
            f"{tuple(value.shape)}"
        )
    number = value if isinstance(value, (bool, int, float, complex)) else value.dtype.type()
    if isinstance(number, (complex, np.complexfloating)) and dtype.kind != "c":
        raise DTypeError(f"{name}: a complex value does not fit a tensor of {dtype}")
    if number is not value:
        from .cast import to_dtype

        return value if value.dtype == dtype else to_dtype(value, dtype)
    if dtype.kind in "iu" and not cmath.isfinite(number):
        raise DTypeError(f"{name}: {value} does not fit a tensor of {dtype}")
    return np.asarray(value).astype(dtype).item()
