"""Telling others of every node that is made, at no cost while nobody asks.

The last thing a new node gets is its ``sequence``. While somebody watches, that slot of the class is
replaced by a descriptor that stores the number and then calls the watchers of the thread; otherwise
the slot is the plain one. So recording an operation has no test for this, in generated code or here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .node import Node

Note = Callable[[Node], None]

_slot: Any = Node.__dict__["sequence"]
_lock = threading.Lock()
_watching = 0  # how often watching was begun, in all threads, and not ended


class _Notes(threading.local):
    """Who is told of the nodes that the calling thread makes."""

    def __init__(self) -> None:
        self.own: list[Note] = []


_notes = _Notes()
_everywhere: list[Note] = []


class _Watched:
    """In place of the slot: stores the number and tells whoever watches."""

    def __get__(self, node: Node | None, owner: type | None = None) -> Any:
        return self if node is None else _slot.__get__(node)

    def __set__(self, node: Node, number: int) -> None:
        _slot.__set__(node, number)
        for note in [*_everywhere, *_notes.own]:
            note(node)


def begin(note: Note, everywhere: bool = False) -> None:
    """Call note(node) for every node made from now on in this thread, or in all."""
    global _watching
    with _lock:
        (_everywhere if everywhere else _notes.own).append(note)
        _watching += 1
        if _watching == 1:
            setattr(Node, "sequence", _Watched())  # noqa: B010  (a slot, as the type checker sees it)


def end(note: Note, everywhere: bool = False) -> None:
    """Undo one ``begin`` with the same arguments."""
    global _watching
    with _lock:
        (_everywhere if everywhere else _notes.own).remove(note)
        _watching -= 1
        if _watching == 0:
            setattr(Node, "sequence", _slot)  # noqa: B010
