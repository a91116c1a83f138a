"""The last look at what a checkpoint built: no cycle, no bomb, nothing but data.

Iterative throughout: a hostile tree may be a million levels deep before it is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CorruptError, LimitError, UnsafeContentError

_CONTAINERS = (list, tuple, dict, set)
_LEAVES = (type(None), bool, int, float, complex, str, bytes, bytearray)
_NUMPY = (np.ndarray, np.generic, np.dtype)


def check_tree(root: object, depth: int, nodes: int, what: str) -> None:
    """Refuse trees deeper than ``depth``, with more than ``nodes`` nodes when shared parts are
    counted each time they appear ("billion laughs"), that hold themselves, or with leaves that
    are not data.

    Height and size of every container, children first:
    height = 1 + max(height of children), size = 1 + sum(size of children).
    """
    heights: dict[int, int] = {}
    sizes: dict[int, int] = {}
    entered: set[int] = set()  # on the way down from the root: meeting one again is a cycle
    stack = _containers([root], entered, what)
    while stack:
        key = id(stack[-1])
        if key in heights:
            stack.pop()
        elif key not in entered:
            entered.add(key)
            stack += _containers(_children(stack[-1]), entered, what)
        else:
            children = _children(stack.pop())
            entered.discard(key)
            heights[key] = 1 + max((heights.get(id(c), 0) for c in children), default=0)
            sizes[key] = 1 + sum(sizes.get(id(c), 1) for c in children)
            if heights[key] > depth:
                raise LimitError(f"{what}: nested deeper than {depth} levels")
            if sizes[key] > nodes:
                raise LimitError(f"{what}: more than {nodes} values, shared parts counted anew")


def _children(value: Any) -> list[object]:
    """Keys are scalars or flat tuples by construction and need no walk."""
    return list(value.values()) if isinstance(value, dict) else list(value)


def _containers(values: list[object], entered: set[int], what: str) -> list[object]:
    """Those that hold others; the rest are checked here and now."""
    found: list[object] = []
    for value in values:
        if isinstance(value, _CONTAINERS):
            if id(value) in entered:
                raise CorruptError(f"{what}: a container holds itself")
            found.append(value)
        elif type(value) not in _LEAVES and not isinstance(value, _NUMPY):
            raise UnsafeContentError(
                f"{what}: {value} stands where a value should; "
                "only tensors and plain containers are read"
            )
    return found
