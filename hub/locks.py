"""One download of a file at a time, where the file system can say so.

A lock saves bandwidth and nothing else: when it cannot be had (no flock, another host, a folder
that is read-only, a holder that takes too long) the caller goes on without it, and unique
temporary files and renames keep the cache right.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_log = logging.getLogger("sensorium.hub")
_WAIT = 600.0
_TELL = 10.0


@contextlib.contextmanager
def hold(
    path: Path,
    *,
    wait: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bool]:
    """Hold the lock at ``path`` for the length of the body; yields whether it was had.

    Others are waited for at most ``wait`` seconds (ten minutes), with a line in the log every ten.

    Never truncates and never follows a link: what is at ``path`` may be somebody else's.
    """
    descriptor = _open(path)
    if descriptor is None:
        yield False
        return
    try:
        had = _acquire(descriptor, path, _WAIT if wait is None else wait, clock, sleep)
        yield had
        if had:  # a waiter on the old file looks into the cache first, so this is safe
            with contextlib.suppress(OSError):
                os.unlink(path)
    finally:
        os.close(descriptor)  # releases it


def _open(path: Path) -> int | None:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_NONBLOCK", 0)  # a FIFO put there must not block
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)
    except OSError:
        return None


def _acquire(
    descriptor: int,
    path: Path,
    wait: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> bool:
    start, told = clock(), clock()
    while True:
        taken = _try(descriptor)
        if taken is not None:
            return taken
        now = clock()
        if now - start >= wait:
            _log.warning("waited %.0f s for %s: going on without it", wait, path)
            return False
        if now - told >= _TELL:
            told = now
            _log.warning("another process is downloading the same file (%s)", path)
        sleep(0.05)


def _try(descriptor: int) -> bool | None:
    """True: had; None: somebody else has it; False: this file system has no locks."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:
        return False
    return True
