"""Bringing arrays into the layouts that primitives read: channels-last, dense, whole strides.

Activations are (N, C, *spatial) by shape and (N, *spatial, C) in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from . import constants as c, memory, prepack
from .library import EngineError
from .memory import DATA_TYPES, Desc, Primitive, PrimitiveDesc, pointer

_TO_NCX = {3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}  # memory order -> shape order
_TO_NXC = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}  # shape order -> memory order


def empty_channels_last(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array of shape (N, C, *spatial) with memory (N, *spatial, C)."""
    if len(shape) == 2:
        return np.empty(shape, dtype)
    return np.empty((shape[0], *shape[2:], shape[1]), dtype).transpose(_TO_NCX[len(shape)])


def is_channels_last(x: np.ndarray) -> bool:
    """Whether the memory is dense and channels-last; a (N, C) matrix is if it is C-contiguous."""
    order = _TO_NXC.get(x.ndim)
    return (x.transpose(order) if order else x).flags.c_contiguous


def reorder(source: Desc, target: Desc, detail: str) -> Primitive:
    """The primitive that copies from one layout to another."""
    engine = memory.library.load().engine
    desc = PrimitiveDesc("reorder", detail, source, engine, target, engine)
    return Primitive(desc, ((c.ARG_SRC, source), (c.ARG_DST, target)))


def channels_last_copier(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """How arrays of x's shape and strides become channels-last; None where they already are."""
    if is_channels_last(x):
        return None
    if not x.flags.c_contiguous:
        return _copy_with_numpy
    try:
        return _copier(x)
    except EngineError:
        return _copy_with_numpy


def channels_last(x: np.ndarray) -> np.ndarray:
    """x itself where it is channels-last, else a copy that is."""
    return x if is_channels_last(x) else _copy_with_numpy(x)


def _copy_with_numpy(x: np.ndarray) -> np.ndarray:
    out = empty_channels_last(x.shape, x.dtype)
    out[...] = x
    return out


def _copier(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    data_type = DATA_TYPES[x.dtype.name]
    source = memory.describe(x.shape, memory.c_strides(x.shape), data_type)
    target = memory.describe(x.shape, memory.last_strides(x.shape), data_type)
    run = reorder(source, target, str(x.shape))

    def copy(x: np.ndarray) -> np.ndarray:
        out = empty_channels_last(x.shape, x.dtype)
        run(pointer(x), pointer(out))
        return out

    return copy


# -- weights -------------------------------------------------------------------------------------
_layout_numbers: dict[tuple, int] = {}  # equal layouts share packed copies: a number hashes quickly


class Packer:
    """Gives weights to a primitive in the layout it chose: packed once per change, then kept."""

    __slots__ = ("_key", "_reorder", "_size")

    def __init__(self, chosen: Desc, plain: Desc, detail: str):
        layout = chosen.layout()
        same = layout == plain.layout()
        self._key = _layout_numbers.setdefault(layout, len(_layout_numbers))
        self._reorder = None if same else reorder(plain, chosen, detail)
        self._size = chosen.size()

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        """An array to take the address of; ``weight`` itself where its layout is already right."""
        if self._reorder is not None:
            return prepack.packed(weight, self._key, self._pack)
        if weight.flags.c_contiguous:
            return weight
        return prepack.packed(weight, -1, np.ascontiguousarray)

    def when_reused(self, weight: np.ndarray) -> np.ndarray | None:
        """The packed weight from its second use on; None before, and where it may not be kept."""
        if self._reorder is None:
            return None
        return prepack.packed_when_reused(weight, self._key, self._pack)

    def _pack(self, weight: np.ndarray) -> np.ndarray:
        plain, out = np.ascontiguousarray(weight), memory.aligned(self._size)
        if self._reorder is not None:
            self._reorder(pointer(plain), pointer(out))
        return out
