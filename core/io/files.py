"""A file as a read-only-on-disk memory map, and the check that its numbers are finite."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
from collections.abc import Iterator

import numpy as np

from ..errors import FormatError

Path = str | os.PathLike[str]


def open_map(path: Path) -> memoryview:
    """The bytes of a regular file, mapped copy-on-write.

    Nothing is read before it is used. Arrays over the map are writable and keep it alive; what is
    written to them stays in this process and never reaches the file. Whoever replaces the file
    must rename a new one over it (as ``atomic_write`` does): cutting it in place pulls the pages
    from under every reader.
    """
    # O_NONBLOCK: opening a named pipe would otherwise wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise FormatError(f"{os.fsdecode(path)}: is {kind}; a checkpoint is one file")
        if status.st_size == 0:  # an empty map is an error to the operating system
            return memoryview(b"")
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name in front of a reader's message."""
    try:
        yield
    except FormatError as error:
        name = os.fsdecode(path)
        if str(error).startswith(name):
            raise
        raise type(error)(f"{name}: {error}") from None


def first_not_finite(array: np.ndarray) -> tuple[int, ...] | None:
    """The index of the first NaN or infinity in row-major order, or None."""
    if array.dtype.kind in "biu":
        return None
    bad = ~np.isfinite(array)
    return tuple(int(i) for i in np.unravel_index(bad.argmax(), bad.shape)) if bad.any() else None


def require_finite(arrays: dict[str, np.ndarray], what: str) -> None:
    """Raise ``FormatError`` naming the first tensor that holds NaN or infinity, and where."""
    for name, array in arrays.items():
        index = first_not_finite(array)
        if index is not None:
            place = f"{name}[{', '.join(map(str, index))}]"
            raise FormatError(
                f"{what}: {place} is {array[index]}; the weights are not finite "
                "(load with check_finite=False to read them all the same)"
            )
