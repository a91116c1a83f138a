"""Updating parameters in place: all of a group in one pass of cache-sized blocks.

An update such as Adam's makes several passes over its rows. On whole arrays every pass, and every
temporary, goes through main memory; on blocks only the first read and the last write do. Long
parameters are updated where they lie, by oneDNN on every core if they are float32, else by NumPy.
Short ones (biases and norms are most of the tensors of a model) are copied into one row, updated
together and copied back, because a call costs more than their arithmetic. Whichever way, an element
is computed from its own values alone, so threads make no difference to the bits of the result.

On a GPU a block is the whole array. Half precision is computed with in float32.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backends.cpu import library
from ..backends.cpu.memory import pointer
from ..dtypes import bfloat16, float16, float32, float64
from ._passes import G, Step

BLOCK = 1 << 16  # elements: 256 KiB of float32, a few of which fit a second-level cache
LONG = 1 << 19  # elements of a block that all cores share
SHORT = 1 << 14  # fewer elements are left to NumPy, on one core
TINY = 1 << 12  # up to this a call of NumPy costs more than copying there and back, unless the
FEW = 3  # calls of an update are only so many

Update = Callable[[list[Any], list[Any]], None]
Rows = list[Any]  # a parameter, its gradient and its state, as equally shaped arrays


class Blocks:
    """Runs updates over equally shaped arrays, keeping the temporaries between calls."""

    def __init__(self, temporaries: int) -> None:
        self.temporaries = temporaries
        self._scratch: dict[Any, list[Any]] = {}

    def __reduce__(self) -> Any:
        return Blocks, (self.temporaries,)  # a copy makes temporaries of its own

    # -- one parameter -----------------------------------------------------------------------------
    def run(self, update: Update, arrays: Rows) -> None:
        """Call update(parts, temporaries) for matching parts of the arrays, which it writes.

        arrays[1], the gradient, is only read. Half-precision values are computed with in float32.
        """
        narrow = arrays[0].dtype in (float16, bfloat16)
        for parts in _parts(arrays):
            wide = [a.astype(float32) for a in parts] if narrow else parts
            update(wide, self._temporaries(wide[0]))
            if narrow:
                for i, (a, w) in enumerate(zip(parts, wide)):
                    if i != G:
                        a[...] = w.astype(a.dtype)

    def _temporaries(self, like: Any) -> list[Any]:
        key = (type(like), like.dtype)
        kept = self._scratch.get(key)
        if kept is None or kept[0].size < like.size:
            size = max(like.size, min(BLOCK, like.size * 64))
            kept = [np.empty(size, like.dtype, like=like) for _ in range(self.temporaries)]
            self._scratch[key] = kept
        return [t[: like.size].reshape(like.shape) for t in kept]

    # -- all parameters of a group -----------------------------------------------------------------
    def run_all(self, update: Step, params: list[Rows]) -> None:
        """Update all of these, the tiny ones last and together."""
        together = len(params) > 1 and len(update.passes.calls) > FEW and not _overlap(params)
        most, tiny = TINY if together else -1, []
        for arrays in params:
            size = arrays[0].size
            rows = _flat(arrays) if size >= SHORT or size <= most else None
            rest = arrays if rows is None else self._long(update, rows)
            if rest is None:
                continue
            if rows is not None and rest[0].size <= most:
                tiny.append(rest)
            else:
                self.run(update, rest)
        self._tiny(update, tiny)

    def _long(self, update: Step, rows: Rows) -> Rows | None:
        """Update all but a short rest, which is returned.

        The lengths of blocks are powers of two, so that a few compiled primitives serve all models.
        """
        size = rows[0].size
        if size < SHORT:
            return rows if size else None
        if not _by_onednn(update, rows[0]):
            self.run(update, rows)
            return None
        start, addresses = 0, [pointer(r) for r in (*rows, self._d(LONG))]
        while size - start >= SHORT:
            count = min(LONG, 1 << (size - start).bit_length() - 1)
            update.run(count, [a + 4 * start for a in addresses[:-1]] + addresses[-1:])
            start += count
        return [r[start:] for r in rows] if start < size else None

    def _tiny(self, update: Step, pieces: list[Rows]) -> None:
        """Update tiny rows of one type, as many at a time as make up a block."""
        for dtype in dict.fromkeys(rows[0].dtype for rows in pieces):
            batch, size = [], 0
            for rows in pieces:
                if rows[0].dtype == dtype:
                    batch.append(rows)
                    size += rows[0].size
                    if size >= BLOCK:
                        self._gathered(update, batch, size)
                        batch, size = [], 0
            self._gathered(update, batch, size)

    def _gathered(self, update: Step, batch: list[Rows], size: int) -> None:
        """Copy rows one behind the other, update, and copy what was written back."""
        if len(batch) < 2:
            for rows in batch:
                self.run(update, rows)
            return
        together = self._together(batch[0], size)
        for whole, parts in zip(together, zip(*batch)):
            np.concatenate(parts, out=whole[:size])
        if size < SHORT or not _by_onednn(update, together[0]):
            self.run(update, [whole[:size] for whole in together])
        else:
            count = 1 << (size - 1).bit_length()
            for whole in together:
                whole[size:count] = 0
            update.run(count, [pointer(r) for r in (*together, self._d(LONG))])
        for i, (whole, parts) in enumerate(zip(together, zip(*batch))):
            if i != G:
                _spread(whole, parts)

    def _together(self, like: Rows, size: int) -> Rows:
        """Room for rows one behind the other."""
        key = ("together", like[0].dtype, len(like))
        kept = self._scratch.get(key)
        if kept is None or kept[0].size < size:
            room = 1 << (size - 1).bit_length()
            kept = self._scratch[key] = [np.empty(room, like[0].dtype) for _ in like]
        return kept

    def _d(self, size: int) -> Any:
        """The temporary row D of a compiled update; its pages are only there if they are used."""
        kept = self._scratch.get("D")
        if kept is None:
            kept = self._scratch["D"] = [np.empty(size, float32)]
        return kept[0]


def _by_onednn(update: Step, like: Any) -> bool:
    return like.dtype == float32 and library.available() and bool(update.passes.chains())


def _spread(whole: Any, parts: Any) -> None:
    """Copy parts of a row back to where they came from."""
    start = 0
    for part in parts:
        end = start + part.size
        part[...] = whole[start:end]
        start = end


# -- views ---------------------------------------------------------------------------------------
def _flat(arrays: Rows) -> Rows | None:
    """The arrays as rows in memory order; None unless all lie alike, dense, in float32 or 64."""
    first = arrays[0]
    if first.__class__ is not np.ndarray or first.dtype not in (float32, float64):
        return None
    shape, dtype, rows = first.shape, first.dtype, []
    for a in arrays:
        flags = a.flags
        if a.shape != shape or a.dtype != dtype or not (flags.writeable or a is arrays[G]):
            return None
        if not flags.c_contiguous:
            return _turned(arrays)
        rows.append(a.reshape(-1))
    return rows


def _turned(arrays: Rows) -> Rows | None:
    first, *others = arrays
    for a in others:
        if a.strides != first.strides or a.shape != first.shape or a.dtype != first.dtype:
            return None
    if not all(a.flags.writeable or a is arrays[G] for a in arrays):
        return None
    arrays = _in_order(arrays)
    return [a.reshape(-1) for a in arrays] if arrays[0].flags.c_contiguous else None


def _in_order(arrays: Rows) -> Rows:
    """The arrays with the axes in the order in which the first one lies in memory."""
    first = arrays[0]
    order = sorted(range(first.ndim), key=lambda i: -abs(first.strides[i]))
    return [a.transpose(order) for a in arrays]


def _overlap(params: list[Rows]) -> bool:
    """Whether two parameters share memory, each of which then has to see what the other became;
    or are not NumPy's."""
    owns = [arrays[0] for arrays in params]
    if not all(isinstance(own, np.ndarray) for own in owns):
        return True
    if all(own.base is None for own in owns):  # each has memory of its own
        return len({id(own) for own in owns}) < len(owns)
    spans = sorted(np.lib.array_utils.byte_bounds(own) for own in owns)
    return any(end > start for (_, end), (start, _) in itertools.pairwise(spans))


def _parts(arrays: Rows) -> Iterator[Rows]:
    """Matching parts of at most BLOCK elements, as views."""
    first = arrays[0]
    if first.size <= BLOCK or not isinstance(first, np.ndarray):
        yield arrays
        return
    if not first.flags.c_contiguous:
        arrays = _in_order(arrays)
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
