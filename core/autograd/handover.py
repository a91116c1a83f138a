"""Handing gradients on: to the edge where they wait for others, and at last to a leaf's ``grad``.

Gradients that arrive at an edge are brought to the shape and type of the value there: summed over
the dimensions that broadcasting grew, cast where promotion had changed the type. They are added in
place where nothing else refers to the memory, which CPython's reference counts tell.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .node import Node, cell_of

_SMALL = 4096  # elements; below, a new array costs less than finding out whose the old one is


def deposit(pending: dict[Any, Any], edge: Any, g: Any) -> None:
    """Add g to what waits at edge."""
    target = edge if edge.__class__ is Node else edge.array
    if g.shape != target.shape or g.dtype is not target.dtype:
        g = conform(g, target)
    before = pending.get(edge)
    if before is None:
        pending[edge] = g
    elif g.__class__ is not np.ndarray or g.size < _SMALL:
        pending[edge] = before + g
    elif getrefcount(before) <= 3 and _owns(before):
        from ..ops.arithmetic import add_into

        pending[edge] = add_into(before, g)
    else:
        pending[edge] = before + g


def _owns(array: Any) -> bool:
    """Whether nothing but one view of it refers to the memory (CPython counts references)."""
    if not isinstance(array, np.ndarray) or not array.flags.writeable:
        return False
    owner = array.base
    return owner is None or (
        isinstance(owner, np.ndarray) and owner.size == array.size and getrefcount(owner) <= 3
    )


def conform(g: Any, target: Any) -> Any:
    """g summed to the shape, and cast to the type, of the value it is the gradient of."""
    from ..ops.cast import cast
    from ..ops.shape import sum_to

    if g.shape != target.shape:
        g = sum_to(g, tuple(target.shape))
    if g.dtype != target.dtype:
        if g.dtype.kind == "c" and target.dtype.kind != "c":
            g = g.real
        g = cast(g, target.dtype)
    return g


def as_tensor(g: Any) -> Tensor:
    """A gradient as a Tensor: NumPy's arithmetic on 0-d arrays leaves scalars."""
    if isinstance(g, Tensor):
        return g
    return wrap(np.asarray(g) if isinstance(g, np.generic) else g)


# -- leaves ----
def _references(g: Any) -> int:
    return getrefcount(g)


_UNSHARED = _references(np.empty(0))
"""What ``getrefcount`` says of an argument that nobody else refers to."""

held = 0
"""How many more references there are while somebody watches ``accumulate``."""


def accumulate(leaf: Tensor, g: Any, recorded: bool) -> None:
    """Add g to ``leaf.grad``; the first one becomes it, copied if anything else refers to it."""
    have = leaf._grad
    if recorded:
        leaf._grad = g if have is None else have + g
    elif have is None:
        shared = isinstance(g, np.ndarray) and (getrefcount(g) > _UNSHARED + held or not _owns(g))
        leaf._grad = as_tensor(np.array(g, order="K", subok=False) if shared else g)
    else:
        have.array += g
        cell_of(have)[0] += 1
