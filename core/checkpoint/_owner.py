"""One writer to a folder: a lock that ends with its process, and a line that says whose it is.

The lock is POSIX's (``fcntl.lockf``): forked workers do not inherit it, so it is free as soon as the
writer is dead. Where a file system has no locks, the line is believed while its process lives. A
lock warns a user of two runs in one folder; that no checkpoint is torn rests on unique names and
renames alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from dataclasses import dataclass
from typing import Any

from ..errors import CheckpointError
from ..io import _json
from ..io.atomic import is_alive, place

_guard = threading.Lock()
NAME = "owner.json"


@dataclass
class _Hold:
    """A lock of this process, for so many Checkpointers."""

    descriptor: int
    process: int
    users: int = 0


_held: dict[str, _Hold] = {}


def take(folder: str) -> None:
    """Become the folder's writer; CheckpointError names the process that is it already.

    Several Checkpointers of one process may share a folder.
    """
    with _guard:
        hold = _held.get(folder)
        if hold is None or hold.process != os.getpid():
            hold = _held[folder] = _Hold(_locked(folder), os.getpid())
        hold.users += 1


def release(folder: str) -> None:
    """Undo one ``take``; a forked process leaves its parent's lock alone."""
    with _guard:
        hold = _held.get(folder)
        if hold is None or hold.process != os.getpid():
            return
        hold.users -= 1
        if not hold.users:
            del _held[folder]
            with contextlib.suppress(OSError):
                os.ftruncate(hold.descriptor, 0)
            os.close(hold.descriptor)


def holds(folder: str) -> bool:
    """Whether this very process is the folder's writer."""
    hold = _held.get(folder)
    return hold is not None and hold.process == os.getpid()


def _locked(folder: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(os.path.join(folder, NAME), flags, 0o644)
    try:
        owner = _owner(descriptor)
        if not _try(descriptor, owner):
            who = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
            raise CheckpointError(
                f"Checkpointer: {folder} is in use by {who}; give every run a folder of its own, or "
                "only read with read_only=True"
            )
        os.ftruncate(descriptor, 0)
        line = {"pid": os.getpid(), "host": socket.gethostname(), "place": place()}
        os.pwrite(descriptor, json.dumps(line).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _owner(descriptor: int) -> dict[str, Any]:
    """What the file says; {} if it says nothing that can be read."""
    with contextlib.suppress(OSError, ValueError):
        found = _json.loads(os.pread(descriptor, 4096, 0).decode(), NAME, 2)
        return found if isinstance(found, dict) else {}
    return {}


def _try(descriptor: int, owner: dict[str, Any]) -> bool:
    try:
        import fcntl

        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except (ImportError, OSError):  # no locks here
        process: Any = owner.get("pid")
        other = type(process) is int and process != os.getpid()
        return not (other and owner.get("place") == place() and is_alive(process))
    return True
