"""Keeps the MP3 decoder from writing to the terminal, and turns what it says into a finding.

mpg123, inside libsndfile, reports damage only as text on file descriptor 2. While it runs, that
descriptor is a temporary file; lines of other threads that land there are passed on afterwards, and
a child forked meanwhile gets the real one back. Where descriptor 2 is closed nothing is done.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from typing import BinaryIO

_LINE = re.compile(rb"\[src/libmpg123/[^\]]*\]\s*|Warning: (?=Xing )")
_STDERR = 2

_lock = threading.Lock()
_real: int | None = None  # the terminal's descriptor while another stands in its place


class Listener:
    """Around each call of the decoder: ``with listener: ...``; ``errors`` has what it complained of."""

    def __init__(self, active: bool) -> None:
        self.active = active
        self.errors: list[str] = []
        self._file: BinaryIO | None = None

    def __enter__(self) -> None:
        if self.active:
            _lock.acquire()
            self._file = _diverted()

    def __exit__(self, *_: object) -> None:
        if self.active:
            file, self._file = self._file, None
            try:
                if file is not None:
                    _restore()
                    self._sort(file)
            finally:
                _lock.release()

    def _sort(self, file: BinaryIO) -> None:
        """Keep the decoder's errors, drop its warnings, pass on everything else."""
        with file:
            file.seek(0)
            for line in file.read().splitlines(keepends=True):
                if not (start := _LINE.match(line)):
                    os.write(_STDERR, line)
                elif line[start.end() :].startswith(b"error: "):
                    text = line[start.end() + len(b"error: ") :].decode("utf-8", "replace")
                    self.errors.append(text.strip())


def _diverted() -> BinaryIO | None:
    """A temporary file that now is descriptor 2; None if there is no descriptor 2 or no file."""
    global _real
    try:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - _sort closes it
    except OSError:
        return None
    try:
        _real = os.dup(_STDERR)
        os.dup2(file.fileno(), _STDERR)
    except OSError:
        file.close()
        return None
    return file  # type: ignore[return-value]


def _restore() -> None:
    global _real
    if _real is not None:
        os.dup2(_real, _STDERR)
        os.close(_real)
        _real = None


def _after_fork() -> None:
    """A child has no thread that would restore its descriptor or release the lock."""
    global _lock
    _lock = threading.Lock()
    _restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
