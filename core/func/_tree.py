"""Nested tuples, lists and dicts as flat lists of leaves, and back.

A structure is None for a leaf, or the container it was made of with the structures of its parts.
Everything else, None included, is a leaf. Named tuples keep their type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Leaf(NamedTuple):
    """The structure of a leaf."""

    def __repr__(self) -> str:
        return "*"


class Branch(NamedTuple):
    """The structure of a container: its type, keys of a dict, and the structures of its parts."""

    kind: type
    keys: tuple[Any, ...] | None
    parts: tuple[Any, ...]

    def __repr__(self) -> str:
        if self.keys is not None:
            return "{" + ", ".join(f"{k!r}: {p}" for k, p in zip(self.keys, self.parts)) + "}"
        return f"{self.kind.__name__}({', '.join(map(repr, self.parts))})"


LEAF = Leaf()


def _is_branch(value: Any) -> bool:
    return isinstance(value, (tuple, list, dict))


def flatten(value: Any) -> tuple[list[Any], Any]:
    """The leaves from left to right, and the structure."""
    leaves: list[Any] = []
    return leaves, _walk(value, leaves)


def _walk(value: Any, leaves: list[Any]) -> Any:
    if not _is_branch(value):
        leaves.append(value)
        return LEAF
    keys = tuple(value) if isinstance(value, dict) else None
    parts = value.values() if keys is not None else value
    return Branch(type(value), keys, tuple(_walk(p, leaves) for p in parts))


def unflatten(leaves: list[Any], structure: Any) -> Any:
    """The leaves in a structure again."""
    return _build(iter(leaves), structure)


def _build(leaves: Iterator[Any], structure: Any) -> Any:
    if isinstance(structure, Leaf):
        return next(leaves)
    parts = [_build(leaves, part) for part in structure.parts]
    if structure.keys is not None:
        return structure.kind(zip(structure.keys, parts))
    return structure.kind(*parts) if hasattr(structure.kind, "_fields") else structure.kind(parts)


def tree_map(function: Callable[[Any], Any], value: Any) -> Any:
    """value with function applied to its leaves."""
    leaves, structure = flatten(value)
    return unflatten([function(v) for v in leaves], structure)


def spread(prefix: Any, structure: Any) -> list[Any] | None:
    """A leaf of prefix for every leaf of structure, which may go deeper; None if they differ."""
    if not _is_branch(prefix):
        return [prefix] * count(structure)
    if isinstance(structure, Leaf) or type(prefix) is not structure.kind:
        return None
    if isinstance(prefix, dict):
        if set(prefix) != set(structure.keys):
            return None
        prefix = [prefix[key] for key in structure.keys]
    if len(prefix) != len(structure.parts):
        return None
    found: list[Any] = []
    for p, part in zip(prefix, structure.parts):
        below = spread(p, part)
        if below is None:
            return None
        found += below
    return found


def count(structure: Any) -> int:
    """How many leaves there are."""
    return 1 if isinstance(structure, Leaf) else sum(map(count, structure.parts))
