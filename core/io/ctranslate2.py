"""CTranslate2's ``model.bin``: a name of a specification, then variables one after another.

    u32 version, str specification, u32 revision, u32 variables
    each variable   str name, u8 rank, u32 sizes, u8 element type, u32 bytes, the numbers
    u32 aliases     each: str alias, str name

Numbers are little-endian; a str is a u16 length that counts a final NUL, then that many bytes.
Follows ``Model::load`` and ``model_spec.py`` of https://github.com/OpenNMT/CTranslate2, binary
versions 4 to 6; older ones store no element types. Left out: writing, and restoring the numbers of
quantised weights, which is the model's affair (``weight`` = integers / ``weight_scale``).
"""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from ..errors import CorruptError, FormatError, LimitError, TruncatedError
from .dtypes import array_bytes, from_bytes
from .files import Path, naming, open_map
from .limits import DEFAULT, Limits

VERSIONS = range(4, 7)
DTYPES = {  # include/ctranslate2/types.h, `DataType`
    0: np.dtype(np.float32),
    1: np.dtype(np.int8),
    2: np.dtype(np.int16),
    3: np.dtype(np.int32),
    4: np.dtype(np.float16),
    5: np.dtype(ml_dtypes.bfloat16),
}


def load_ctranslate2(path: Path, *, limits: Limits = DEFAULT) -> dict[str, np.ndarray]:
    """The variables of a ``model.bin`` by name; an alias is the same array under another name.

    Raises ``FormatError`` and its kin naming the variable.
    """
    with naming(path):
        return read_ctranslate2(open_map(path), limits=limits)


def read_ctranslate2(data: memoryview, *, limits: Limits = DEFAULT) -> dict[str, np.ndarray]:
    """As ``load_ctranslate2``, from bytes already in memory.

    >>> file = bytes.fromhex("06000000 0600") + b"ASpec\\0" + bytes.fromhex("01000000 01000000")
    >>> file += bytes.fromhex("0200") + b"w\\0" + bytes.fromhex("01 02000000 01 02000000 0304")
    >>> read_ctranslate2(memoryview(file + bytes(4)))
    {'w': array([3, 4], dtype=int8)}
    """
    reader = _Reader(data)
    version = reader.integer(4, "the version")
    if version not in VERSIONS:
        raise FormatError(
            f"CTranslate2 binary version {version} is not one of {VERSIONS[0]} to {VERSIONS[-1]}; "
            "convert the model again with a current CTranslate2"
        )
    reader.text("the specification")
    reader.integer(4, "the revision")
    count = reader.count("variables", limits)
    arrays: dict[str, np.ndarray] = {}
    for n in range(count):
        name = _new(reader.text(f"the name of variable {n}"), arrays)
        arrays[name] = reader.array(f"variable {name!a}")
    for n in range(reader.count("aliases", limits)):
        _add_alias(arrays, reader.text(f"alias {n}"), reader.text(f"the target of alias {n}"))
    if reader.position != len(data):
        raise CorruptError(f"{len(data) - reader.position} bytes follow the last alias")
    return arrays


def _new(name: str, arrays: dict[str, np.ndarray]) -> str:
    if name in arrays:
        raise CorruptError(f"variable {name!a} appears twice")
    return name


def _add_alias(arrays: dict[str, np.ndarray], alias: str, name: str) -> None:
    """alias for name, and for the scale of its numbers where they are quantised."""
    if name not in arrays:
        raise CorruptError(f"alias {alias!a} stands for {name!a}, which is no variable")
    arrays[_new(alias, arrays)] = arrays[name]
    if f"{name}_scale" in arrays:
        arrays.setdefault(f"{alias}_scale", arrays[f"{name}_scale"])


class _Reader:
    """The file from a position on; every step says what it wanted where the file ends too early."""

    def __init__(self, data: memoryview) -> None:
        self.data = memoryview(data)
        self.position = 0

    def take(self, size: int, what: str) -> memoryview:
        start, stop = self.position, self.position + size
        if stop > len(self.data):
            raise TruncatedError(
                f"{what}: {size} bytes expected at byte {start}, {len(self.data) - start} are there"
            )
        self.position = stop
        return self.data[start:stop]

    def integer(self, size: int, what: str) -> int:
        return int.from_bytes(self.take(size, what), "little")

    def count(self, what: str, limits: Limits) -> int:
        count = self.integer(4, f"the number of {what}")
        if count > limits.records:
            raise LimitError(f"{count} {what}, at most {limits.records} are read")
        return count

    def text(self, what: str) -> str:
        raw = bytes(self.take(self.integer(2, what), what))
        if not raw.endswith(b"\0") or b"\0" in raw[:-1] or not raw.isascii():
            raise CorruptError(f"{what} is not a text ended by NUL: {raw[:40]!a}")
        return raw[:-1].decode("ascii")

    def array(self, what: str) -> np.ndarray:
        rank = self.integer(1, f"the rank of {what}")
        shape = tuple(self.integer(4, f"the shape of {what}") for _ in range(rank))
        code = self.integer(1, f"the element type of {what}")
        if code not in DTYPES:
            raise CorruptError(f"{what}: element type {code} is not one of {[*DTYPES]}")
        size = self.integer(4, f"the size of {what}")
        if size != array_bytes(shape, DTYPES[code], what):
            wanted = math.prod(shape) * DTYPES[code].itemsize
            raise CorruptError(
                f"{what}: {list(shape)} {DTYPES[code]} is {wanted} bytes, not {size}"
            )
        return from_bytes(self.take(size, what), shape, DTYPES[code], what)
