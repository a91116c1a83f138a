"""Freed memory stays with the process, so that activations do not fault their pages in anew.

glibc gives an array of more than 32 MiB pages of its own and returns them when it dies; the next
array of that size then takes a page fault every 4 KiB, which costs as much as the arithmetic on it
(ResNet-50 at batch 32: 12% of the time). Here malloc is told to serve large arrays from its heap and
to keep up to 2 GiB of what was freed. ``SENSORIUM_KEEP_MEMORY=0``, or a limit of one's own in
glibc's ``MALLOC_*`` variables, leaves malloc as it is.
"""

from __future__ import annotations

import ctypes
import os

import numpy as np

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of mallopt(3)
KEPT = (2 << 30) - 1
PAD = 64 << 20


def keep_freed_memory() -> bool:
    """Set malloc's policy; whether it was set. Other C libraries have no ``mallopt``."""
    if os.environ.get("SENSORIUM_KEEP_MEMORY") == "0":
        return False
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_TRIM_THRESHOLD, KEPT), (_TOP_PAD, PAD), (_MMAP_MAX, 0))
    return all(mallopt(option, value) == 1 for option, value in settings)


def give_back_freed_memory() -> None:
    """Return to the system what malloc keeps, and let it take little at a time from now on.

    For who has run out of memory: code, stacks and other libraries' arrays do not come from malloc.
    """
    process = ctypes.CDLL(None)
    if hasattr(process, "mallopt"):
        process.mallopt(_TOP_PAD, 1 << 20)
    trim()


def trim() -> None:
    """Return to the system what malloc keeps and nobody uses: before one large block is asked for."""
    process = ctypes.CDLL(None)
    if hasattr(process, "malloc_trim"):
        process.malloc_trim(0)


# -- when it runs out ------------------------------------------------------------------------------
MAPPED, HEAP = 32 << 20, 1 << 20  # measured: a primitive has 1.6 MB of code, a thread's stack 8


def has_room() -> bool:
    """Whether there is memory for making a primitive and starting a thread.

    oneDNN's C++ and OpenMP end the process where they get none, so it is asked for before them.
    """
    import mmap  # here: most uses of `import sensorium` never make a primitive

    try:
        np.empty(HEAP, np.uint8)  # first: malloc takes more than it is asked for
        mmap.mmap(-1, MAPPED).close()
    except (OSError, MemoryError, OverflowError):
        return False
    return True
