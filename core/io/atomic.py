"""Files that are either the old one or the whole new one, whatever happens in between.

temporary file in the same folder -> write -> fsync -> rename -> fsync of the folder. A crash
leaves the old file and perhaps a temporary one, which the next write to that name clears away.
The order follows Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014).
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import zlib
from collections.abc import Callable
from typing import BinaryIO

from .files import Path

_STALE_SECONDS = 24 * 3600


def atomic_write(path: Path, writer: Callable[[BinaryIO], None]) -> None:
    """Replace ``path`` by what ``writer(file)`` writes, durably and in one step.

    Readers and running memory maps see the old bytes or the new ones, never a mixture. When the
    writer raises, ``path`` is untouched and the temporary file is gone. A symbolic link is
    followed, so the file it names is the one replaced.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write(f"{folder}/a", lambda file: file.write(b"whole"))
    ...     os.listdir(folder)
    ['a']
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    _sweep(folder, name)
    temporary = os.path.join(folder, temporary_name(name))
    try:
        _write_synced(temporary, writer)
        os.replace(temporary, target)
    except BaseException:  # Ctrl-C too must not leave a file behind
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def _write_synced(temporary: str, writer: Callable[[BinaryIO], None]) -> None:
    """O_EXCL: never write into a file or link that somebody else put there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(temporary, flags, 0o666), "wb") as file:
        writer(file)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: str) -> None:
    """Make the rename itself durable; Windows cannot open a folder and needs no such step."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def place() -> str:
    """Names this boot and process-id namespace: only here does a dead process id mean anything."""
    parts = []
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        parts.append(file.read().strip())
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return f"{zlib.crc32('|'.join(parts).encode()):08x}" if parts else "0"


def temporary_name(name: str) -> str:
    """A name beside ``name`` that nobody else has: it says which process of which boot writes it."""
    return f".{name[:120]}.{place()}.{os.getpid()}.{os.urandom(6).hex()}.tmp"


def _sweep(folder: str, name: str) -> None:
    """Remove temporary files of this name whose writer is dead or that are a day old."""
    for path in stale(folder, name):
        with contextlib.suppress(OSError):
            os.unlink(path)


def stale(folder: str, name: str) -> list[str]:
    """Temporary files and folders of this name whose writer is dead or that are a day old."""
    pattern = re.compile(rf"\.{re.escape(name[:120])}\.([0-9a-f]+)\.(\d+)\.[0-9a-f]{{12}}\.tmp")
    found = []
    with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            match = pattern.fullmatch(entry.name)
            with contextlib.suppress(OSError):
                if match and _is_stale(entry, match[1], int(match[2])):
                    found.append(entry.path)
    return found


def _is_stale(entry: os.DirEntry[str], home: str, process: int) -> bool:
    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_SECONDS:
        return True
    return home != "0" and home == place() and not is_alive(process)


def is_alive(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
