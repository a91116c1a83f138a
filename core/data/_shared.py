"""Large arrays from a worker to the main process without a copy: anonymous shared memory.

A block is a Linux memory file (``memfd_create``): it has no name, its descriptor travels over the
socket, and the kernel frees it with the last process that maps it. However a process ends, nothing
is left behind, and the size of /dev/shm does not matter. A worker that collates puts its batch
straight into a block, and uses it again when both sides have dropped what lay in it: making a block
takes far longer than filling it. Elsewhere, or when memory is short, arrays travel through the socket itself.
"""

from __future__ import annotations

import ctypes
import functools
import io
import itertools
import math
import mmap
import os
import pickle
import warnings
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

LEAST = 1 << 16  # bytes from which a block pays for its system calls
MOST_BLOCKS = 200  # descriptors in one message; Linux allows 253
KEPT = 4  # spare blocks of a worker
_ALIGN = 64
_AVAILABLE = hasattr(os, "memfd_create") and hasattr(os, "posix_fallocate")

in_worker = False  # whether arrays made here are meant to be sent
_warned = False


# -- blocks --------------------------------------------------------------------------------------
@functools.cache
def _libc() -> Any:
    """mmap and munmap themselves: Python's mmap keeps a descriptor open for every mapping."""
    libc = ctypes.CDLL(None, use_errno=True)
    size, pointer, number = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int
    libc.mmap.restype = pointer
    libc.mmap.argtypes = [pointer, size, number, number, number, ctypes.c_long]
    libc.munmap.argtypes = [pointer, size]
    return libc


