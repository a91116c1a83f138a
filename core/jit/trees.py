"""Taking nested arguments and results apart into tensors, and putting them together again.

A *tree* is a tensor, or a tuple, list, dictionary, named tuple or dataclass of trees; anything else
in it is a constant. ``flatten`` gives the tensors in order and a ``Shape`` that says what held them;
shapes are compared, so that a call with another structure or another constant is another call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from ..tensor import Tensor


class Leaf:
    """The place of a tensor."""

    def __repr__(self) -> str:
        return "*"


LEAF = Leaf()


class Constant:
    """Something that is no tensor: equal to what has its type and value, or is the same object."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant) or type(self.value) is not type(other.value):
            return False
        if self.value is other.value:
            return True
        plain = isinstance(self.value, (bool, int, float, complex, str, bytes, slice, range))
        return plain and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(type(self.value))

    def __repr__(self) -> str:
        return repr(self.value)


class Branch:
    """A container: its class, its keys (of a mapping or a dataclass) and the shapes inside."""

    __slots__ = ("keys", "kind", "parts")

    def __init__(self, kind: type, keys: tuple[Any, ...] | None, parts: tuple[Any, ...]) -> None:
        self.kind, self.keys, self.parts = kind, keys, parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Branch) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash((self.kind, self.keys))

    def _facts(self) -> tuple[Any, ...]:
        return self.kind, self.keys, self.parts


Shape = Leaf | Constant | Branch


def flatten(tree: Any) -> tuple[list[Tensor], Shape]:
    """The tensors of a tree in order, and its shape.

    >>> import sensorium as sn
    >>> tensors, shape = flatten({"a": sn.ones(1), "b": (2, sn.zeros(1))})
    >>> len(tensors), unflatten(shape, [10, 20])
    (2, {'a': 10, 'b': (2, 20)})
    """
    tensors: list[Tensor] = []
    return tensors, _shape(tree, tensors)


def _shape(tree: Any, tensors: list[Tensor]) -> Shape:
    if isinstance(tree, Tensor):
        tensors.append(tree)
        return LEAF
    found = _parts(tree)
    if found is None:
        return Constant(tree)
    keys, parts = found
    return Branch(type(tree), keys, tuple(_shape(part, tensors) for part in parts))


def _parts(tree: Any) -> tuple[tuple[Any, ...] | None, Any] | None:
    """The keys (None for a sequence) and items of a container; None for anything else."""
    if isinstance(tree, (tuple, list)):
        return None, tree
    if is_dataclass(tree) and not isinstance(tree, type):
        names = tuple(f.name for f in fields(tree) if f.init)
        return names, [getattr(tree, name) for name in names]
    if isinstance(tree, dict):
        return tuple(tree), tree.values()
    return None


def constants(shape: Shape) -> Iterator[Any]:
    """What is no tensor in a tree of that shape."""
    if isinstance(shape, Constant):
        yield shape.value
    elif isinstance(shape, Branch):
        for part in shape.parts:
            yield from constants(part)


def unflatten(shape: Shape, leaves: list[Any]) -> Any:
    """The tree of that shape around other leaves."""
    return _built(shape, iter(leaves))


def _built(shape: Shape, leaves: Iterator[Any]) -> Any:
    if isinstance(shape, Leaf):
        return next(leaves)
    if isinstance(shape, Constant):
        return shape.value
    parts = [_built(part, leaves) for part in shape.parts]
    kind: Any = shape.kind
    if shape.keys is None:
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
    if issubclass(kind, Mapping) and not is_dataclass(kind):
        return kind(zip(shape.keys, parts))
    return kind(**dict(zip(shape.keys, parts)))
