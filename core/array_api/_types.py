"""Element types of the array API: ``astype``, ``isdtype``, ``finfo`` and what may become what."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import limits
from ..dtypes import CATEGORY, as_dtype, promote_types
from ..errors import DTypeError
from ..interop import to_device
from ..tensor import Tensor
from ._base import common_type, tensor_of

BY_NAME = {
    "bool": np.bool_, "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
    "float32": np.float32, "float64": np.float64, "complex64": np.complex64,
    "complex128": np.complex128,
}  # fmt: skip
KINDS = {
    "bool": "b", "signed integer": "i", "unsigned integer": "u", "integral": "iu",
    "real floating": "f", "complex floating": "c", "numeric": "iufc",
}  # fmt: skip


def of_kind(kind: Any) -> dict[str, np.dtype[Any]]:
    """The standard's types of a kind (None: all), by name."""
    return {
        name: as_dtype(t)
        for name, t in BY_NAME.items()
        if kind is None or isdtype(as_dtype(t), kind)
    }


def astype(x: Tensor, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """x in another element type; a copy also of the same type unless copy is False."""
    moved = tensor_of("astype", x) if device is None else to_device(x, device)
    out = moved.to(as_dtype(dtype))
    return out.clone() if copy and out is x else out


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether promotion alone leads from a type (or tensor's type) to another."""
    source, target = as_dtype(getattr(from_, "dtype", from_)), as_dtype(to)
    try:
        same_kind = _kind(source) in _kind(target) or CATEGORY[source] < CATEGORY[target]
        return same_kind and promote_types(source, target) == target
    except DTypeError:
        return False


def _kind(dtype: np.dtype[Any]) -> str:
    return "iu" if dtype.kind in "iu" else dtype.kind


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a type is of a kind: a name such as "integral", a type, or a tuple of them.

    >>> isdtype(np.dtype("int8"), ("bool", "signed integer"))
    True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if not isinstance(kind, str):
        return as_dtype(dtype) == as_dtype(kind)
    if kind not in KINDS:
        raise DTypeError(f"isdtype: kind {kind!r} is not one of {', '.join(KINDS)}")
    return as_dtype(dtype).kind in KINDS[kind] or (
        as_dtype(dtype).kind == "V" and "f" in KINDS[kind]  # bfloat16
    )


class finfo_object(NamedTuple):
    """What ``finfo`` returns."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


class iinfo_object(NamedTuple):
    """What ``iinfo`` returns."""

    bits: int
    max: int
    min: int
    dtype: np.dtype[Any]


def finfo(type: Any, /) -> finfo_object:
    """The limits of a float type, or of a complex type's parts."""
    facts = limits.finfo(getattr(type, "dtype", type))
    return finfo_object(
        facts.bits, facts.eps, facts.max, facts.min, facts.smallest_normal, as_dtype(facts.dtype)
    )


def iinfo(type: Any, /) -> iinfo_object:
    """The limits of an integer type."""
    facts = limits.iinfo(getattr(type, "dtype", type))
    return iinfo_object(facts.bits, facts.max, facts.min, as_dtype(facts.dtype))


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The common type of tensors, types and Python numbers; the numbers are weak."""
    return common_type("result_type", *arrays_and_dtypes)
