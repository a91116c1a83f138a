"""Values that nodes keep for backward, handed to functions of the user's instead.

While a pair of hooks is in force, every array that a new node would keep is given to ``pack`` as a
detached Tensor; what that returns is kept, and ``unpack`` must make the Tensor of it again when
backward needs it. Where packed values may still share the memory of the originals, writes are noticed
as always; where they do not, the originals may be overwritten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import AutogradError, DTypeError, ShapeError
from ..tensor import Tensor
from . import watch
from .handover import as_tensor
from .mode import no_grad
from .node import Node

Pair = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]


class _Stack(threading.local):
    """The calling thread's hooks; the last pair is in force."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.refusal: str | None = None


stack = _Stack()


# -- one value -----------------------------------------------------------------------------------
class Packed:
    """What ``pack`` made of one value, and how to get it back."""

    __slots__ = ("dtype", "edge", "kept", "own", "shape", "shares", "unpack")

    def __init__(self, pair: Pair, value: Any) -> None:
        given = as_tensor(value)
        self.shape, self.dtype, self.unpack = given.array.shape, given.array.dtype, pair[1]
        self.edge: Any = None  # Function: where the value came from
        self.own = False  # Function: the value is an output
        with no_grad():
            self.kept = pair[0](given)
        if given.cell is not None and given.cell[0]:
            raise AutogradError(
                "saved_tensors_hooks: pack changed its input (shape "
                f"{tuple(self.shape)}) in place; it must clone it first"
            )
        self.shares = _may_share(self.kept, given.array)

    def tensor(self) -> Tensor:
        """The value again."""
        with no_grad():
            found = self.unpack(self.kept)
        if not isinstance(found, Tensor):
            raise DTypeError(
                f"saved_tensors_hooks: unpack must return a Tensor, got {type(found).__name__}"
            )
        if found.array.shape != self.shape:
            raise ShapeError(
                f"saved_tensors_hooks: unpack returned shape {tuple(found.shape)} for a value of "
                f"shape {tuple(self.shape)}"
            )
        return found


def _may_share(kept: Any, array: Any) -> bool:
    """Whether what pack returned may lie in the memory of the array."""
    if isinstance(kept, Tensor):
        kept = kept.array
    if isinstance(kept, np.ndarray) and isinstance(array, np.ndarray):
        return np.may_share_memory(kept, array)
    if isinstance(kept, (tuple, list)):
        return any(_may_share(part, array) for part in kept)
    return kept is array


def pack(value: Any) -> Any:
    """value by the hooks in force; itself without any."""
    return Packed(stack.pairs[-1], value) if stack.pairs and value is not None else value


# -- all values of a node ------------------------------------------------------------------------
class PackedValues:
    """``saved`` of a node whose arrays were packed."""

    __slots__ = ("values",)

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def unpack(self, node: Node) -> tuple[Any, ...]:
        """The values as the node's gradient expects them."""
        return tuple(_unpacked(v) for v in self.values)


def _unpacked(value: Any) -> Any:
    if isinstance(value, Packed):
        return value.tensor().array
    if isinstance(value, list):
        return [_unpacked(v) for v in value]
    return value


def pack_node(node: Node) -> None:
    """Replace the arrays that a new node keeps."""
    op, saved = node.op, node.saved
    if not stack.pairs or saved.__class__ is not tuple or not op.keeps:
        return
    packed: list[Packed] = []
    values = [
        _packed(v, packed) if name in op.inputs or name in op.outputs else v
        for name, v in zip(op.keeps, saved)
    ]
    if packed:
        node.saved = PackedValues(values)
        forget_cells(node, packed)


def _packed(value: Any, packed: list[Packed]) -> Any:
    if isinstance(value, list):
        return [_packed(v, packed) for v in value]
    if not hasattr(value, "dtype"):
        return value
    packed.append(pack(value))
    return packed[-1]


def forget_cells(node: Node, packed: list[Packed]) -> None:
    """Let the originals be overwritten where no packed value shares their memory."""
    if not any(p.shares for p in packed):
        node.cells, node.stamp = (), 0


def own_copies(node: Node) -> None:
    """Copy what is kept of memory that is about to be overwritten."""
    if isinstance(node.saved, PackedValues) and node.stamp == sum(c[0] for c in node.cells):
        packed = [v for v in node.saved.values if isinstance(v, Packed)]
        for one in packed:
            if one.shares:
                one.kept, one.shares = _copied(one.kept), False
        forget_cells(node, packed)


def _copied(kept: Any) -> Any:
    if isinstance(kept, (tuple, list)):
        return type(kept)(map(_copied, kept))
    if isinstance(kept, Tensor):
        return kept.clone()
    return kept.copy() if isinstance(kept, np.ndarray) else kept


# -- in force ------------------------------------------------------------------------------------
def enter(pair: Pair) -> None:
    """Put a pair of hooks in force."""
    if stack.refusal is not None:
        raise AutogradError(stack.refusal)
    stack.pairs.append(pair)
    watch.begin(pack_node)


def leave() -> None:
    """Back to the pair before."""
    watch.end(pack_node)
    stack.pairs.pop()
