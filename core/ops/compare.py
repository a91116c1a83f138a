"""Comparisons, logic and tests, elementwise. Results are boolean and have no gradient.

Bit operations (and, or, xor, not) of integers are here too, shifts in ``shifts.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import FLOATING, default_of
from ..errors import DTypeError, OptionError
from ._declare import Array, op
from ._out import with_out


def _pairs(rng: Any) -> Any:
    yield rng.integers(0, 3, size=(3, 4)).astype(float), rng.integers(0, 3, size=(4,)).astype(float)
    yield np.array([1.0, np.nan, np.inf]), np.array([1.0, np.nan, -np.inf])


def _by_element(function: Any) -> Any:
    return lambda a, b: np.vectorize(function, otypes="?")(a, b)


@with_out
@op(kernel=np.equal, promote="common", differentiable=0, warns=False, numbers="other")
def eq(input: Array, other: Array) -> Array:
    """input == other, elementwise.

    >>> import sensorium as sn
    >>> sn.eq(sn.tensor([1, 2]), 2)
    tensor([False,  True])
    """


@eq.samples(reference=_by_element(lambda a, b: a == b))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.not_equal, promote="common", differentiable=0, warns=False, numbers="other")
def ne(input: Array, other: Array) -> Array:
    """input != other, elementwise.

    >>> import sensorium as sn
    >>> sn.ne(sn.tensor([1, 2]), 2)
    tensor([ True, False])
    """


@ne.samples(reference=_by_element(lambda a, b: a != b))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.less, promote="common", differentiable=0, numbers="other")
def lt(input: Array, other: Array) -> Array:
    """input < other, elementwise.

    >>> import sensorium as sn
    >>> sn.lt(sn.tensor([1, 2]), 2)
    tensor([ True, False])
    """


@lt.samples(reference=_by_element(lambda a, b: a < b))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.less_equal, promote="common", differentiable=0, numbers="other")
def le(input: Array, other: Array) -> Array:
    """input <= other, elementwise.

    >>> import sensorium as sn
    >>> sn.le(sn.tensor([1, 3]), 2)
    tensor([ True, False])
    """


@le.samples(reference=_by_element(lambda a, b: a <= b))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.greater, promote="common", differentiable=0, numbers="other")
def gt(input: Array, other: Array) -> Array:
    """input > other, elementwise.

    >>> import sensorium as sn
    >>> sn.gt(sn.tensor([1, 3]), 2)
    tensor([False,  True])
    """


@gt.samples(reference=_by_element(lambda a, b: a > b))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.greater_equal, promote="common", differentiable=0, numbers="other")
def ge(input: Array, other: Array) -> Array:
    """input >= other, elementwise.

    >>> import sensorium as sn
    >>> sn.ge(sn.tensor([1, 2]), 2)
    tensor([False,  True])
    """


@ge.samples(reference=_by_element(lambda a, b: a >= b))
def _(rng):
    yield from _pairs(rng)


# -- logic ---------------------------------------------------------------------------------------
@with_out
@op(kernel=np.logical_and, promote="common", differentiable=0, warns=False, numbers="none")
def logical_and(input: Array, other: Array) -> Array:
    """Whether both are nonzero, elementwise.

    >>> import sensorium as sn
    >>> sn.logical_and(sn.tensor([1, 0]), sn.tensor([2, 2]))
    tensor([ True, False])
    """


@logical_and.samples(reference=_by_element(lambda a, b: bool(a) and bool(b)))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.logical_or, promote="common", differentiable=0, warns=False, numbers="none")
def logical_or(input: Array, other: Array) -> Array:
    """Whether at least one is nonzero, elementwise.

    >>> import sensorium as sn
    >>> sn.logical_or(sn.tensor([1, 0]), sn.tensor([0, 0]))
    tensor([ True, False])
    """


@logical_or.samples(reference=_by_element(lambda a, b: bool(a) or bool(b)))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.logical_xor, promote="common", differentiable=0, warns=False, numbers="none")
def logical_xor(input: Array, other: Array) -> Array:
    """Whether exactly one is nonzero, elementwise.

    >>> import sensorium as sn
    >>> sn.logical_xor(sn.tensor([1, 1]), sn.tensor([0, 2]))
    tensor([ True, False])
    """


@logical_xor.samples(reference=_by_element(lambda a, b: bool(a) != bool(b)))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.logical_not, differentiable=0)
def logical_not(input: Array) -> Array:
    """Whether input is zero, elementwise.

    >>> import sensorium as sn
    >>> sn.logical_not(sn.tensor([1, 0]))
    tensor([False,  True])
    """


@logical_not.samples(reference=lambda x: x == 0)
def _(rng):
    yield (rng.integers(0, 2, size=(3, 4)).astype(float),)


# -- bits ----------------------------------------------------------------------------------------
def _no_floats(name: str, *arrays: Any) -> None:
    for a in arrays:
        if getattr(a, "dtype", np.dtype(type(a))) in FLOATING:
            raise DTypeError(f"{name}: wants integers or booleans, got {a.dtype}")


def _bits(rng: Any) -> Any:
    yield rng.integers(-50, 50, size=(3, 4)), rng.integers(0, 50, size=(4,))


@with_out
@op(promote="common", differentiable=0, warns=False)
def bitwise_and(input: Array, other: Array) -> Array:
    """The bits set in both, elementwise; ``and`` of booleans.

    >>> import sensorium as sn
    >>> sn.bitwise_and(sn.tensor([6]), sn.tensor([3]))
    tensor([2])
    """
    _no_floats("bitwise_and", input, other)
    return np.bitwise_and(input, other)


@bitwise_and.samples(reference=lambda a, b: np.vectorize(lambda u, v: u & v)(a, b))
def _(rng):
    yield from _bits(rng)


@with_out
@op(promote="common", differentiable=0, warns=False)
def bitwise_or(input: Array, other: Array) -> Array:
    """The bits set in either, elementwise; ``or`` of booleans.

    >>> import sensorium as sn
    >>> sn.bitwise_or(sn.tensor([6]), sn.tensor([3]))
    tensor([7])
    """
    _no_floats("bitwise_or", input, other)
    return np.bitwise_or(input, other)


@bitwise_or.samples(reference=lambda a, b: np.vectorize(lambda u, v: u | v)(a, b))
def _(rng):
    yield from _bits(rng)


@with_out
@op(promote="common", differentiable=0, warns=False)
def bitwise_xor(input: Array, other: Array) -> Array:
    """The bits set in exactly one, elementwise.

    >>> import sensorium as sn
    >>> sn.bitwise_xor(sn.tensor([6]), sn.tensor([3]))
    tensor([5])
    """
    _no_floats("bitwise_xor", input, other)
    return np.bitwise_xor(input, other)


@bitwise_xor.samples(reference=lambda a, b: np.vectorize(lambda u, v: u ^ v)(a, b))
def _(rng):
    yield from _bits(rng)


@with_out
@op(differentiable=0)
def bitwise_not(input: Array) -> Array:
    """Every bit flipped, elementwise; ``not`` of booleans.

    >>> import sensorium as sn
    >>> sn.bitwise_not(sn.tensor([True, False]))
    tensor([False,  True])
    """
    _no_floats("bitwise_not", input)
    return np.invert(input)


@bitwise_not.samples(reference=lambda x: -x - 1)
def _(rng):
    yield (rng.integers(-50, 50, size=(3, 4)),)


# -- tests ---------------------------------------------------------------------------------------
@op(kernel=np.isnan, differentiable=0)
def isnan(input: Array) -> Array:
    """Whether a value is not a number, elementwise.

    >>> import sensorium as sn
    >>> sn.isnan(sn.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """


@isnan.samples(reference=lambda x: np.array([str(v) == "nan" for v in x]))
def _(rng):
    yield (np.array([1.0, np.nan, np.inf]),)


@op(kernel=np.isinf, differentiable=0)
def isinf(input: Array) -> Array:
    """Whether a value is infinite, elementwise.

    >>> import sensorium as sn
    >>> sn.isinf(sn.tensor([1.0, float("-inf")]))
    tensor([False,  True])
    """


@isinf.samples(reference=lambda x: np.abs(x) == np.inf)
def _(rng):
    yield (np.array([1.0, np.nan, -np.inf]),)


@op(kernel=np.isfinite, differentiable=0)
def isfinite(input: Array) -> Array:
    """Whether a value is neither infinite nor nan, elementwise.

    >>> import sensorium as sn
    >>> sn.isfinite(sn.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """


@isfinite.samples(reference=lambda x: np.abs(x) < np.inf)
def _(rng):
    yield (np.array([1.0, np.nan, -np.inf]),)


def isclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """|input - other| <= atol + rtol |other|, elementwise; infinities must be equal.

    Both must have one element type; equal_nan: whether nan is close to nan.

    >>> import sensorium as sn
    >>> sn.isclose(sn.tensor([1.0]), sn.tensor([1.000001]))
    tensor([True])
    """
    from .cast import to_dtype
    from .exponential import abs

    if input.dtype != other.dtype:
        raise DTypeError(f"isclose: input is {input.dtype} but other {other.dtype}")
    if rtol < 0 or atol < 0:
        raise OptionError(f"isclose: rtol and atol must not be negative, got {rtol} and {atol}")
    same = eq(input, other)
    if equal_nan and input.dtype in FLOATING:
        same = logical_or(same, logical_and(isnan(input), isnan(other)))
    if not rtol and not atol:
        return same
    if input.dtype not in FLOATING:
        input, other = (to_dtype(x, default_of(2)) for x in (input, other))
    apart = abs(input - other)
    return logical_or(same, logical_and(isfinite(apart), apart <= atol + abs(rtol * other)))


def allclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether ``isclose`` holds everywhere.

    >>> import sensorium as sn
    >>> sn.allclose(sn.ones(2), sn.ones(2) + 1e-9)
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Any, other: Any) -> bool:
    """Whether both have the same shape and the same elements.

    >>> import sensorium as sn
    >>> sn.equal(sn.ones(2), sn.ones(3))
    False
    """
    return input.shape == other.shape and bool(eq(input, other).all())
