"""Element types as the file formats name them, and the steps every reader shares.

Formats store little-endian numbers (PyTorch also big-endian ones); arrays leave here in the
machine's own order, aligned, and with booleans that are really 0 or 1.
"""

from __future__ import annotations

import sys

import ml_dtypes
import numpy as np

from ..errors import CorruptError, LimitError

# https://github.com/huggingface/safetensors, README "Format" and `Dtype` of the crate, 0.8
SAFETENSORS: dict[str, np.dtype] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "F8_E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "F8_E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "C64": np.dtype(np.complex64),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
SAFETENSORS_NAME = {dtype: name for name, dtype in SAFETENSORS.items()}

TORCH: dict[str, np.dtype] = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "float8_e8m0fnu": np.dtype(ml_dtypes.float8_e8m0fnu),
    "float8_e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "float8_e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "complex64": np.dtype(np.complex64),
    "complex128": np.dtype(np.complex128),
    "int64": np.dtype(np.int64),
    "int32": np.dtype(np.int32),
    "int16": np.dtype(np.int16),
    "int8": np.dtype(np.int8),
    "uint64": np.dtype(np.uint64),
    "uint32": np.dtype(np.uint32),
    "uint16": np.dtype(np.uint16),
    "uint8": np.dtype(np.uint8),
    "bool": np.dtype(np.bool_),
}

MAX_DIMS = 64  # NumPy's own bound
MAX_BYTES = 2**63 - 1


def array_bytes(shape: tuple[int, ...], dtype: np.dtype, what: str) -> int:
    """Bytes of an array, counted in Python integers; refuses what no array can have.

    NumPy multiplies the dimensions that are not zero, so ``(0, 2**63)`` is refused too.
    """
    if len(shape) > MAX_DIMS:
        raise LimitError(f"{what}: {len(shape)} dimensions, at most {MAX_DIMS} can be held")
    count = dtype.itemsize
    for extent in shape:
        count *= max(extent, 1)
        if count > MAX_BYTES:
            raise LimitError(f"{what}: shape {list(shape)} of {dtype} exceeds any memory")
    return 0 if 0 in shape else count


def is_aligned(array: np.ndarray, alignment: int) -> bool:
    """Whether the array's first byte lies on a multiple of ``alignment``."""
    return array.__array_interface__["data"][0] % alignment == 0


def swapped(array: np.ndarray) -> np.ndarray:
    """A copy with the bytes of every number reversed (each half of a complex number alone)."""
    width = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
    whole = np.ascontiguousarray(array).reshape(-1)
    return whole.view(f"u{width}").byteswap().view(array.dtype).reshape(array.shape)


def from_order(array: np.ndarray, order: str) -> np.ndarray:
    """The array in this machine's byte order, given the order its bytes are in."""
    return array if order == sys.byteorder or array.dtype.itemsize == 1 else swapped(array)


def check_bool(array: np.ndarray, what: str) -> np.ndarray:
    """A boolean byte is 0 or 1; NumPy's results with any other byte are not defined."""
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise CorruptError(f"{what}: a boolean is stored as a byte other than 0 and 1")
    return array


def from_bytes(
    data: memoryview, shape: tuple[int, ...], dtype: np.dtype, what: str, order: str = "little"
) -> np.ndarray:
    """An array over ``data`` without copying where alignment and byte order allow it."""
    array = np.frombuffer(data, np.uint8)
    if array.size and not is_aligned(array, dtype.alignment):
        array = array.copy()
    array = np.ndarray(shape, dtype, buffer=array if array.size else None)
    return check_bool(from_order(array, order), what)


def little_endian_bytes(array: np.ndarray) -> memoryview:
    """The array's bytes as the formats store them: row-major, little-endian."""
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    flat = np.ascontiguousarray(array).reshape(-1)
    if sys.byteorder == "big" and flat.dtype.byteorder != "<":
        flat = swapped(flat)
    return flat.view(np.uint8).data if flat.size else memoryview(b"")
