"""Elementwise functions of the array API: the ops of ``sensorium`` under the standard's names.

Gradients pass where the op has one. NumPy computes, without a gradient, what is piecewise constant
(``sign``, ``signbit``, ``nextafter``, ``floor_divide``, shifts), and inverse functions of complex
numbers. Where the standard's special cases differ from PyTorch's (the sign of
NaN, infinity // x, tanh and expm1 of complex infinities) they are the standard's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..errors import DTypeError
from ..ops import pairwise
from ..tensor import Tensor, wrap
from ._base import NUMBERS, common_type, raw, tensor_of, together


def _unary(name: str, compute: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor, /) -> Tensor:
        return compute(tensor_of(name, x))

    return _named(function, name, f"{name} of every element of x.")


def _binary(name: str, compute: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any, Any], Tensor]:
    def function(x1: Any, x2: Any, /) -> Tensor:
        return compute(*together(name, x1, x2))

    return _named(
        function, name, f"{name} of x1 and x2 element by element, either a number or not."
    )


def _named(function: Any, name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _exact(compute: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Whole numbers are their own ceiling, floor, ...: integers come back as they are."""
    return lambda x: x.clone() if x.dtype.kind in "iub" else compute(x)


def _always(value: bool) -> Callable[[Tensor], Tensor]:
    return lambda x: raw(np.full_like, x, fill_value=value, dtype=bool)


def _finite_test(compute: Callable[[Tensor], Tensor], of_integers: bool) -> Any:
    exact = _always(of_integers)
    return lambda x: exact(x) if x.dtype.kind in "iub" else compute(x)


def _conj(x: Tensor) -> Tensor:
    return ops.conj(x) if x.is_complex() else x.clone()


def _imag(x: Tensor) -> Tensor:
    return ops.imag(x) if x.is_complex() else raw(np.zeros_like, x)


def _sign(x: Tensor) -> Tensor:
    return ops.sgn(x) if x.is_complex() else raw(np.sign, x)  # NaN stays NaN, unlike sn.sign


def _square(x: Tensor) -> Tensor:
    return x * x


def _by_numpy(function: Any) -> Any:
    return lambda *xs: raw(function, *xs)


def _real_only(function: Any) -> Any:
    """An op of real numbers; NumPy's formula for complex ones, without a gradient."""
    ours, numpys = function
    return lambda *xs: raw(numpys, *xs) if xs[0].is_complex() else ours(*xs)


def _expm1(x: Any) -> Any:
    """exp(x) - 1; of complex infinities as exp has them, and of -0 + 0j without a sign."""
    if x.dtype.kind != "c":
        return np.expm1(x)
    out = np.where(np.isfinite(x), np.expm1(x), np.exp(x) - 1)
    out.real += 0.0
    return out


def _tanh(x: Tensor) -> Tensor:
    """tanh; for complex numbers tanh(inf + jy) = 1 + 0j whatever the finite y."""
    if not x.is_complex():
        return ops.tanh(x)
    far = np.isinf(x.array.real) & np.isfinite(x.array.imag)
    ends = wrap(np.copysign(1.0, x.array.real).astype(x.dtype))
    return ops.where(wrap(far), ends, ops.tanh(x))


def _floor_divide(a: Any, b: Any) -> Any:
    """floor(a / b), exact; where one of them is infinite that is the floor of their quotient."""
    if a.dtype.kind == "f" and (np.isinf(a) | np.isinf(b)).any():
        return np.where(np.isinf(a) | np.isinf(b), np.floor(a / b), np.floor_divide(a, b))
    return np.floor_divide(a, b)


