"""Arithmetic between two operands, elementwise: add, sub, mul, div, maximum, minimum, ...

Operands are broadcast and brought to PyTorch's common type; either may be a Python number. The engine
sums gradients down to the shape an operand had, so a formula here speaks of one element only.
Left out: powers (``power.py``), comparisons (``compare.py``), matrix products (``matmul.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..dtypes import result_type
from ..errors import DTypeError
from ._declare import Array, op
from ._out import with_out
from .exponential import conjugate
from .select import where


def _pairs(rng: Any) -> Any:
    """Samples for any op of two operands: same shape, broadcast both ways, 0-d, empty."""
    yield rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    yield rng.normal(size=(4, 1, 3)), rng.normal(size=(2, 1))
    yield rng.normal(size=()), rng.normal(size=(3,))
    yield rng.normal(size=(0, 3)), rng.normal(size=(1, 3))


def _positive_pairs(rng: Any) -> Any:
    for a, b in _pairs(rng):
        yield np.abs(a) + 0.5, np.abs(b) + 0.5


def scaled(name: str, input: Any, other: Any, alpha: Any) -> Any:
    """alpha * other; an integer or boolean result takes no fraction."""
    wanted = result_type(input, other)
    if wanted.kind in "bui" and isinstance(alpha, (float, complex)):
        raise DTypeError(f"{name}: alpha is {alpha} but the result is of {wanted}")
    if wanted.kind != "b" and isinstance(alpha, bool):
        raise DTypeError(f"{name}: alpha is {alpha} but the result is of {wanted}, not bool")
    if wanted.kind != "c" and isinstance(alpha, complex):
        raise DTypeError(f"{name}: alpha is {alpha} but the result is of {wanted}, which is real")
    return other * alpha


# -- add -----------------------------------------------------------------------------------------
@with_out
@op(kernel=np.add, promote="common", numbers="both")
def add(input: Array, other: Array) -> Array:
    """input + other, elementwise.

    Operands broadcast; the type is their common type.

    >>> import sensorium as sn
    >>> sn.add(sn.tensor([1, 2]), 0.5)
    tensor([1.5000, 2.5000])
    """


@add.grad("input")
def _(g):
    return g


@add.grad("other")
def _(g):
    return g


@add.keywords
def _(input, other, *, alpha=1):
    return add(input, scaled("add", input, other, alpha))


@add.fast("onednn", when=onednn.takes_binary, least=100_000)
def _(input, other):
    return onednn.binary("add", input, other)


@add.samples(reference=lambda a, b: np.array(a) - (-np.array(b)))
def _(rng):
    yield from _pairs(rng)
    yield rng.normal(size=(128, 1024)), rng.normal(size=(128, 1024))


def add_into(total: Any, share: Any) -> Any:
    """total += share on raw arrays, in place; the sum of gradients."""
    if onednn.takes_binary(total, share):
        return onednn.binary("add", total, share, out=total)
    return np.add(total, share, out=total)


# -- sub -----------------------------------------------------------------------------------------
@with_out
@op(kernel=np.subtract, promote="common", numbers="both")
def sub(input: Array, other: Array) -> Array:
    """input - other, elementwise; booleans have no difference.

    >>> import sensorium as sn
    >>> sn.sub(sn.tensor([3.0, 2.0]), sn.tensor(1.0))
    tensor([2., 1.])
    """


@sub.grad("input")
def _(g):
    return g


@sub.grad("other")
def _(g):
    return -g


@sub.keywords
def _(input, other, *, alpha=1):
    return sub(input, scaled("sub", input, other, alpha))


@sub.samples(reference=lambda a, b: np.array(a) + (-np.array(b)))
def _(rng):
    yield from _pairs(rng)


# -- mul -----------------------------------------------------------------------------------------
@with_out
@op(kernel=np.multiply, promote="common", numbers="both")
def mul(input: Array, other: Array) -> Array:
    """input * other, elementwise.

    >>> import sensorium as sn
    >>> sn.mul(sn.tensor([3.0, 2.0]), 2)
    tensor([6., 4.])
    """


@mul.grad("input")
def _(g, other):
    return g * conjugate(other)


@mul.grad("other")
def _(g, input):
    return g * conjugate(input)


@mul.samples(reference=lambda a, b: np.vectorize(lambda u, v: u * v, otypes="d")(a, b))
def _(rng):
    yield from _pairs(rng)


# -- div -----------------------------------------------------------------------------------------
@with_out
@op(kernel=np.true_divide, promote="float", numbers="both")
def true_divide(input: Array, other: Array) -> Array:
    """input / other, elementwise; integers divide to the default float type.

    Division by zero gives inf or nan, without a warning.

    >>> import sensorium as sn
    >>> sn.true_divide(sn.tensor([1, -1, 0]), sn.tensor(0))
    tensor([inf, -inf, nan])
    """


@true_divide.grad("input")
def _(g, other):
    return g / conjugate(other)


@true_divide.grad("other")
def _(g, input, other):
    return -g * conjugate(input / (other * other))


@true_divide.samples(reference=lambda a, b: np.array(a) * np.array(b) ** -1.0)
def _(rng):
    yield from _positive_pairs(rng)


@with_out
@op(promote="common", numbers="both")
def floor_divide(input: Array, other: Array) -> Array:
    """floor(input / other), elementwise, in the common type; the slope is 0.

    >>> import sensorium as sn
    >>> sn.floor_divide(sn.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    _refuse_zero("floor_divide", input, other)
    return np.floor_divide(input, other)


@floor_divide.grad
def _(g, input, other):
    return None, None


@floor_divide.samples(reference=lambda a, b: np.floor(np.array(a) / np.array(b)), smooth=False)
def _(rng):
    yield from _positive_pairs(rng)


def _refuse_zero(name: str, input: Any, other: Any) -> None:
    """Integers have no infinity: dividing by 0 is an error, as in PyTorch."""
    kinds = {getattr(v, "dtype", np.dtype(type(v))).kind for v in (input, other)}
    if kinds <= set("iub") and np.any(np.equal(other, 0)):
        raise DTypeError(f"{name}: integer division by zero")


@op(promote="common")
def trunc_divide(input: Array, other: Array) -> Array:
    """trunc(input / other), elementwise, in the common type: rounds toward zero.

    >>> import sensorium as sn
    >>> sn.ops.trunc_divide(sn.tensor([7, -7]), 2)
    tensor([ 3, -3])
    """
    _refuse_zero("trunc_divide", input, other)
    quotient = np.floor_divide(input, other)
    exact = np.equal(np.multiply(quotient, other), input)
    negative = np.less(np.multiply(np.sign(input), np.sign(other)), 0)
    return np.where(negative & ~exact, quotient + 1, quotient).astype(quotient.dtype)


@trunc_divide.grad
def _(g, input, other):
    return None, None


@trunc_divide.samples(reference=lambda a, b: np.trunc(np.array(a) / np.array(b)), smooth=False)
def _(rng):
    yield from ((a * np.sign(rng.normal(size=a.shape)), b) for a, b in _positive_pairs(rng))


@with_out
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """input / other, elementwise; rounding_mode None, "floor" or "trunc" (toward zero).

    >>> import sensorium as sn
    >>> sn.div(sn.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise DTypeError(
            f"div: rounding_mode must be None, 'floor' or 'trunc', got {rounding_mode!r}"
        )
    return (floor_divide if rounding_mode == "floor" else trunc_divide)(input, other)


# -- remainder -----------------------------------------------------------------------------------
@with_out
@op(promote="common")
def remainder(input: Array, other: Array) -> Array:
    """input - floor(input / other) * other, elementwise: the sign of other.

    >>> import sensorium as sn
    >>> sn.remainder(sn.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """
    _refuse_zero("remainder", input, other)
    return np.remainder(input, other)


@remainder.grad("input")
def _(g):
    return g


@remainder.grad("other")
def _(g, input, other):
    return -g * floor_divide(input, other)


@remainder.samples(reference=lambda a, b: np.array(a) - np.floor(np.array(a) / b) * b)
def _(rng):
    yield from _positive_pairs(rng)


@with_out
@op(promote="common", numbers="other")
def fmod(input: Array, other: Array) -> Array:
    """input - trunc(input / other) * other, elementwise: the sign of input.

    >>> import sensorium as sn
    >>> sn.fmod(sn.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """
    _refuse_zero("fmod", input, other)
    return np.fmod(input, other)


@fmod.grad("input")
def _(g):
    return g


@fmod.grad("other")
def _(g, input, other):
    return -g * trunc_divide(input, other)


@fmod.samples(reference=lambda a, b: np.array(a) - np.trunc(np.array(a) / b) * b)
def _(rng):
    yield from _positive_pairs(rng)


# -- maximum, minimum ----------------------------------------------------------------------------
@with_out
@op(kernel=np.maximum, promote="common", warns=False, numbers="none")
def maximum(input: Array, other: Array) -> Array:
    """The larger of both, elementwise; nan if either is.

    Where both are equal each gets half the gradient.

    >>> import sensorium as sn
    >>> sn.maximum(sn.tensor([1.0, 5.0]), sn.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """


@maximum.grad("input")
def _(g, input, other):
    return where(input == other, g * 0.5, where(input > other, g, 0.0))


@maximum.grad("other")
def _(g, input, other):
    return where(input == other, g * 0.5, where(other > input, g, 0.0))


@maximum.samples(reference=lambda a, b: np.where(np.array(a) > b, a, b))
def _(rng):
    yield from _pairs(rng)


@with_out
@op(kernel=np.minimum, promote="common", warns=False, numbers="none")
def minimum(input: Array, other: Array) -> Array:
    """The smaller of both, elementwise; nan if either is.

    >>> import sensorium as sn
    >>> sn.minimum(sn.tensor([1.0, 5.0]), sn.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """


@minimum.grad("input")
def _(g, input, other):
    return where(input == other, g * 0.5, where(input < other, g, 0.0))


@minimum.grad("other")
def _(g, input, other):
    return where(input == other, g * 0.5, where(other < input, g, 0.0))


@minimum.samples(reference=lambda a, b: np.where(np.array(a) < b, a, b))
def _(rng):
    yield from _pairs(rng)
