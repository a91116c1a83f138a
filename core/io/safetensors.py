"""safetensors: an 8-byte length, a JSON header, then the raw bytes of every tensor.

    u64 n | {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...} | bytes

Follows https://github.com/huggingface/safetensors (README, "Format"), more strictly than its own
library: duplicate names, unknown fields, white space before the header and dimensions that no
array can have are refused. Arrays are views of the memory map, copied only when a file places
them at an address their type cannot live at. Left out: element types below one byte (F4, F6).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from ..errors import CorruptError, DTypeError, FormatError, LimitError, TruncatedError
from . import _json
from .atomic import atomic_write
from .dtypes import SAFETENSORS, SAFETENSORS_NAME, array_bytes, from_bytes, little_endian_bytes
from .files import Path, naming, open_map
from .limits import DEFAULT, Limits

_SPACE = re.compile(r"[ \t\n\r]*+")
_STRING = re.compile(_json.STRING)
_SPEC_CHARS = 4096  # one tensor's description: 64 dimensions of 20 digits, and room
_FIELDS = {"dtype", "shape", "data_offsets"}
_SUB_BYTE = {"F4", "F6_E2M3", "F6_E3M2"}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor lies in the data section, and what it is."""

    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header: tensors in the header's order, metadata, and where the data begins."""

    entries: dict[str, Entry]
    metadata: dict[str, str]
    data_start: int


# -- reading -------------------------------------------------------------------------------------
def load_safetensors(path: Path, *, limits: Limits = DEFAULT) -> dict[str, np.ndarray]:
    """The tensors of a file as views of its memory map, in the header's order.

    Raises ``TruncatedError``, ``CorruptError``, ``LimitError`` or ``FormatError``, each naming
    the tensor and the offsets.

    >>> import tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.safetensors")
    ...     save_safetensors(path, {"w": np.ones((2, 2), np.float32)})
    ...     load_safetensors(path)["w"].sum()
    np.float32(4.0)
    """
    with naming(path):
        return read(open_map(path), limits=limits)


def load_metadata(path: Path, *, limits: Limits = DEFAULT) -> dict[str, str]:
    """The ``__metadata__`` strings of a file; an empty dict where it has none."""
    with naming(path):
        return read_header(open_map(path), limits=limits).metadata


def read(data: memoryview, *, limits: Limits = DEFAULT) -> dict[str, np.ndarray]:
    """As ``load_safetensors``, from bytes already in memory."""
    return read_entries(data, read_header(data, limits=limits))


def read_entries(data: memoryview, header: Header) -> dict[str, np.ndarray]:
    """The arrays a checked header describes."""
    start = header.data_start
    return {
        name: from_bytes(
            data[start + entry.begin : start + entry.end],
            entry.shape,
            entry.dtype,
            f"tensor {name!a}",
        )
        for name, entry in header.entries.items()
    }


def read_header(data: memoryview, *, limits: Limits = DEFAULT) -> Header:
    """Parse and check everything but the numbers themselves."""
    data = memoryview(data)
    start = _data_start(data, limits)
    try:
        text = str(data[8:start], "utf-8")
    except UnicodeDecodeError as error:
        raise CorruptError(f"header is not UTF-8 at byte {8 + error.start}") from None
    entries: dict[str, Entry] = {}
    metadata: dict[str, str] = {}
    for name, value in _members(text):
        if name == "__metadata__":
            metadata = value
        else:
            entries[name] = _entry(name, value)
    _check_layout(entries, len(data) - start)
    return Header(entries, metadata, start)


