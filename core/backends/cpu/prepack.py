"""Weights in the layout a primitive prefers, kept for as long as the weights do not change.

``packed(array, key, make)`` remembers what ``make`` returned against the memory of the array: its
root owner, address, shape and strides. ``written(array)`` drops everything kept for that memory:
whoever writes in place must call it. ``exposed(array)`` says that others may now write unseen, so
nothing is kept for that memory ever again. What dies takes its entries with it.

Memory that is not NumPy's own (``mmap``, ``memoryview``) is owned by the object at the root; where
that object cannot be watched for its end (no weak references, such as ``bytearray``), nothing is
kept.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

import numpy as np

from .library import hold_across_fork
from .memory import pointer

T = TypeVar("T")


_numbers = count()


class _Owned:
    """What is kept for one owner. Every write gives it a ``version`` that nothing ever had before."""

    __slots__ = ("kept", "ref", "shared", "version")

    def __init__(self, owner: object, forget: Callable[[weakref.ref], None]):
        self.ref = weakref.ref(owner, forget)
        self.kept: dict[tuple, object] = {}
        self.version, self.shared = next(_numbers), False


_owned: dict[int, _Owned] = {}  # by id of the owner; an entry dies with its owner
lock = threading.RLock()  # re-entrant: a weak reference's callback may come at any allocation


changes = [0]
"""Counts every write, hand-over and death of watched memory: while it stands still, nothing did."""


def owner(array: np.ndarray) -> object:
    """The object that holds the memory an array looks at: the end of its chain of bases."""
    found: Any = array
    while True:
        if isinstance(found, np.ndarray):
            below: Any = found.base
        elif isinstance(found, memoryview):
            below = found.obj
        else:
            return found
        if below is None or type(below) is bytes:  # nobody can write bytes: the array will do
            return found
        found = below


def entry_of(holder: object) -> _Owned | None:
    """The entry of an owner, made on demand; None for what cannot be watched."""
    number = id(holder)
    entry = _owned.get(number)
    if entry is not None and entry.ref() is holder:
        return entry

    def forget(
        ref: weakref.ref,
        owned: dict[int, _Owned] = _owned,
        guard: Any = lock,
        changed: list[int] = changes,
    ) -> None:
        with guard:  # bound as defaults: at interpreter exit the module's names are gone already
            found = owned.get(number)
            if found is not None and found.ref is ref:
                del owned[number]
                changed[0] += 1

    try:
        entry = _owned[number] = _Owned(holder, forget)
    except TypeError:
        return None
    return entry


_SEEN = object()  # used once since the last write: worth packing the next time


def packed(array: np.ndarray, key: Hashable, make: Callable[[np.ndarray], T]) -> T:
    """make(array), or what it returned for this key since the memory was last written."""
    found = _quick(array, where := place_of(array, key))
    return _make(array, where, make) if found is None or found is _SEEN else found


def packed_when_reused(
    array: np.ndarray, key: Hashable, make: Callable[[np.ndarray], T]
) -> T | None:
    """As ``packed``, but None on the first use after a write, and where nothing may be kept.

    For primitives that can also read the plain layout: a weight that changes with every step is
    then never packed, one that stays is from its second use on.
    """
    where = place_of(array, key)
    found = _quick(array, where)
    if found is None:
        _note(array, where)
        return None
    return _make(array, where, make) if found is _SEEN else found


def place_of(array: np.ndarray, key: Hashable) -> tuple:
    return key, pointer(array), array.shape, array.strides


def _quick(array: np.ndarray, where: tuple) -> Any:
    """What is kept, without the lock; None where nothing is."""
    entry = _owned.get(id(array))  # the common case: a weight that owns its memory
    if entry is None or entry.ref() is not array:
        holder = owner(array)
        entry = _owned.get(id(holder))
        if entry is None or entry.ref() is not holder:
            return None
    return entry.kept.get(where)


def _note(array: np.ndarray, where: tuple) -> None:
    with lock:
        entry = entry_of(owner(array))
        if entry is not None and not entry.shared:
            entry.kept[where] = _SEEN


class _Here(threading.local):
    keeping = True  # whether what this thread makes is worth keeping


here = _Here()


@contextmanager
def without_keeping() -> Iterator[None]:
    """Let this thread make what it needs each time anew: a single run is cheaper in memory so."""
    before, here.keeping = here.keeping, False
    try:
        yield
    finally:
        here.keeping = before


def _make(array: np.ndarray, where: tuple, make: Callable[[np.ndarray], T]) -> T:
    if not here.keeping:
        return make(array)
    with lock:
        entry = entry_of(owner(array))
        before = entry.version if entry else 0
    made = make(array)
    with lock:  # a write during make() leaves a newer version behind: then keep nothing
        if entry is not None and entry.version == before and not entry.shared:
            entry.kept[where] = made
    return made


def written(array: np.ndarray) -> None:
    """Drop what is kept for the memory of an array that has just been written in place."""
    if not _owned:
        return
    entry = _owned.get(id(owner(array)))
    if entry is not None:
        with lock:
            changes[0] += 1
            entry.version = next(_numbers)
            entry.kept.clear()


def exposed(array: np.ndarray) -> None:
    """Never keep anything for this memory again: others may write it without telling."""
    with lock:
        entry = entry_of(owner(array))
        if entry is not None:
            changes[0] += 1
            entry.version, entry.shared = next(_numbers), True
            entry.kept.clear()


def kept() -> int:
    """How many packed copies are held at present."""
    with lock:
        values = [value for entry in list(_owned.values()) for value in entry.kept.values()]
    return sum(value is not _SEEN for value in values)


def forget() -> None:
    """Drop every packed copy; owners handed to others stay marked."""
    with lock:
        changes[0] += 1
        for entry in list(_owned.values()):
            entry.version = next(_numbers)
            entry.kept.clear()


hold_across_fork(lock)
