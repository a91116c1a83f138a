"""Bringing the inputs of an op to a common type, by PyTorch's rules (``sensorium.dtypes``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import (
    CATEGORY,
    FLOAT,
    FLOATING,
    default_of,
    float32,
    float64,
    int32,
    int64,
    result_type,
)
from ..errors import DTypeError

__all__ = ["FLOATING", "RULES", "common", "to_float"]

_SINGLE = np.dtype(np.float32)
_NUMBERS = (int, float)  # exactly these: bool and subclasses take the long way
_WEAK_WITH = (float32, float64)
"""Types NumPy itself pairs with a Python number without changing them."""
_INTEGERS, _FITS = (int32, int64), 2**31
"""With integers in this range, also these."""


def _as_number(value: Any) -> Any:
    """A foreign operand as something with a type: array-likes become arrays, numbers stay."""
    if isinstance(value, (bool, int, float, complex)) or hasattr(value, "dtype"):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"operands must be tensors, arrays or numbers, got {type(value).__name__}")
    return array


def _weak(number: Any, dtype: Any) -> bool:
    """Whether NumPy, too, leaves the type to the array."""
    if dtype in _WEAK_WITH:
        return True
    return dtype in _INTEGERS and number.__class__ is int and -_FITS <= number < _FITS


def common(*arrays: Any) -> tuple[Any, ...]:
    """The operands as arrays of their common type; a Python number stays one where that is exact."""
    if len(arrays) == 2:
        a, b = arrays
        if hasattr(a, "dtype") and hasattr(b, "dtype") and a.dtype == b.dtype in CATEGORY:
            return arrays  # equal types that are not one object, as some NumPy functions make them
        if b.__class__ in _NUMBERS and _weak(b, getattr(a, "dtype", None)):
            return arrays
        if a.__class__ in _NUMBERS and _weak(a, getattr(b, "dtype", None)):
            return arrays
    values = [_as_number(a) for a in arrays]
    wanted = result_type(*values)
    like = next((v for v in values if hasattr(v, "dtype")), np.empty(0))
    return tuple(_cast(v, wanted, like) for v in values)


def _cast(value: Any, wanted: Any, like: Any) -> Any:
    if hasattr(value, "dtype"):
        return value if value.dtype == wanted else value.astype(wanted)
    if wanted.kind in "iu" and not isinstance(value, (float, complex)):
        value = int(value) & (2 ** (8 * wanted.itemsize) - 1)  # wraps, as a cast in C does
        return np.asarray(value, dtype=f"u{wanted.itemsize}", like=like).astype(wanted)
    return np.asarray(value, dtype=wanted, like=like)


def wide(dtype: Any) -> Any:
    """The type to add up in: float32 for the half types, which lose what is small beside the sum."""
    return _SINGLE if dtype.itemsize == 2 and CATEGORY[dtype] == FLOAT else dtype


def to_float(*arrays: Any) -> Any:
    """Integers and booleans as the default float type; several operands to a common float type."""
    if len(arrays) == 1:
        x = arrays[0]
        return x if x.dtype in FLOATING else x.astype(default_of(2))
    arrays = common(*arrays)
    if any(getattr(a, "dtype", None) in FLOATING for a in arrays):
        return arrays
    return tuple(a.astype(default_of(2)) if hasattr(a, "astype") else a for a in arrays)


def where_rule(condition: Any, a: Any, b: Any) -> tuple[Any, ...]:
    """A boolean condition, and the two values it chooses from in their common type."""
    if getattr(condition, "dtype", None) != np.bool_:
        raise DTypeError(
            f"where: condition must be bool, got {getattr(condition, 'dtype', condition)}"
        )
    return (condition, *common(a, b))


def optional(*arrays: Any) -> tuple[Any, ...]:
    """The common type of those operands that are there."""
    first, *rest = arrays
    if first.dtype in _WEAK_WITH and all(v is None or v.__class__ in _NUMBERS for v in rest):
        return arrays
    found = iter(common(*(a for a in arrays if a is not None)))
    return tuple(None if a is None else next(found) for a in arrays)


RULES: dict[str, Callable[..., Any]] = {
    "common": common,
    "float": to_float,
    "where": where_rule,
    "optional": optional,
}
