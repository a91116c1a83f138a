"""Storages and the tensors that view them, as PyTorch's checkpoints describe both.

A storage is a run of bytes; a tensor is (storage, offset, size, stride), counted in elements.
The bound

    offset + sum((size[i] - 1) * stride[i]) < elements of the storage

is checked in Python integers before NumPy sees a number, so nothing can overflow, and the array
is built over the storage's own buffer, which NumPy checks once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import CorruptError, LimitError
from .dtypes import TORCH, array_bytes, check_bool, from_order, is_aligned
from .limits import Limits

_ALIGNMENT = 16  # of complex128, the widest element

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "UntypedStorage": "uint8",
    "_UntypedStorage": "uint8",
}


@dataclass(frozen=True, slots=True)
class StorageType:
    """The element type that a storage class of PyTorch stands for."""

    name: str
    dtype: np.dtype

    def __str__(self) -> str:
        return f"storage class {self.name}"


STORAGE_TYPES = {name: StorageType(name, TORCH[dtype]) for name, dtype in _STORAGES.items()}


@dataclass(frozen=True, slots=True)
class Storage:
    """``numel`` elements of ``dtype``; ``raw`` is None while their bytes are not yet found."""

    name: str
    dtype: np.dtype
    numel: int
    raw: np.ndarray | None
    order: str = "little"

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize

    def __str__(self) -> str:
        return f"bare storage {self.name!a}"


def storage(name: str, dtype: np.dtype, numel: int, data: memoryview | None, order: str) -> Storage:
    """A storage over ``data``, copied only if it lies at an address its type cannot live at."""
    if data is None:
        return Storage(name, dtype, numel, None, order)
    if len(data) != numel * dtype.itemsize:
        raise CorruptError(
            f"storage {name!a}: {numel} elements of {dtype} are {numel * dtype.itemsize} bytes, "
            f"its record holds {len(data)}"
        )
    raw = np.frombuffer(data, np.uint8)
    if raw.size and not is_aligned(raw, _ALIGNMENT):
        raw = raw.copy()
    return Storage(name, dtype, numel, raw, order)


@dataclass(slots=True)
class Budget:
    """What the reading of one checkpoint may still use: bytes that its tensors span, nodes
    (strings, containers, memo entries) made, and values of the finished tree."""

    nbytes: int
    nodes: int
    values: int

    @classmethod
    def of(cls, limits: Limits, file_bytes: int) -> Budget:
        """The whole budget of a file of so many bytes."""
        nodes = limits.max_nodes(file_bytes)
        return cls(limits.max_view_bytes(file_bytes), nodes, nodes + file_bytes)

    def spend(self, nbytes: int, what: str) -> None:
        self.nbytes -= nbytes
        if self.nbytes < 0:
            raise LimitError(f"{what}: the tensors span more bytes than the file can justify")

    def count(self) -> None:
        self.nodes -= 1
        if self.nodes < 0:
            raise LimitError("more strings, containers and memo entries than the file can justify")


Shape = tuple[int, ...]


def rebuild(
    source: Storage, offset: int, size: Shape, stride: Shape, dtype: np.dtype, budget: Budget
) -> np.ndarray:
    """The array of a tensor: a view of its storage, or a copy where elements repeat (expand)."""
    what = f"tensor on storage {source.name!a}"
    nbytes = array_bytes(size, dtype, what)
    _check_bounds(source, offset, size, stride, dtype, what)
    budget.spend(nbytes, what)
    if nbytes == 0 or source.raw is None:
        return np.empty(size if nbytes == 0 else 0, dtype)
    steps = [s * dtype.itemsize if n > 1 else dtype.itemsize for n, s in zip(size, stride)]
    array: np.ndarray = np.ndarray(
        size, dtype, buffer=source.raw, offset=offset * dtype.itemsize, strides=steps
    )
    if 0 in steps:
        array = array.copy()
    return check_bool(from_order(array, source.order), what)


def _check_bounds(
    source: Storage, offset: int, size: Shape, stride: Shape, dtype: np.dtype, what: str
) -> None:
    available = source.nbytes // dtype.itemsize
    last = offset + sum((n - 1) * s for n, s in zip(size, stride))
    if len(size) != len(stride) or min((offset, *size, *stride)) < 0:
        raise CorruptError(f"{what}: offset {offset}, size {size}, stride {stride} do not fit")
    if math.prod(size) and last >= available:
        raise CorruptError(
            f"{what}: offset {offset}, size {size}, stride {stride} reach element {last}, "
            f"the storage holds {available}"
        )


StorageFinder = Callable[[tuple[object, ...]], Storage]