abs = _unary("abs", ops.abs)
acos = _unary("acos", _real_only((ops.acos, np.arccos)))
acosh = _unary("acosh", _real_only((ops.acosh, np.arccosh)))
asin = _unary("asin", _real_only((ops.asin, np.arcsin)))
asinh = _unary("asinh", _real_only((ops.asinh, np.arcsinh)))
atan = _unary("atan", _real_only((ops.atan, np.arctan)))
atanh = _unary("atanh", _real_only((ops.atanh, np.arctanh)))
bitwise_invert = _unary("bitwise_invert", ops.bitwise_not)
ceil = _unary("ceil", _exact(ops.ceil))
conj = _unary("conj", _conj)
cos = _unary("cos", ops.cos)
cosh = _unary("cosh", ops.cosh)
exp = _unary("exp", ops.exp)
expm1 = _unary("expm1", _real_only((ops.expm1, _expm1)))
floor = _unary("floor", _exact(ops.floor))
imag = _unary("imag", _imag)
isfinite = _unary("isfinite", _finite_test(ops.isfinite, True))
isinf = _unary("isinf", _finite_test(ops.isinf, False))
isnan = _unary("isnan", _finite_test(ops.isnan, False))
log = _unary("log", ops.log)
log10 = _unary("log10", ops.log10)
log1p = _unary("log1p", _real_only((ops.log1p, np.log1p)))
log2 = _unary("log2", ops.log2)
logical_not = _unary("logical_not", ops.logical_not)
negative = _unary("negative", ops.neg)
positive = _unary("positive", lambda x: x.clone())
real = _unary("real", lambda x: ops.real(x) if x.is_complex() else x.clone())
reciprocal = _unary("reciprocal", ops.reciprocal)
round = _unary("round", _exact(_real_only((ops.round, np.round))))
sign = _unary("sign", _sign)
signbit = _unary("signbit", _by_numpy(np.signbit))
sin = _unary("sin", ops.sin)
sinh = _unary("sinh", ops.sinh)
sqrt = _unary("sqrt", ops.sqrt)
square = _unary("square", _square)
tan = _unary("tan", ops.tan)
tanh = _unary("tanh", _tanh)
trunc = _unary("trunc", _exact(ops.trunc))

add = _binary("add", ops.add)
atan2 = _binary("atan2", ops.atan2)
bitwise_and = _binary("bitwise_and", ops.bitwise_and)
bitwise_left_shift = _binary("bitwise_left_shift", _by_numpy(np.left_shift))
bitwise_or = _binary("bitwise_or", ops.bitwise_or)
bitwise_right_shift = _binary("bitwise_right_shift", _by_numpy(np.right_shift))
bitwise_xor = _binary("bitwise_xor", ops.bitwise_xor)
copysign = _binary("copysign", pairwise.copysign)
divide = _binary("divide", ops.true_divide)
equal = _binary("equal", ops.eq)
floor_divide = _binary("floor_divide", _by_numpy(_floor_divide))
greater = _binary("greater", ops.gt)
greater_equal = _binary("greater_equal", ops.ge)
hypot = _binary("hypot", pairwise.hypot)
less = _binary("less", ops.lt)
less_equal = _binary("less_equal", ops.le)
logaddexp = _binary("logaddexp", ops.logaddexp)
logical_and = _binary("logical_and", ops.logical_and)
logical_or = _binary("logical_or", ops.logical_or)
logical_xor = _binary("logical_xor", ops.logical_xor)
maximum = _binary("maximum", ops.maximum)
minimum = _binary("minimum", ops.minimum)
multiply = _binary("multiply", ops.mul)
nextafter = _binary("nextafter", _by_numpy(np.nextafter))
not_equal = _binary("not_equal", ops.ne)
pow = _binary("pow", ops.pow)
remainder = _binary("remainder", ops.remainder)
subtract = _binary("subtract", ops.sub)


def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:
    """x with what is below min or above max replaced by them; x's type stays.

    >>> import sensorium as sn
    >>> clip(sn.tensor([-1, 5]), 0, 3)
    tensor([0, 3])
    """
    out = tensor_of("clip", x)
    for bound, pick in ((min, ops.maximum), (max, ops.minimum)):
        if bound is None:
            continue
        if common_type("clip", x, bound) != x.dtype:
            raise DTypeError(f"clip: a bound {bound!r:.60} does not fit elements of {x.dtype}")
        if isinstance(bound, NUMBERS):
            bound = _within(bound, x)
        out = pick(*together("clip", out, bound))
    return out.clone() if out is x else out


def _within(bound: Any, x: Tensor) -> Any:
    """A Python number at the edge of what x's integers can hold, where it lies beyond."""
    if x.dtype.kind not in "iu":
        return bound
    limits = np.iinfo(x.dtype)
    low, high = int(limits.min), int(limits.max)
    return low if bound < low else min(bound, high)
