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
