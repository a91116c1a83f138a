"""Updating large arrays in place a block at a time, so that temporaries stay in the cache.

An update such as SGD's makes several passes over its operands. On whole arrays every pass, and every
temporary, goes through main memory; on blocks only the first read and the last write do. The
temporaries of a block are made once and reused. On a GPU a block is the whole array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..dtypes import bfloat16, float16, float32

BLOCK = 1 << 16  # elements: 256 KiB of float32, a few of which fit a second-level cache

Update = Callable[[list[Any], list[Any]], None]


class Blocks:
    """Runs updates over equally shaped arrays, keeping the temporaries between calls."""

    def __init__(self, temporaries: int) -> None:
        self.temporaries = temporaries
        self._scratch: dict[Any, list[Any]] = {}

    def __reduce__(self) -> Any:
        return Blocks, (self.temporaries,)  # a copy makes temporaries of its own

    def run(self, update: Update, arrays: list[Any]) -> None:
        """Call update(parts, temporaries) for matching parts of the arrays, which it writes.

        arrays[1], the gradient, is only read. Half-precision values are computed with in float32.
        """
        narrow = arrays[0].dtype in (float16, bfloat16)
        for parts in _parts(arrays):
            wide = [a.astype(float32) for a in parts] if narrow else parts
            update(wide, self._temporaries(wide[0]))
            if narrow:
                for i, (a, w) in enumerate(zip(parts, wide)):
                    if i != 1:
                        a[...] = w.astype(a.dtype)

    def _temporaries(self, like: Any) -> list[Any]:
        key = (type(like), like.dtype)
        kept = self._scratch.get(key)
        if kept is None or kept[0].size < like.size:
            size = max(like.size, min(BLOCK, like.size * 64))
            kept = [np.empty(size, like.dtype, like=like) for _ in range(self.temporaries)]
            self._scratch[key] = kept
        return [t[: like.size].reshape(like.shape) for t in kept]


def _parts(arrays: list[Any]) -> Iterator[list[Any]]:
    """Matching parts of at most BLOCK elements, as views."""
    first = arrays[0]
    if first.size <= BLOCK or not isinstance(first, np.ndarray):
        yield arrays
        return
    if not first.flags.c_contiguous:  # the order in which the first one lies in memory
        order = sorted(range(first.ndim), key=lambda i: -abs(first.strides[i]))
        arrays = [a.transpose(order) for a in arrays]
    if all(a.flags.c_contiguous for a in arrays):
        flat = [a.reshape(-1) for a in arrays]
        for start in range(0, first.size, BLOCK):
            yield [a[start : start + BLOCK] for a in flat]
        return
    rows = BLOCK // (first.size // arrays[0].shape[0])
    for start in range(0, arrays[0].shape[0], max(rows, 1)):
        if rows:
            yield [a[start : start + rows] for a in arrays]
        else:
            yield from _parts([a[start] for a in arrays])
