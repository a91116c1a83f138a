"""One call of a transform: its inputs stand apart in the graph, its results lose what is only its own.

Inside a level the inputs are aliases, nodes of the level that pass gradients on to where the inputs
came from. So a derivative by an alias counts only what the function did with its argument, not what
it did with the same tensor by another way, and nested levels cannot be mixed up. When a level ends,
a result stays recorded only if it depends on something outside: a leaf, or an alias of a level that
is still open.
"""

from __future__ import annotations

import threading
from typing import Any, Self

import numpy as np

from ..autograd.engine import grad
from ..autograd.mode import enable_grad, mode
from ..autograd.node import Identity, Node, cell_of
from ..dtypes import FLOATING
from ..errors import DTypeError, OptionError
from ..ops._results import edge_of
from ..tensor import Tensor, wrap
from ._tree import flatten, tree_map, unflatten


class _Open(threading.local):
    """The aliases of the levels that the calling thread has open."""

    def __init__(self) -> None:
        self.levels: list[set[Node]] = []


_open = _Open()


class Level:
    """The context of one transform's call; records inside, whatever the mode outside."""

    def __init__(self, name: str) -> None:
        self.name, self.outside = name, mode.enabled
        self._aliases: set[Node] = set()
        self._recording = enable_grad()

    def __enter__(self) -> Self:
        _open.levels.append(self._aliases)
        self._recording.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._recording.__exit__(*exc)
        _open.levels.pop()

    def alias(self, x: Any) -> Tensor:
        """x as the level's own."""
        if not isinstance(x, Tensor):
            raise OptionError(
                f"{self.name}: what is differentiated must be tensors, got {type(x).__name__}"
            )
        if x.dtype not in FLOATING:
            raise DTypeError(
                f"{self.name}: only floating-point tensors have gradients, this is {x.dtype}"
            )
        edge = edge_of(x) if self.outside else None
        out = wrap(x.array)
        out.cell = cell_of(x)
        out.node, out.needs_grad = Node(Identity, (edge,), (), x.array.shape, x.array.dtype), True
        self._aliases.add(out.node)
        return out

    def aliases(self, tree: Any) -> tuple[Any, list[Tensor], Any]:
        """The tree of aliases, they in a list, and the structure."""
        leaves, structure = flatten(tree)
        made = [self.alias(x) for x in leaves]
        return unflatten(made, structure), made, structure

    def close(self, tree: Any) -> Any:
        """Results as they look from outside: recorded only if they depend on something there.

        To be called when the level has ended.
        """
        return tree_map(self._closed, tree)

    def _closed(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.needs_grad:
            return value
        return value if self.outside and depends_outside([value]) else value.detach()


def depends_outside(tensors: list[Tensor]) -> bool:
    """Whether any leads to a leaf that wants a gradient, or to an alias of an open level."""
    aliases = set().union(*_open.levels)
    edges = [edge_of(t) for t in tensors]
    seen: set[Node] = set()
    while edges:
        edge = edges.pop()
        if isinstance(edge, Tensor) or edge in aliases:
            return True
        if edge is not None and edge not in seen:
            seen.add(edge)
            edges.extend(edge.edges)
    return False


def gradients(
    ys: list[Tensor], xs: list[Tensor], starts: list[Any], recorded: bool, retain: bool
) -> list[Tensor]:
    """The gradients by xs of the outputs that have any; zeros where there is no dependence."""
    pairs = [(y, v) for y, v in zip(ys, starts) if y.needs_grad]
    if not pairs or not xs:
        return [wrap(np.zeros_like(x.array)) for x in xs]
    ys, vs = [y for y, _ in pairs], [v for _, v in pairs]
    found = grad(ys, xs, vs, retain or recorded, recorded, materialize_grads=True)
    return list(found)  # type: ignore[arg-type]
