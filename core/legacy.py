"""Tensor types by their older names: ``FloatTensor``, ``LongTensor``, ..., one for an element type.

They stand in annotations and in ``isinstance``; called, they make a tensor of their type from data, or
an uninitialised one from sizes. New code says ``tensor(data, dtype=...)``.
"""

from __future__ import annotations

from typing import Any

from . import create, dtypes
from .errors import DTypeError
from .size import Size
from .tensor import Tensor


class _TypedTensor(type):
    """A class whose instances are the tensors of one element type."""

    dtype: Any

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Tensor) and value.dtype == cls.dtype

    def __call__(cls, *data: Any) -> Tensor:
        if all(isinstance(n, int) for n in data):
            return create.empty(*data or (0,), dtype=cls.dtype)
        if len(data) != 1 or not hasattr(data[0], "__len__"):
            raise DTypeError(f"{cls.__name__}: want data or sizes, got {data!r}")
        if isinstance(data[0], Size):
            return create.empty(data[0], dtype=cls.dtype)
        return create.tensor(data[0], dtype=cls.dtype)


def _typed(name: str, dtype: Any) -> Any:
    doc = f"Tensors of {dtype}: ``{name}([1, 2])``, ``isinstance(x, {name})``."
    return _TypedTensor(name, (), {"dtype": dtype, "__doc__": doc, "__module__": __name__})


FloatTensor = _typed("FloatTensor", dtypes.float32)
DoubleTensor = _typed("DoubleTensor", dtypes.float64)
HalfTensor = _typed("HalfTensor", dtypes.float16)
BFloat16Tensor = _typed("BFloat16Tensor", dtypes.bfloat16)
ByteTensor = _typed("ByteTensor", dtypes.uint8)
CharTensor = _typed("CharTensor", dtypes.int8)
ShortTensor = _typed("ShortTensor", dtypes.int16)
IntTensor = _typed("IntTensor", dtypes.int32)
LongTensor = _typed("LongTensor", dtypes.int64)
BoolTensor = _typed("BoolTensor", dtypes.bool_)