def _map(descriptor: int, size: int) -> Any:
    """The block as a ctypes array that unmaps itself; OSError if it cannot be mapped."""
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    address = _libc().mmap(None, size, protection, flags, descriptor, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    memory = (ctypes.c_uint8 * size).from_address(address)
    weakref.finalize(memory, _libc().munmap, address, size).atexit = False
    return memory


class _Block:
    """A worker's block: in use while an array of the worker's (here) or of the parent's (lent) is."""

    def __init__(self, size: int) -> None:
        # Reserved first: touching what is not there kills a process.
        self.descriptor = os.memfd_create("sensorium-batch")
        try:
            os.posix_fallocate(self.descriptor, 0, size)
            self.memory = _map(self.descriptor, size)
        except OSError:
            os.close(self.descriptor)
            raise
        self.size, self.address = size, ctypes.addressof(self.memory)
        self.number, self.here, self.lent = next(_numbers), False, 0  # lent: in so many messages


_numbers = itertools.count()
_blocks: dict[int, _Block] = {}  # by address
_gone: list[int] = []  # numbers of blocks that the parent may unmap


def _taken(size: int) -> _Block:
    """A block for that many bytes, one that was used before if there is one."""
    size = -(-size // LEAST) * LEAST
    for block in _blocks.values():
        if block.size == size and not (block.here or block.lent):
            return block
    block = _Block(size)
    _blocks[block.address] = block
    return block


def _dropped(block: _Block) -> None:
    """Nothing of the worker's lies in this block any more."""
    block.here = False


def returned(numbers: list[int]) -> None:
    """The parent has dropped what lay in these blocks; a few are kept for what comes next."""
    for block in list(_blocks.values()):
        block.lent -= numbers.count(block.number)
    spare = [b for b in list(_blocks.values()) if not (b.here or b.lent)]
    for block in spare[: max(len(spare) - KEPT, 0)]:
        _discard(block)


def _discard(block: _Block) -> None:
    """Never use it again; its memory lasts as long as the arrays on it."""
    del _blocks[block.address]
    os.close(block.descriptor)
    _gone.append(block.number)


def settle() -> None:
    """After sending: where the parent keeps very many batches, they cost no descriptors here."""
    lent = [b for b in list(_blocks.values()) if b.lent and not b.here]
    for block in lent[: max(len(_blocks) - MOST_BLOCKS, 0)]:
        _discard(block)


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray | None:
    """An array in a block of its own; None where that cannot be or does not pay."""
    size = math.prod(shape) * dtype.itemsize
    if not in_worker or not _AVAILABLE or size < LEAST:
        return None
    try:
        block = _taken(size)
    except OSError as error:
        _warn(error)
        return None
    block.here = True
    view = (ctypes.c_uint8 * size).from_address(block.address)  # ends with the last array on it
    weakref.finalize(view, _dropped, block).atexit = False
    return np.frombuffer(view, np.uint8).view(dtype).reshape(shape)


def _warn(error: OSError) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"DataLoader: no shared memory ({error.strerror}); batches travel through sockets, which "
            "is slower. Free memory, raise the container's limits, or use fewer workers",
            RuntimeWarning,
            stacklevel=2,
        )


def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """``np.stack(arrays)`` of equal shapes, in shared memory inside a worker."""
    out = None
    if in_worker and len({a.dtype for a in arrays}) == 1:
        out = empty((len(arrays), *arrays[0].shape), arrays[0].dtype)
    return np.stack(arrays) if out is None else np.stack(arrays, out=out)


# -- messages ------------------------------------------------------------------------------------
class _Pickler(pickle.Pickler):
    """Gives away the memory also of arrays that NumPy would write into the message."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not np.ndarray or value.nbytes < LEAST or value.dtype.hasobject:
            return NotImplemented
        flags = value.flags
        if not (flags.c_contiguous or flags.f_contiguous):
            value = np.ascontiguousarray(value)
        if value.dtype.isbuiltin != 2 or not value.flags.c_contiguous:  # 2: bfloat16 and its like
            return value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        return _viewed, (value.view(np.uint8), value.dtype)


def _viewed(array: np.ndarray, dtype: Any) -> np.ndarray:
    return array.view(dtype)


def pack(value: Any) -> tuple[bytes, list[int]]:
    """A message, and the descriptors that go with it."""
    buffers: list[memoryview] = []

    def inside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LEAST:
            return True
        buffers.append(raw)
        return False

    file = io.BytesIO()
    _Pickler(file, pickle.HIGHEST_PROTOCOL, buffer_callback=inside).dump(value)
    places, blocks, loose = _place(buffers)
    places, more = _copy(buffers, places, loose, len(blocks))
    for block in blocks + more:
        block.lent += 1
    gone = [_gone.pop() for _ in range(len(_gone))]
    message = file.getvalue(), places, [b.number for b in blocks + more], gone
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL), [b.descriptor for b in blocks + more]


def plain(value: Any) -> bytes:
    """A message without blocks."""
    return pickle.dumps((pickle.dumps(value, pickle.HIGHEST_PROTOCOL), [], [], []))


def _place(buffers: list[memoryview]) -> tuple[list[Any], list[_Block], list[int]]:
    """Where each buffer is (block, offset, bytes) if it is a block already, else in ``loose``."""
    places: list[Any] = [None] * len(buffers)
    shared: list[_Block] = []
    loose: list[int] = []
    for i, buffer in enumerate(buffers):
        block = _blocks.get(np.frombuffer(buffer, np.uint8).ctypes.data)
        if block is not None and block in shared:
            places[i] = shared.index(block), 0, buffer.nbytes
        elif block is None or len(shared) >= MOST_BLOCKS:
            loose.append(i)
        else:
            places[i] = len(shared), 0, buffer.nbytes
            shared.append(block)
    return places, shared, loose


def _copy(
    buffers: list[memoryview], places: list[Any], loose: list[int], index: int
) -> tuple[list[Any], list[_Block]]:
    """Put the loose buffers into one more block, or into the message itself."""
    offsets, size = [], 0
    for i in loose:
        offsets.append(size)
        size += -(-buffers[i].nbytes // _ALIGN) * _ALIGN
    block = None
    try:
        block = _taken(size) if loose and _AVAILABLE else None
    except OSError as error:
        _warn(error)
    for i, offset in zip(loose, offsets):
        if block is None:
            places[i] = bytearray(buffers[i])  # writable on arrival
            continue
        n = buffers[i].nbytes
        np.frombuffer(block.memory, np.uint8, n, offset)[:] = np.frombuffer(buffers[i], np.uint8)
        places[i] = index, offset, n
    return places, [] if block is None else [block]


# -- receiving -----------------------------------------------------------------------------------
class Receiver:
    """The blocks of one worker that are mapped here."""

    def __init__(self) -> None:
        self._mapped: dict[int, Any] = {}
        self.dropped: deque[int] = deque()  # numbers of blocks to be returned

    def unpack(self, message: Any, descriptors: list[int]) -> Any:
        """The value of a message; its large arrays lie in the sender's memory. Closes descriptors."""
        try:
            data, places, numbers, gone = pickle.loads(message)
            for number in gone:
                self._mapped.pop(number, None)
            blocks = [self._block(n, descriptor) for n, descriptor in zip(numbers, descriptors)]
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        parts = [
            p if isinstance(p, bytearray) else blocks[p[0]][p[1] : p[1] + p[2]] for p in places
        ]
        return pickle.loads(data, buffers=parts)

    def _block(self, number: int, descriptor: int) -> memoryview:
        memory = self._mapped.get(number)
        if memory is None:
            size = os.fstat(descriptor).st_size
            try:
                memory = self._mapped[number] = _map(descriptor, size)
            except OSError:  # a process may hold some 65000 mappings: a copy needs none
                self.dropped.append(number)
                return memoryview(bytearray(os.pread(descriptor, size, 0)))
        view = (ctypes.c_uint8 * len(memory)).from_address(ctypes.addressof(memory))
        # The mapping lives as long as the view, which lives as long as the arrays on it.
        weakref.finalize(view, _drop, self.dropped, number, memory, _forks).atexit = False
        return memoryview(view).cast("B")

    def returns(self) -> list[int]:
        """The numbers of blocks that nobody here uses any more, each told once."""
        return [self.dropped.popleft() for _ in range(len(self.dropped))]


_forks = 0  # of this process


def _forking() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forking)


def _drop(dropped: deque[int], number: int, memory: Any, forks: int) -> None:
    if forks == _forks:  # else a forked process may look at it still: it is not used again
        dropped.append(number)
