"""What is computed from constants: folded and packed weights, at fixed places, made anew when need be.

A ``Store`` is shared by all graphs of a compiled function: two batch sizes multiply with one packed
weight. An entry is known by how it is computed and from which arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..backends.cpu import prepack
from .graph import Value, replaced


class Prepared:
    """An array computed from constants, at a fixed place."""

    def __init__(self, sources: list[np.ndarray], make: Callable[[], np.ndarray]) -> None:
        self.sources, self.make, self.array = sources, make, make()
        self.stamp = self._stamp()

    def _stamp(self) -> tuple[Any, ...] | None:
        """How often each source was written; None where that cannot be known."""
        entries = [prepack.entry_of(prepack.owner(array)) for array in self.sources]
        if any(entry is None or entry.shared for entry in entries):
            return None
        return tuple(entry.version for entry in entries)  # type: ignore[union-attr]

    @property
    def watched(self) -> bool:
        """Whether a write to the sources would be noticed."""
        return self.stamp is not None

    def refresh(self) -> None:
        """Make it anew if a source may have been written."""
        now = self._stamp()
        if now is None or now != self.stamp:
            self.array[...] = self.make()
            prepack.written(self.array)
            self.stamp = now


class Store:
    """Prepared arrays by how they were made; ``make`` must depend on key and values only."""

    def __init__(self) -> None:
        self._kept: dict[Any, Prepared] = {}

    def get(self, key: Any, values: Sequence[Value], make: Callable[[], np.ndarray]) -> Prepared:
        """What was prepared for this key from these constants; made on first need."""
        whole = (key, *map(_origin, values))
        found = self._kept.get(whole)
        if found is None:
            sources = [array for value in values for array in _arrays(value)]
            found = self._kept[whole] = Prepared(sources, make)
        return found

    def clear(self) -> None:
        """Forget all: who uses something keeps it."""
        self._kept.clear()


def computed(value: Value) -> np.ndarray:
    """A value that depends on constants only; not kept."""
    if value.tensor is not None:
        return value.tensor.array
    node: Any = value.maker
    result = node.op.hot(*replaced(node.args, computed))
    return result if node.single else result[node.outs.index(value)]


def _arrays(value: Value) -> Iterator[np.ndarray]:
    """The arrays that a value is computed from."""
    if value.tensor is not None:
        yield value.tensor.array
    elif value.maker is not None:
        for used in value.maker.uses():
            yield from _arrays(used)


def _origin(value: Value) -> Any:
    """How a value is computed, as something to look up; arrays by identity, which entries keep alive."""
    if value.tensor is not None:
        return id(value.tensor.array)
    node: Any = value.maker
    return node.name, node.outs.index(value), repr(replaced(node.args, _Told))


class _Told:
    """Prints how a value is computed."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<{_origin(self.value)}>"
