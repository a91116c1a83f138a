"""Copies of whole tensors: ``copy``, ``deepcopy`` and pickling, as worker processes use it.

Two tensors that share memory share it after a deep copy or a round trip through pickle as well: the
array they are views of is copied once, and each says where in it it lies. Follows ``torch.Tensor``'s
``__deepcopy__`` and ``__reduce_ex__``; hooks are left behind.

>>> import copy, sensorium as sn
>>> x = sn.zeros(3)
>>> whole, part = copy.deepcopy([x, x[1:]])
>>> _ = part.fill_(1.0); whole
tensor([0., 1., 1.])
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import bfloat16
from .errors import AutogradError
from .interop import root_of
from .tensor import Tensor


def _place(array: np.ndarray, root: np.ndarray) -> tuple[Any, ...]:
    """Where in root's memory array lies."""
    return array.shape, array.dtype, array.ctypes.data - root.ctypes.data, array.strides


def _placed(root: np.ndarray, place: tuple[Any, ...]) -> np.ndarray:
    shape, dtype, offset, strides = place
    if dtype == bfloat16 or root.dtype == bfloat16:  # no buffer of Python's: bytes in between
        root = root.view(np.uint16) if root.dtype == bfloat16 else root
    return np.ndarray(shape, dtype, root, offset, strides)


def _shares(array: Any) -> bool:
    """Whether array is a view whose owner can stand for the memory of both.

    Not where nobody can write (weights that are slices of a file's bytes): each has a copy then.
    """
    if not isinstance(array, np.ndarray) or array.base is None:
        return False
    root = root_of(array)
    return root is not array and root.flags.c_contiguous and root.flags.writeable


def deepcopied(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """A leaf on memory of its own; views of one array stay views of one array."""
    if self.node is not None:
        raise AutogradError("deepcopy: only leaf tensors can be copied deeply; detach() first")
    array = self.array
    root = root_of(array) if _shares(array) else array
    fresh = memo.get(id(root))
    if fresh is None:
        fresh = memo[id(root)] = root.copy(order="K")
        memo.setdefault(id(memo), []).append(root)  # keeps its id from being given to another
    copied = fresh if root is array else _placed(fresh, _place(array, root))
    out = self._rewrapped(copied)
    memo[id(self)] = out
    if self._grad is not None:
        out._grad = deepcopied(self._grad, memo) if self._grad.node is None else None
    return out


def reduced(self: Tensor) -> tuple[Any, ...]:
    """What pickle needs: the class, the memory, where in it, and the gradient flag."""
    if self.node is not None:
        raise AutogradError("pickle: only leaf tensors can be pickled; detach() first")
    array = self.array
    if not _shares(array):
        return type(self), (array, self.needs_grad)
    root = root_of(array)
    return rebuilt, (type(self), root, _place(array, root), self.needs_grad)


def rebuilt(kind: Any, root: np.ndarray, place: tuple[Any, ...], needs_grad: bool) -> Tensor:
    """The tensor that ``reduced`` described."""
    return kind(_placed(root, place), needs_grad)
