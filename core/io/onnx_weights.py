"""The stored tensors of an ONNX model: names and arrays, without its graph.

ONNX is a protocol buffer: fields of (number, wire type) and a value, messages within messages.

    ModelProto    7 graph
    GraphProto    5 initializer, repeated
    TensorProto   1 dims, 2 data_type, 8 name, 9 raw_data; or 4, 5, 7, 10, 11: the numbers, typed;
                  14 data_location (1: in another file)

Follows https://github.com/onnx/onnx/blob/main/onnx/onnx.proto and protobuf's encoding page. Left
out: what the graph computes (tensors inside its Constant nodes too), data in other files, strings.
"""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np

from ..errors import CorruptError, FormatError, LimitError, TruncatedError
from .dtypes import array_bytes, from_bytes
from .files import Path, naming, open_map
from .limits import DEFAULT, Limits

DTYPES = {  # TensorProto.DataType
    1: np.dtype(np.float32),
    2: np.dtype(np.uint8),
    3: np.dtype(np.int8),
    4: np.dtype(np.uint16),
    5: np.dtype(np.int16),
    6: np.dtype(np.int32),
    7: np.dtype(np.int64),
    9: np.dtype(np.bool_),
    10: np.dtype(np.float16),
    11: np.dtype(np.float64),
    12: np.dtype(np.uint32),
    13: np.dtype(np.uint64),
    14: np.dtype(np.complex64),
    15: np.dtype(np.complex128),
    16: np.dtype(ml_dtypes.bfloat16),
}
_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _NAME, _RAW, _LOCATION = 1, 2, 8, 9, 14
_PLAIN = {4: "<f4", 10: "<f8"}  # fields of numbers as they are; 4 and 10 hold complex pairs, too
_VARINTS = (5, 7, 11)  # and those of variable length

Value = int | memoryview


def load_onnx_weights(path: Path, *, limits: Limits = DEFAULT) -> dict[str, np.ndarray]:
    """The initializers of an ``.onnx`` file by name; ``FormatError`` and its kin name the tensor."""
    with naming(path):
        return read_onnx_weights(open_map(path), limits=limits)


def read_onnx_weights(data: memoryview, *, limits: Limits = DEFAULT) -> dict[str, np.ndarray]:
    """As ``load_onnx_weights``, from bytes already in memory.

    >>> tensor = bytes.fromhex("0802 1003 420177 4a020304")  # dims 2, int8, name w, raw 3 4
    >>> graph = bytes([0x2A, len(tensor)]) + tensor
    >>> read_onnx_weights(memoryview(bytes([0x08, 8, 0x3A, len(graph)]) + graph))
    {'w': array([3, 4], dtype=int8)}
    """
    arrays: dict[str, np.ndarray] = {}
    for graph in _messages(memoryview(data), _GRAPH, "the model"):
        for tensor in _messages(graph, _INITIALIZER, "the graph"):
            if len(arrays) >= limits.records:
                raise LimitError(f"more than {limits.records} tensors, which is all that are read")
            name, array = _tensor(tensor, len(arrays))
            if name in arrays:
                raise CorruptError(f"tensor {name!a} appears twice")
            arrays[name] = array
    if not arrays:
        raise FormatError("an ONNX model with stored tensors expected; there are none")
    return arrays


# -- tensors -------------------------------------------------------------------------------------
def _tensor(data: memoryview, n: int) -> tuple[str, np.ndarray]:
    fields: dict[int, list[Value]] = {}
    for number, value in _fields(data, f"tensor {n}"):
        fields.setdefault(number, []).append(value)
    name = _name(fields, n)
    what = f"tensor {name!a}"
    if fields.get(_LOCATION, [0])[-1] != 0:
        raise FormatError(f"{what}: its numbers are in another file, which is not supported")
    code = fields.get(_TYPE, [0])[-1]
    if not isinstance(code, int) or code not in DTYPES:
        raise FormatError(f"{what}: element type {code!r} is not one of {[*DTYPES]}")
    shape = tuple(_integers(fields.get(_DIMS, []), what))
    if min(shape, default=0) < 0:
        raise CorruptError(f"{what}: the shape {list(shape)} is negative")
    dtype = DTYPES[code]
    raw = _raw(fields, dtype, what)
    wanted = array_bytes(shape, dtype, what)
    if wanted != len(raw):
        raise CorruptError(f"{what}: {list(shape)} {dtype} is {wanted} bytes, not {len(raw)}")
    return name, from_bytes(raw, shape, dtype, what)


def _name(fields: dict[int, list[Value]], n: int) -> str:
    raw = fields.get(_NAME, [memoryview(b"")])[-1]
    try:
        return bytes(raw).decode() if not isinstance(raw, int) else ""
    except UnicodeDecodeError:
        raise CorruptError(f"tensor {n}: its name is no UTF-8: {bytes(raw)[:40]!a}") from None


def _raw(fields: dict[int, list[Value]], dtype: np.dtype, what: str) -> memoryview:
    """The numbers as bytes, little-endian."""
    if _RAW in fields:
        raw = fields[_RAW][-1]
        if isinstance(raw, int):
            raise CorruptError(f"{what}: raw_data is a number")
        return raw
    for number in _PLAIN:
        if number in fields:
            return memoryview(b"".join(_bytes(value, what) for value in fields[number]))
    for number in _VARINTS:
        if number in fields:
            whole = _integers(fields[number], what)
            # Half types travel as the integer of their bits, negative numbers sign-extended.
            mask = (1 << 8 * dtype.itemsize) - 1
            return memoryview(np.array([n & mask for n in whole], f"<u{dtype.itemsize}").tobytes())
    return memoryview(b"")


def _bytes(value: Value, what: str) -> bytes:
    if isinstance(value, int):
        raise CorruptError(f"{what}: a number stands where bytes are expected")
    return bytes(value)


def _integers(values: list[Value], what: str) -> list[int]:
    """A repeated int64, whether packed or one by one."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(_signed(value))
            continue
        position = 0
        while position < len(value):
            number, position = _varint(value, position, what)
            found.append(_signed(number))
    return found


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


# -- protocol buffers ----------------------------------------------------------------------------
def _messages(data: memoryview, wanted: int, what: str) -> Iterator[memoryview]:
    for number, value in _fields(data, what):
        if number == wanted:
            if isinstance(value, int):
                raise CorruptError(f"field {wanted} of {what} is no message")
            yield value


def _fields(data: memoryview, what: str) -> Iterator[tuple[int, Value]]:
    """(number, value) of a message: an int, or the bytes of what has a length."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position, what)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(data, position, what)
            yield number, value
            continue
        if wire == 2:
            size, position = _varint(data, position, what)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise CorruptError(f"{what}: wire type {wire} at byte {position} is not one of ONNX")
        if position + size > len(data):
            raise TruncatedError(
                f"{what}: field {number} has {size} bytes, {len(data) - position} are there"
            )
        yield number, data[position : position + size]
        position += size


def _varint(data: memoryview, position: int, what: str) -> tuple[int, int]:
    """An integer in groups of seven bits, the lowest first, and the place after it."""
    value = 0
    for n, byte in enumerate(data[position : position + 10]):
        value |= (byte & 127) << 7 * n
        if byte < 128:
            return value & ((1 << 64) - 1), position + n + 1
    raise CorruptError(f"{what}: the integer at byte {position} does not end")
