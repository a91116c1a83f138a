"""Element types and PyTorch's promotion rules.

An element type is a plain ``numpy.dtype`` (``sn.float32 is numpy.dtype("float32")``), bfloat16 the
one of ``ml_dtypes``. What is here: the names, their categories, ``promote_types``, ``result_type``,
``can_cast`` and the default float type. The rules are PyTorch's, not NumPy's: an integer and a
float32 make float32 (NumPy: float64), and Python scalars and zero-dimensional tensors only count
when their category is higher. Source: the "Type promotion" section of PyTorch's tensor attributes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from .errors import DTypeError

DType = np.dtype[Any]

bool_ = np.dtype(np.bool_)
uint8 = np.dtype(np.uint8)
uint16 = np.dtype(np.uint16)
uint32 = np.dtype(np.uint32)
uint64 = np.dtype(np.uint64)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
float16 = np.dtype(np.float16)
bfloat16 = np.dtype(ml_dtypes.bfloat16)
float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
complex64 = np.dtype(np.complex64)
complex128 = np.dtype(np.complex128)
cfloat, cdouble = complex64, complex128

BOOL, INTEGER, FLOAT, COMPLEX = range(4)

CATEGORY: dict[DType, int] = {
    bool_: BOOL,
    **dict.fromkeys((uint8, uint16, uint32, uint64, int8, int16, int32, int64), INTEGER),
    **dict.fromkeys((float16, bfloat16, float32, float64), FLOAT),
    **dict.fromkeys((complex64, complex128), COMPLEX),
}
FLOATING = frozenset((float16, bfloat16, float32, float64, complex64, complex128))
"""The types a gradient can have."""

_SCALAR_CATEGORY = {bool: BOOL, int: INTEGER, float: FLOAT, complex: COMPLEX}

_default_float = float32


def get_default_dtype() -> DType:
    """The float type of new tensors made from Python floats: float32 unless changed."""
    return _default_float


def set_default_dtype(dtype: Any) -> None:
    """Make dtype (a float type) the type of tensors made from Python floats.

    >>> set_default_dtype(float32); get_default_dtype()
    dtype('float32')
    """
    global _default_float
    wanted = as_dtype(dtype)
    if CATEGORY[wanted] != FLOAT:
        raise DTypeError(f"set_default_dtype: want a float type, got {wanted}")
    _default_float = wanted


_CANONICAL = {d: d for d in CATEGORY}
"""The one object for each type: operations compare types by identity first."""

_BY_NAME = {str(d): d for d in CATEGORY} | {
    "half": float16,
    "float": float32,
    "double": float64,
    "long": int64,
    "int": int32,
    "short": int16,
    "cfloat": complex64,
    "cdouble": complex128,
}
_BY_TYPE = {bool: bool_, int: int64, float: None, complex: None}


def as_dtype(dtype: Any) -> DType:
    """The element type that dtype names: a NumPy dtype or scalar type, a string, a Python type.

    >>> as_dtype("bfloat16") is bfloat16, as_dtype(int) is int64
    (True, True)
    """
    if dtype.__class__ is type and dtype in _BY_TYPE:
        return _BY_TYPE[dtype] or default_of(_SCALAR_CATEGORY[dtype])
    if isinstance(dtype, str) and dtype in _BY_NAME:
        return _BY_NAME[dtype]
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"dtype: {dtype!r} names no element type") from None
    if found not in CATEGORY:
        raise DTypeError(f"dtype: {found} is not one of {', '.join(map(str, CATEGORY))}")
    return _CANONICAL[found.newbyteorder("=")]


def default_of(category: int) -> DType:
    """The type that a Python scalar of this category becomes when nothing else decides."""
    if category == COMPLEX:
        return complex128 if _default_float is float64 else complex64
    return (bool_, int64, _default_float)[category]


def is_floating_point(dtype: DType) -> bool:
    """Whether dtype is a real float type."""
    return CATEGORY[dtype] == FLOAT


def is_complex(input: Any) -> bool:
    """Whether a tensor's element type, or an element type itself, is complex.

    >>> is_complex(complex64), is_complex(np.ones(2))
    (True, False)
    """
    return CATEGORY[as_dtype(getattr(input, "dtype", input))] == COMPLEX


@cache
def promote_types(a: DType, b: DType) -> DType:
    """The smallest type that holds both, by PyTorch's table.

    >>> promote_types(int64, float16), promote_types(uint8, int8), promote_types(bfloat16, float16)
    (dtype('float16'), dtype('int16'), dtype('float32'))
    """
    if a == b:
        return a
    low, high = sorted((a, b), key=lambda d: CATEGORY[d])
    if CATEGORY[high] == COMPLEX and CATEGORY[low] == FLOAT:
        return complex128 if float64 in (low, high) or high is complex128 else complex64
    if CATEGORY[low] != CATEGORY[high]:
        return high
    if {a, b} == {float16, bfloat16}:
        return float32
    if bfloat16 in (a, b):
        return a if b is bfloat16 else b
    if CATEGORY[a] == INTEGER and uint64 in (a, b) and {a.kind, b.kind} == {"i", "u"}:
        raise DTypeError(f"promote_types: no integer type holds both {a} and {b}")
    return np.promote_types(a, b)


def _strength(value: Any) -> tuple[int, DType | None, int]:
    """(rank, type, category) of an operand: rank 2 tensors, 1 zero-dimensional, 0 Python scalars."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        category = next((c for t, c in _SCALAR_CATEGORY.items() if isinstance(value, t)), None)
        if category is None:
            raise DTypeError(
                f"result_type: {type(value).__name__} is neither a tensor nor a number"
            )
        return 0, None, category
    if dtype not in CATEGORY:
        raise DTypeError(f"result_type: element type {dtype} is not one Sensorium computes with")
    return (2 if value.ndim else 1), dtype, CATEGORY[dtype]


def result_type(*operands: Any) -> DType:
    """The type of an elementwise op on these tensors, arrays and Python numbers.

    Tensors with dimensions decide first, then zero-dimensional ones, then Python numbers; a weaker
    rank changes the type only by a higher category.

    >>> result_type(np.ones(2, np.float32), 1.5), result_type(np.ones(2, np.int64), 1.5)
    (dtype('float32'), dtype('float32'))
    """
    found: list[DType | None] = [None, None, None]
    top = -1
    for rank, dtype, category in sorted(map(_strength, operands), key=lambda s: -s[0]):
        dtype = dtype if dtype is not None else default_of(category)
        current = found[rank]
        found[rank] = dtype if current is None else promote_types(current, dtype)
        top = max(top, category)
    strongest = next(d for d in (found[2], found[1], found[0]) if d is not None)
    for weaker in (found[1], found[0]):
        if weaker is not None and CATEGORY[weaker] > CATEGORY[strongest]:
            strongest = _with_complex(strongest, weaker) if CATEGORY[weaker] == COMPLEX else weaker
    return strongest


def _with_complex(strong: DType, weak: DType) -> DType:
    """The complex type as wide as the real type strong; weak itself where strong is no float."""
    if CATEGORY[strong] != FLOAT:
        return weak
    return complex128 if strong == float64 else complex64


def can_cast(source: DType, target: DType) -> bool:
    """Whether an in-place op may store source values in a target tensor: never down a category.

    >>> can_cast(float64, float32), can_cast(float32, int64)
    (True, False)
    """
    return CATEGORY[as_dtype(source)] <= CATEGORY[as_dtype(target)]
