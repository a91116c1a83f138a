"""Where encoded audio comes from: a path, bytes or a binary file, read at any offset.

``opened`` turns what the caller gave into a ``Source``; ``Window`` shows libsndfile a stretch of it.
libsndfile calls back into Python to read, and an exception in such a call would be printed and
forgotten by the foreign-function layer, so a ``Window`` never raises: it keeps the error, and
``raise_kept`` raises it where it can be caught.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sensorium.errors import DecodeError, DTypeError

AudioSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

_BLOCK = 1 << 18


class Damaged(Exception):
    """The file is not a recording, or not a whole one; the text says why."""


# -- what the checks read ------------------------------------------------------------------------
class Source:
    """The bytes of a seekable binary file from ``base`` on, read in blocks that are kept."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        self.base = file.tell()
        self.size = file.seek(0, os.SEEK_END) - self.base
        self._at, self._block = 0, b""

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to count bytes from offset; fewer only at the end."""
        start = offset - self._at
        if start < 0 or start + count > len(self._block):
            self._at, self._block = offset, self.direct(offset, max(count, _BLOCK))
            start = 0
        return self._block[start : start + count]

    def direct(self, offset: int, count: int) -> bytes:
        """As ``read_at``, without the kept block."""
        missing = max(min(count, self.size - offset), 0)
        if missing:  # else offset may be anything that a damaged header says
            self.file.seek(self.base + offset)
        parts = []
        while missing > 0 and (part := self.file.read(missing)):  # raw files may give less
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


# -- what libsndfile reads -----------------------------------------------------------------------
class Window:
    """Bytes start to end of a source as a file of their own, some of them replaced.

    ``patches`` maps offsets in the source to the bytes shown there instead.
    """

    def __init__(self, source: Source, start: int, end: int, patches: Mapping[int, bytes]) -> None:
        self.source, self.start, self.size = source, start, end - start
        self.patches = patches
        self.position = 0
        self._kept: BaseException | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; damaged headers ask for places before the start, which mean the start."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        self.position = max(0, origin + offset)
        return self.position

    def tell(self) -> int:
        """Bytes from the start of the window."""
        return self.position

    def readinto(self, buffer: Any) -> int:
        """Fill buffer; 0 at the end and after an error."""
        try:
            data = self._patched(min(len(buffer), self.size - self.position))
            buffer[0 : len(data)] = data
        except BaseException as error:  # noqa: BLE001 - Ctrl-C too would be swallowed
            self._kept = self._kept or error
            return 0
        self.position += len(data)
        return len(data)

    def raise_kept(self) -> None:
        """Raise what went wrong inside a callback."""
        if self._kept is not None:
            raise self._kept

    def _patched(self, count: int) -> bytes:
        first = self.start + self.position
        data = self.source.direct(first, count) if count > 0 else b""
        for offset, patch in self.patches.items():
            low, high = max(offset, first), min(offset + len(patch), first + len(data))
            if low < high:
                shown = patch[low - offset : high - offset]
                data = data[: low - first] + shown + data[high - first :]
        return data


# -- opening -------------------------------------------------------------------------------------
@contextmanager
def opened(source: AudioSource, op: str, max_bytes: int) -> Iterator[Source]:
    """source as a ``Source``; a file opened here is closed at the end.

    A file object is read from where it stands; one that cannot seek is read whole first, as long as
    it is not larger than a recording of max_bytes can need.
    """
    if isinstance(source, (str, os.PathLike)):
        with _open_path(Path(source)) as file:
            yield Source(file, str(source))
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield Source(io.BytesIO(source), f"<{type(source).__name__}>")
    elif hasattr(source, "read"):
        name = str(getattr(source, "name", None) or f"<{type(source).__name__}>")
        yield Source(_seekable(source, op, name, max_bytes), name)
    else:
        raise DTypeError(f"{op}: want a path, bytes or a binary file, got {type(source).__name__}")


def _open_path(path: Path) -> BinaryIO:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such audio file")
    if not path.is_file():
        what = "a directory" if path.is_dir() else "not a regular file"
        raise DecodeError(f"{path}: this is {what}, not an audio file")
    return path.open("rb", buffering=0)


def _seekable(file: BinaryIO, op: str, name: str, max_bytes: int) -> BinaryIO:
    if not isinstance(file.read(0), bytes):
        raise DTypeError(f"{op}: {name} is open as text; open it in binary mode ('rb')")
    if hasattr(file, "seekable") and file.seekable():
        return file
    limit = 2 * max_bytes + (1 << 26)  # 64-bit samples, and pictures in the tags
    data = file.read(limit + 1)
    if len(data) > limit:
        raise DecodeError(f"{name}: more than {limit} bytes, too large for max_bytes={max_bytes}")
    return io.BytesIO(data)
