"""The idx format of MNIST: a few unsigned bytes in a box, plain or gzipped.

    0 0 type dimensions   size (big-endian uint32) for each dimension   the values, row-major

type 8 is unsigned bytes, the only one that these datasets use. Described at
http://yann.lecun.com/exdb/mnist/. Memory is bounded by the file: a header that promises more than
its file can hold is refused before anything is allocated.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from sensorium.errors import CorruptError, FormatError, LimitError, TruncatedError
from sensorium.io import Limits

_UBYTE = 8
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array in an idx file of so many dimensions.

    ``FormatError`` for another magic number, ``TruncatedError`` and ``CorruptError`` where the
    header and the length of the file disagree, ``LimitError`` for a gzip that grows out of bounds.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        size = path.stat().st_size
        if not packed:
            return _read(raw, path, dimensions, size)
        limit = Limits().max_inflated_bytes(size)
        try:
            with gzip.GzipFile(fileobj=raw) as file:
                return _read(file, path, dimensions, limit)
        except EOFError:
            raise TruncatedError(f"{path}: the gzip stream ends early") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise CorruptError(f"{path}: damaged gzip stream ({error})") from None


def _read(file: object, path: Path, dimensions: int, limit: int) -> np.ndarray:
    shape = _header(file, path, dimensions)
    count = math.prod(shape)
    want = 4 + 4 * dimensions + count
    if want > limit and isinstance(file, gzip.GzipFile):
        raise LimitError(f"{path}: the header {shape} wants {want} bytes, more than {limit}")
    values = b"" if want > limit else _take(file, count)
    if len(values) < count:
        found = limit if want > limit else want - count + len(values)
        raise TruncatedError(f"{path}: the header {shape} wants {want} bytes, the file has {found}")
    if _take(file, 1):
        raise CorruptError(f"{path}: the header {shape} wants {want} bytes, the file goes on")
    return np.frombuffer(values, np.uint8).reshape(shape).copy()


def _header(file: object, path: Path, dimensions: int) -> tuple[int, ...]:
    """The sizes, after the magic number has been checked."""
    head = _take(file, 4)
    wanted = bytes((0, 0, _UBYTE, dimensions))
    if len(head) < 4:
        raise TruncatedError(f"{path}: {len(head)} bytes are no idx file")
    if head != wanted:
        raise FormatError(
            f"{path}: begins with {head.hex()}, want {wanted.hex()} (idx, unsigned bytes, "
            f"{dimensions} dimensions)"
        )
    sizes = _take(file, 4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise TruncatedError(f"{path}: the header ends after {4 + len(sizes)} bytes")
    return struct.unpack(f">{dimensions}I", sizes)


def _take(file: object, count: int) -> bytes:
    """Up to count bytes, in blocks: what is allocated follows what is there."""
    parts, left = [], count
    while left > 0:
        part = file.read(min(left, _BLOCK))  # type: ignore[attr-defined]
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