def _data_start(data: memoryview, limits: Limits) -> int:
    if len(data) < 8:
        raise TruncatedError(f"{len(data)} bytes; a safetensors file has at least 10")
    size = int.from_bytes(data[:8], "little")
    if size > limits.header_bytes:
        raise LimitError(f"header of {size} bytes; at most {limits.header_bytes} are read")
    if 8 + size > len(data):
        raise TruncatedError(f"header ends at byte {8 + size}, the file at {len(data)}")
    if size < 2:
        raise CorruptError(f"header of {size} bytes; the shortest is '{{}}'")
    return 8 + size


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """The members of the header: ``__metadata__`` as a dict, each tensor as its JSON text.

    A loop instead of one ``json.loads``: no value can nest or grow before it is checked.
    """
    if text[0] != "{":
        raise CorruptError(f"header begins with {text[0]!a}, not with '{{'")
    position = 1
    seen: set[str] = set()
    while (name_at := _next_member(text, position, first=not seen)) is not None:
        name, position = _key(text, name_at)
        if name in seen:
            raise CorruptError(f"tensor {name!a} appears twice in the header")
        seen.add(name)
        read_value = _metadata if name == "__metadata__" else _spec
        value, position = read_value(text, position)
        yield name, value


def _next_member(text: str, position: int, *, first: bool) -> int | None:
    """Where the next key of an object begins; None after its closing brace and padding."""
    position = _skip(text, position)
    if text[position : position + 1] == "}":
        _check_padding(text, position + 1)
        return None
    if not first:
        if text[position : position + 1] != ",":
            raise CorruptError(f"header: ',' or '}}' expected at character {position}")
        position = _skip(text, position + 1)
    return position


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _check_padding(text: str, position: int) -> None:
    if text[position:].strip(" "):  # only 0x20 may pad a header
        raise CorruptError(f"header: {text[position : position + 20]!a} after its closing brace")


def _key(text: str, position: int) -> tuple[str, int]:
    match = _STRING.match(text, position)
    if not match:
        raise CorruptError(f"header: a name in quotes expected at character {position}")
    colon = _skip(text, match.end())
    if text[colon : colon + 1] != ":":
        raise CorruptError(f"header: ':' expected at character {colon}")
    return _json.unescape(match[0], "header"), _skip(text, colon + 1)


def _spec(text: str, position: int) -> tuple[str, int]:
    """A tensor's description ends at its first closing brace: it holds no braces itself."""
    end = text.find("}", position, position + _SPEC_CHARS) + 1
    if text[position : position + 1] != "{" or not end:
        raise CorruptError(f"header: a tensor's description expected at character {position}")
    return text[position:end], end


def _metadata(text: str, position: int) -> tuple[dict[str, str], int]:
    if text[position : position + 1] != "{":
        raise CorruptError(f"header: __metadata__ at character {position} is not an object")
    result: dict[str, str] = {}
    position = _skip(text, position + 1)
    while text[position : position + 1] != "}":
        if result:
            if text[position : position + 1] != ",":
                raise CorruptError(f"__metadata__: ',' or '}}' expected at character {position}")
            position = _skip(text, position + 1)
        key, position = _key(text, position)
        match = _STRING.match(text, position)
        if not match:
            raise CorruptError(f"__metadata__: value of {key!a} is not a string")
        if key in result:
            raise CorruptError(f"__metadata__: key {key!a} appears twice")
        result[key] = _json.unescape(match[0], "__metadata__")
        position = _skip(text, match.end())
    return result, position + 1


def _entry(name: str, spec: str) -> Entry:
    what = f"tensor {name!a}"
    if spec.count("[") != 2 or spec.count("{") != 1:
        raise CorruptError(f"{what}: description {spec[:80]!a} is not dtype, shape, data_offsets")
    fields: Any = _json.loads(spec, what, 2)
    if not isinstance(fields, dict) or fields.keys() != _FIELDS:
        raise CorruptError(f"{what}: fields {sorted(fields)} are not {sorted(_FIELDS)}")
    dtype = _dtype(fields["dtype"], what)
    shape = _integers(fields["shape"], f"{what}: shape")
    offsets = _integers(fields["data_offsets"], f"{what}: data_offsets")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise CorruptError(f"{what}: data_offsets {list(offsets)} are not [begin, end]")
    size = array_bytes(shape, dtype, what)
    if offsets[1] - offsets[0] != size:
        raise CorruptError(
            f"{what}: shape {list(shape)} of {fields['dtype']} takes {size} bytes, "
            f"data_offsets {list(offsets)} hold {offsets[1] - offsets[0]}"
        )
    return Entry(dtype, shape, *offsets)


