"""How many threads the CPU engine uses: OpenMP under oneDNN, and OpenBLAS under NumPy.

OpenMP keeps the number per calling thread, so ours is kept here and handed on by whichever Python
thread runs a primitive next. After ``fork`` the child uses one thread: the parent's OpenMP pool
does not exist there, and waiting for it would never end.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import threading
from collections.abc import Callable

from ...errors import OpError
from . import library

_wanted: int | None = None  # None: whatever OpenMP starts with (OMP_NUM_THREADS or all cores)
epoch = 0  # another number, never seen before, whenever the number of threads changes
_epochs = itertools.count(1)
_orphan = False  # forked from a process that had loaded the engine: OpenMP's threads are not here
on_change: list[Callable[[], None]] = []  # caches that depend on the number


class _PerThread(threading.local):
    epoch = 0


here = _PerThread()  # `here.epoch != epoch`: this Python thread has not told OpenMP yet


def apply() -> None:
    """Tell OpenMP, in the calling Python thread, how many threads to use."""
    here.epoch = epoch
    if _wanted is not None and library.available():
        library.load().omp.omp_set_num_threads(_wanted)


def set_num_threads(n: int) -> None:
    """Use n threads on the CPU for everything that oneDNN and NumPy's BLAS run.

    Raises OpError unless n is a positive integer, and for n > 1 in a process that was forked
    after the engine had been used: its threads stayed with the parent.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise OpError(f"set_num_threads: wants a positive integer, got {n!r}")
    if n > 1 and _orphan:
        raise OpError(
            f"set_num_threads: this process was forked after oneDNN had been used, so it can only "
            f"use 1 thread, not {n}; start it with the 'spawn' or 'forkserver' method instead"
        )
    _set(n)
    for set_blas in _blas_setters():
        set_blas(n)


def _set(n: int) -> None:
    global _wanted, epoch
    _wanted = n
    epoch = next(_epochs)  # last: who sees it sees the number too, whichever of two callers won
    for forget in on_change:
        forget()


def get_num_threads() -> int:
    """The number of threads oneDNN uses; without it, the number set, or the number of cores."""
    if _wanted is not None:
        return _wanted
    if library.available():
        return int(library.load().omp.omp_get_max_threads())
    return _from_environment() or _cores()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _from_environment() -> int | None:
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(text) if text.isdigit() and int(text) > 0 else None


# -- NumPy's OpenBLAS ----------------------------------------------------------------------------
_BLAS_NAMES = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def _blas_setters() -> list[Callable[[int], None]]:
    """The thread setters of every OpenBLAS in this process; none for other libraries."""
    setters = []
    for path in _mapped("openblas"):
        with contextlib.suppress(OSError):
            blas = ctypes.CDLL(path)
            setters += [getattr(blas, name) for name in _BLAS_NAMES if hasattr(blas, name)][:1]
    return setters


def _mapped(word: str) -> list[str]:
    """Paths of the loaded shared libraries whose file name has this word in it."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            paths = {line.split(maxsplit=5)[5].rstrip("\n") for line in maps if "/" in line}
    except OSError:
        return []
    return sorted(path for path in paths if word in os.path.basename(path))


# -- fork ----------------------------------------------------------------------------------------
def _after_fork_in_child() -> None:
    global _orphan
    _orphan = _orphan or library.loaded()
    _set(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
