"""A temporary file of the cache: filled, counted and hashed at once, then published by rename.

Opened with O_EXCL and O_NOFOLLOW under a name that carries this boot, process namespace and
process, so that what a dead process left can be recognised and removed. Every fault of the disk
becomes ``CacheError`` or ``DiskSpaceError`` here; a full disk is told before the transfer starts
where the size is known.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from sensorium.errors import CacheError, DiskSpaceError

from .expect import git_blob_sha1

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NAME = re.compile(r"([0-9a-f]+)-(\d+)-[0-9a-f]{32}\.tmp")
_STALE = 24 * 3600.0


class Sink:
    """Write bytes; ``count`` and ``digest()`` are those of what has been written."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()
        self._head = b""

    def write(self, data: bytes) -> None:
        with disk_errors(self.path):
            view = memoryview(data)
            while view:  # a signal or a nearly full disk may write a part only
                view = view[os.write(self.descriptor, view) :]
        self._hash.update(data)
        if len(self._head) < 512:
            self._head += bytes(data[: 512 - len(self._head)])
        self.count += len(data)

    def restart(self) -> None:
        """Back to an empty file."""
        with disk_errors(self.path):
            os.ftruncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)
        self._begin()

    def need(self, total: int) -> None:
        """Raise ``DiskSpaceError`` if a file of ``total`` bytes will not fit."""
        with disk_errors(self.path):
            free = shutil.disk_usage(self.path.parent).free
        missing = total - self.count
        if missing > free:
            raise DiskSpaceError(
                f"{self.path.parent}: need {missing} bytes, {free} are free; free some space or "
                "set SENSORIUM_HOME to a folder on another disk"
            )

    def digest(self) -> str:
        return self._hash.hexdigest()

    def git_digest(self) -> str:
        with disk_errors(self.path), open(self.path, "rb") as file:
            return git_blob_sha1(file, self.count)

    def head(self) -> bytes:
        """The first bytes, at most 512."""
        return self._head

    def publish(self, target: Path) -> None:
        """fsync, then rename to ``target``, then fsync of the folder: whole or absent."""
        with disk_errors(target):
            os.fsync(self.descriptor)
            os.chmod(self.path, 0o444 & ~_umask())
            self.close()  # Windows renames closed files only
            os.replace(self.path, target)
            sync_folder(target.parent)

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[Sink]:
    """A sink in ``folder``, removed on leaving unless it was published."""
    path = folder / f"{place()}-{os.getpid()}-{uuid.uuid4().hex}.tmp"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        descriptor = os.open(path, flags, 0o600)
    sink = Sink(path, descriptor)
    try:
        yield sink
    finally:
        with contextlib.suppress(OSError):
            sink.close()
        with contextlib.suppress(OSError):
            os.unlink(path)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """OSError of the system, ValueError of a path with a NUL in it: one line that says what to
    do."""
    try:
        yield
    except CacheError:
        raise
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        text = os.strerror(number) if number else str(error)
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        shown = shown if len(shown) < 300 else f"{shown[:140]}...{shown[-140:]}"
        if number in _FULL:
            raise DiskSpaceError(
                f"{shown}: {text}; free some space or set SENSORIUM_HOME to another disk"
            ) from None
        raise CacheError(
            f"{shown}: {text}; the cache folder must be writable, or set SENSORIUM_HOME to one "
            "that is"
        ) from None


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable; file systems that cannot do it are left alone."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022


def place() -> str:
    """Names this boot and process namespace: only there does a process id mean something."""
    parts = []
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        parts.append(file.read())
    with contextlib.suppress(OSError, AttributeError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12] if parts else "0"


def _sweep(folder: Path) -> None:
    """Remove temporary files whose process is dead, or that nobody has written to for a day."""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            match = _NAME.fullmatch(entry.name)
            if match and _is_stale(entry, match[1], int(match[2])):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _is_stale(entry: os.DirEntry[str], where: str, process: int) -> bool:
    with contextlib.suppress(OSError):
        if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE:
            return True
        return is_dead(where, process)
    return False


def is_dead(where: str, process: int) -> bool:
    """Whether a process of this boot and namespace has ended; False where that cannot be told."""
    return where == place() != "0" and not _is_alive(process)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
