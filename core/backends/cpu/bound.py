"""A primitive tied to its memory: what a compiled graph runs is a call without arguments.

``Primitive`` of ``memory.py`` borrows memory objects and sets their addresses at every call; here they
are made once for arrays that stay where they are, so that an execution is one call of a C function.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence

import numpy as np

from . import library, memory
from .library import raise_for
from .memory import Primitive, pointer


def _check(status: int) -> None:
    if status:
        raise_for(status, "primitive_execute", "a compiled graph")


@functools.cache
def _execute() -> Callable[..., None]:
    """``dnnl_primitive_execute`` that raises; the interpreter lock is released meanwhile."""
    function = library.load().slow["dnnl_primitive_execute"]
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    function.restype = _check
    return function


class Bound:
    """primitive(*arrays) for arrays at fixed places; ``run()`` executes, once ``set_scratch`` was told
    where ``scratch`` bytes are.

    offsets: where in each array the argument begins, in bytes.
    """

    __slots__ = ("_arrays", "_bound", "_primitive", "run", "scratch")

    def __init__(
        self,
        primitive: Primitive,
        arrays: Sequence[np.ndarray | None],
        offsets: Sequence[int] = (),
    ) -> None:
        self._primitive, self._bound = primitive, memory._Bound(primitive._args)  # kept alive
        self._arrays = [array for array in arrays if array is not None]
        self.scratch = primitive._scratch
        places = [pointer(array) for array in self._arrays]
        for i, offset in enumerate(offsets):
            places[i] += offset
        set_handle = library.load().quick.dnnl_memory_set_data_handle
        for handle, place in zip(self._bound.handles, places, strict=False):
            set_handle(handle, place)
        self.run = functools.partial(
            _execute(), primitive._as_parameter_, library.load().stream.value,
            len(self._bound.handles), ctypes.addressof(self._bound.array),
        )  # fmt: skip

    def set_scratch(self, address: int) -> None:
        """Where the primitive may keep what it needs while it runs."""
        if self.scratch:
            library.load().quick.dnnl_memory_set_data_handle(self._bound.handles[-1], address)
