"""Where values lie: one block of memory in which those that are never needed together share room.

A ``Span`` wants some bytes from one step to another. ``place`` gives every span an offset, the largest
first, each in the lowest gap that is free for as long as it lives: greedy by size, as in Pisarchyk and
Lee (2020), "Efficient memory management for deep neural net inference".
"""

from __future__ import annotations

from dataclasses import dataclass

ALIGNMENT = 64  # a cache line, and the widest vector


@dataclass(eq=False)
class Span:
    """Bytes that are needed from step ``first`` to step ``last``, both included."""

    size: int
    first: int
    last: int
    offset: int = 0

    def meets(self, other: Span) -> bool:
        """Whether both are needed at some step."""
        return self.first <= other.last and other.first <= self.last


def place(spans: list[Span]) -> int:
    """Set every span's offset; the size of the block that holds them all.

    >>> a, b, c = Span(64, 0, 1), Span(64, 1, 2), Span(64, 2, 3)
    >>> place([a, b, c]), a.offset == c.offset
    (128, True)
    """
    placed: list[Span] = []
    for span in sorted(spans, key=lambda s: (-s.size, s.first)):
        offset = 0
        for other in placed:  # by offset: the first gap that is wide enough
            if not span.meets(other):
                continue
            if offset + span.size <= other.offset:
                break
            offset = max(offset, _rounded(other.offset + other.size))
        span.offset = offset
        placed.append(span)
        placed.sort(key=lambda s: s.offset)
    return max((s.offset + s.size for s in placed), default=0)


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