def _dtype(name: object, what: str) -> np.dtype:
    if isinstance(name, str) and name in _SUB_BYTE:
        raise FormatError(f"{what}: element type {name} (below one byte) is not supported")
    if not isinstance(name, str) or name not in SAFETENSORS:
        raise CorruptError(f"{what}: unknown element type {name!a}")
    return SAFETENSORS[name]


def _integers(value: object, what: str) -> tuple[int, ...]:
    """Type int exactly: true is an int to Python, 2.0 equals 2."""
    if not isinstance(value, list) or any(type(i) is not int or i < 0 for i in value):
        raise CorruptError(f"{what} {value!a} is not a list of integers from 0")
    return tuple(value)


def _check_layout(entries: dict[str, Entry], size: int) -> None:
    """Tensors tile the data section: no hole, no overlap, nothing after the last."""
    position = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != position:
            kind = "overlaps the one before it" if entry.begin < position else "leaves a hole"
            raise CorruptError(
                f"tensor {name!a} {kind}: begins at {entry.begin}, expected {position}"
            )
        position = entry.end
    if position > size:
        raise TruncatedError(f"tensors take {position} bytes, the file holds {size}")
    if position < size:
        raise CorruptError(f"{size - position} bytes follow the last tensor")


# -- writing -------------------------------------------------------------------------------------
def save_safetensors(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays to a file that any safetensors library reads; atomic and durable.

    The header keeps the order of ``arrays``; the bytes are ordered by falling element size, so
    every tensor is aligned. The same arrays in the same order give the same bytes. The file may
    be the one the arrays are mapped from. Raises ``DTypeError`` for types the format lacks.
    """
    header = _header_bytes(arrays, metadata or {})

    def write(file: BinaryIO) -> None:
        file.write(len(header).to_bytes(8, "little") + header)
        file.writelines(
            little_endian_bytes(np.asarray(arrays[name])) for name in _data_order(arrays)
        )

    atomic_write(path, write)


def dumps(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes that ``save_safetensors`` writes.

    >>> read(memoryview(dumps({"b": np.array([True])})))
    {'b': array([ True])}
    """
    header = _header_bytes(arrays, metadata or {})
    body = (little_endian_bytes(np.asarray(arrays[name])) for name in _data_order(arrays))
    return b"".join([len(header).to_bytes(8, "little"), header, *body])


def _data_order(arrays: Mapping[str, np.ndarray]) -> list[str]:
    return sorted(arrays, key=lambda name: (-np.asarray(arrays[name]).dtype.itemsize, name))


def _header_bytes(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    for name in [*arrays, *metadata, *metadata.values()]:
        _check_text(name)
    if "__metadata__" in arrays:
        raise FormatError("save_safetensors: '__metadata__' is reserved; rename the array")
    position, specs = 0, {}
    for name in _data_order(arrays):
        array = np.asarray(arrays[name])
        specs[name] = {
            "dtype": _dtype_name(array.dtype, name),
            "shape": list(array.shape),
            "data_offsets": [position, position + array.nbytes],
        }
        position += array.nbytes
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    table.update((name, specs[name]) for name in arrays)
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)  # so that the data begin on a multiple of 8


def _check_text(value: object) -> None:
    if not isinstance(value, str):
        raise DTypeError(f"save_safetensors: name or metadata {value!a} is not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FormatError(f"save_safetensors: {value!a} cannot be written as UTF-8") from None


def _dtype_name(dtype: np.dtype, name: str) -> str:
    native = dtype.newbyteorder("=") if dtype.kind in "fciu" else dtype
    if native not in SAFETENSORS_NAME:
        raise DTypeError(
            f"save_safetensors: array {name!a} has element type {dtype}, which safetensors lacks "
            f"(it has {', '.join(SAFETENSORS)})"
        )
    return SAFETENSORS_NAME[native]
