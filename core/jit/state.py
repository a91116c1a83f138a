"""Whether a thread is being traced. Imports nothing, so that models can ask."""

from __future__ import annotations

import threading
from typing import Any


class _Here(threading.local):
    """Of the calling thread."""

    tracer: Any = None


here = _Here()


def is_tracing() -> bool:
    """Whether what this thread computes is being written down as a graph.

    Code that takes a shorter way for certain values (no padding in this batch, say) must take the
    general one then.

    >>> is_tracing()
    False
    """
    return here.tracer is not None
