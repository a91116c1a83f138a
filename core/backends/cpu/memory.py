"""Memory descriptors, primitives bound to their arguments, and the cache of them.

A *plan* is what an op file builds once per combination of shapes, strides and options: one or two
primitives and what to allocate. ``plans`` keeps them; executing one sets the data handles of its
memory objects and calls ``dnnl_primitive_execute``. Every execution borrows its memory objects
and its scratchpad from a free list, so that any number of Python threads may run the same plan.
Scratchpads are ours (``scratchpad_mode user``): the library's own are per creating thread, and
wrong when another thread executes.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import allocator, constants as c, library, threads
from .library import Dims, ExecArg, raise_for

DATA_TYPES = {"float16": 1, "bfloat16": 2, "float32": 3, "int32": 4, "int8": 5, "uint8": 6}
ITEM_SIZES = {1: 2, 2: 2, 3: 4, 4: 4, 5: 1, 6: 1}


# -- addresses -----------------------------------------------------------------------------------
_read = ctypes.c_size_t.from_address
_DATA = object.__basicsize__  # PyArrayObject: the object header, then `char *data`


def _slow_pointer(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _quick_pointer(array: np.ndarray) -> int:
    """The address of the first element, read from the array object: 0.1 us instead of 1."""
    return _read(id(array) + _DATA).value


def _choose_pointer() -> Callable[[np.ndarray], int]:
    """The quick way where it gives what NumPy says (CPython's layout of objects), else the slow."""
    block = np.zeros((3, 4), np.float32)
    views = (block, block[1:], block.T[2:], block[::-1])
    agree = all(_quick_pointer(view) == _slow_pointer(view) for view in views)
    return _quick_pointer if agree else _slow_pointer


pointer = _choose_pointer()


def aligned(size: int) -> np.ndarray:
    """size uninitialised bytes at an address that is a multiple of 64 (a cache line)."""
    block = np.empty(size + 63, np.uint8)
    start = -pointer(block) % 64
    return block[start : start + size]


# -- descriptors ---------------------------------------------------------------------------------
def dims(values: Iterable[int]) -> ctypes.Array:
    return Dims(*values)


def c_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of a C-contiguous array of this shape."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def last_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of channels-last memory under a (N, C, *spatial) shape."""
    n, channels, *spatial = shape
    outer, *inner = c_strides((n, *spatial, channels))
    return (outer, 1, *inner[:-1])


class _Handle:
    """Owns one of oneDNN's objects; destroys it with the function it was given for that.

    The function is kept beside the handle because modules may be gone when an interpreter ends.
    """

    __slots__ = ("_as_parameter_", "_destroy")

    def _own(self, handle: int | None, kind: str) -> None:
        self._as_parameter_ = handle
        self._destroy = getattr(library.load().quick, f"dnnl_{kind}_destroy")

    def __del__(self) -> None:
        if getattr(self, "_as_parameter_", None):
            self._destroy(self._as_parameter_)


class Desc(_Handle):
    """A memory descriptor: shape, element type and layout of one argument."""

    __slots__ = ()

    def __init__(self, handle: int | None):
        self._own(handle, "memory_desc")

    def size(self) -> int:
        """Bytes a buffer of this layout takes."""
        return library.load().quick.dnnl_memory_desc_get_size(self)

    def layout(self) -> tuple:
        """What makes two layouts the same: dtype, sizes, strides and inner blocks."""
        ndims, data_type, blocks = self._int(c.QUERY_NDIMS), self._int(c.QUERY_DATA_TYPE), 0
        blocks = self._int(c.QUERY_INNER_NBLKS)
        return (
            data_type,
            self._dims(c.QUERY_DIMS, ndims),
            self._dims(c.QUERY_PADDED_DIMS, ndims),
            self._dims(c.QUERY_STRIDES, ndims),
            self._dims(c.QUERY_INNER_BLKS, blocks),
            self._dims(c.QUERY_INNER_IDXS, blocks),
        )

    def _int(self, what: int) -> int:
        out = ctypes.c_int()
        library.load().call("memory_desc_query", self, what, ctypes.addressof(out))
        return out.value

    def _dims(self, what: int, count: int) -> tuple[int, ...]:
        out = ctypes.POINTER(ctypes.c_int64)()
        library.load().call("memory_desc_query", self, what, ctypes.addressof(out))
        return tuple(out[:count])


def describe(shape: Sequence[int], strides: Sequence[int], data_type: int) -> Desc:
    """A plain layout; strides are in elements.

    Axes of size 1 need the strides that the layout would give them: oneDNN compares them when it
    looks for the layouts it knows.
    """
    handle = ctypes.c_void_p()
    args = (len(shape), dims(shape), data_type, dims(strides))
    library.load().call("memory_desc_create_with_strides", handle, *args)
    return Desc(handle.value)


def describe_any(shape: Sequence[int], data_type: int) -> Desc:
    """A layout left to the primitive's choice."""
    handle = ctypes.c_void_p()
    args = (len(shape), dims(shape), data_type, c.FORMAT_ANY)
    library.load().call("memory_desc_create_with_tag", handle, *args)
    return Desc(handle.value)


# -- attributes: post-ops ------------------------------------------------------------------------
class Attributes(_Handle):
    """User scratchpad and a chain of post-ops: ("eltwise", alg, alpha, beta), ("binary", alg,
    desc) or ("sum", scale)."""

    __slots__ = ()

    def __init__(self, post_ops: Sequence[tuple] = ()):
        lib, handle = library.load(), ctypes.c_void_p()
        lib.call("primitive_attr_create", handle)
        self._own(handle.value, "primitive_attr")
        lib.call("primitive_attr_set_scratchpad_mode", handle, c.USER_SCRATCHPAD)
        if post_ops:
            self._set(lib, post_ops)

    def _set(self, lib: library.Library, post_ops: Sequence[tuple]) -> None:
        chain = ctypes.c_void_p()
        lib.call("post_ops_create", chain)
        for kind, *args in post_ops:
            more = (0, 0) if kind == "sum" else ()  # no zero point, data type of the result
            lib.call("post_ops_append_" + kind, chain, *args, *more)
        lib.call("primitive_attr_set_post_ops", self, chain)
        lib.call("post_ops_destroy", chain)


# -- room for oneDNN itself ----------------------------------------------------------------------
def _check_room(name: str, detail: str) -> None:
    """Raise OutOfMemory where a primitive could not be made, which can end the process."""
    if allocator.has_room():
        return
    _release()
    if not allocator.has_room():
        wanted = allocator.MAPPED + allocator.HEAP
        raise library.OutOfMemory(
            f"oneDNN {name}: out of memory, {wanted} bytes wanted for {detail}"
        )


def _release() -> None:
    """Give back what is only kept for speed: idle scratchpads and the memory malloc holds."""
    _scratchpads.clear()
    allocator.give_back_freed_memory()


# -- primitive descriptors -----------------------------------------------------------------------
class PrimitiveDesc(_Handle):
    """What oneDNN will run for some descriptors: its implementation and the layouts it chose."""

    __slots__ = ("detail", "name")

    def __init__(self, name: str, detail: str, *args: object, post_ops: Sequence[tuple] = ()):
        lib, handle = library.load(), ctypes.c_void_p()
        self.name, self.detail = name, detail
        _check_room(name, detail)
        if threads.here.epoch != threads.epoch:  # it is compiled for that number
            threads.apply()
        create = getattr(lib.quick, f"dnnl_{name}_primitive_desc_create")
        before = () if name == "reorder" else (lib.engine,)
        status = create(handle, *before, *args, Attributes(post_ops))
        if status:
            raise_for(status, name, detail)
        self._own(handle.value, "primitive_desc")

    def desc(self, what: int, index: int = 0) -> Desc | None:
        """A copy of one of the layouts (QUERY_SRC ..., or QUERY_ARG and the number of an argument);
        None where there is no such argument."""
        found, copy = ctypes.c_void_p(), ctypes.c_void_p()
        query = library.load().quick.dnnl_primitive_desc_query
        found_address = ctypes.addressof(found)
        # md queries return the handle itself through `result`
        if query(self, what, index, found_address) or not found.value:
            return None
        library.load().call("memory_desc_clone", copy, found)
        return Desc(copy.value)

    def implementation(self) -> str:
        """Such as ``brgconv:avx512_core`` or ``ref:any`` (the slow loops)."""
        text = ctypes.c_char_p()
        query = library.load().quick.dnnl_primitive_desc_query
        query(self, c.QUERY_IMPL, 0, ctypes.addressof(text))
        return (text.value or b"").decode()


# -- scratchpads ---------------------------------------------------------------------------------
_KEEP = 64 << 20  # a larger scratchpad goes back to the system after use
_scratchpads: list[np.ndarray] = []


def _borrow_scratchpad(size: int) -> np.ndarray:
    try:
        block = _scratchpads.pop()
    except IndexError:
        return aligned(size)
    return block if block.nbytes >= size else aligned(size)


def _insist_on_scratchpad(size: int, name: str, detail: str) -> np.ndarray:
    """One at last, without what is kept for speed; raises OutOfMemory."""
    _release()
    try:
        return aligned(size)
    except MemoryError:
        raise library.OutOfMemory(
            f"oneDNN {name}: out of memory, a scratchpad of {size} bytes wanted for {detail}"
        ) from None


# -- primitives ----------------------------------------------------------------------------------
class _Memory(_Handle):
    """A memory object: a descriptor and, for the length of one execution, an address."""

    __slots__ = ()

    def __init__(self, desc: Desc):
        lib, handle = library.load(), ctypes.c_void_p()
        lib.call("memory_create", handle, desc, lib.engine, None)
        self._own(handle.value, "memory")


class _Bound:
    """Memory objects and the argument array of one execution at a time."""

    __slots__ = ("array", "handles", "memories")

    def __init__(self, args: Sequence[tuple[int, Desc]]):
        self.memories = [_Memory(desc) for _, desc in args]
        self.handles = [memory._as_parameter_ for memory in self.memories]
        self.array = (ExecArg * len(args))()
        for slot, (number, _), handle in zip(self.array, args, self.handles):
            slot.arg, slot.memory = number, handle


_failed = threading.local()  # has an attribute in threads where oneDNN once found no memory


def _create(lib: library.Library, handle: ctypes.c_void_p, desc: PrimitiveDesc) -> int:
    """dnnl_primitive_create, in a new thread where this one has ever found no memory.

    The error of oneDNN's assembler (Xbyak) is kept per thread and never cleared: every later primitive
    fails there or, worse, is made without its code.
    """
    if not hasattr(_failed, "here"):
        status = lib.slow.dnnl_primitive_create(handle, desc)
        if status != c.OUT_OF_MEMORY:
            return status
        _failed.here = True
        _release()
    found = [c.OUT_OF_MEMORY]

    def create() -> None:
        threads.apply()
        found[0] = lib.slow.dnnl_primitive_create(handle, desc)

    other = threading.Thread(target=create)
    with contextlib.suppress(RuntimeError, MemoryError):  # no memory for a thread either
        other.start()
        other.join()
    return found[0]


class Primitive(_Handle):
    """A compiled primitive; calling it with one address per argument runs it.

    ``args`` are (DNNL_ARG number, descriptor) pairs in the order of the addresses; those without
    a descriptor are left out.
    """

    __slots__ = ("_args", "_execute", "_idle", "_scratch", "_set", "_stream", "_what",
                 "implementation")  # fmt: skip

    def __init__(self, desc: PrimitiveDesc, args: Sequence[tuple[int, Desc | None]]):
        lib, handle = library.load(), ctypes.c_void_p()
        self._what = desc.name, desc.detail
        status = _create(lib, handle, desc)
        if status:
            raise_for(status, *self._what)
        self._own(handle.value, "primitive")
        self._args = [(number, arg) for number, arg in args if arg is not None]
        pad = desc.desc(c.QUERY_SCRATCHPAD)
        self._scratch = pad.size() if pad else 0
        if pad is not None and self._scratch:
            self._args.append((c.ARG_SCRATCHPAD, pad))
        self._idle: list[_Bound] = []
        self._set = lib.quick.dnnl_memory_set_data_handle
        self._execute = lib.slow.dnnl_primitive_execute
        self._stream, self.implementation = lib.stream, desc.implementation()

    def __call__(self, *pointers: int) -> None:
        if threads.here.epoch != threads.epoch:
            threads.apply()
        try:
            bound = self._idle.pop()
        except IndexError:
            bound = _Bound(self._args)
        if self._scratch:
            status = self._run_with_scratchpad(bound, pointers)
        else:
            status = self._run(bound, pointers)
        self._idle.append(bound)
        if status:
            raise_for(status, *self._what)

    def _run(self, bound: _Bound, pointers: tuple[int, ...]) -> int:
        set_handle = self._set
        for handle, address in zip(bound.handles, pointers):
            set_handle(handle, address)
        return self._execute(self._as_parameter_, self._stream, len(pointers), bound.array)

    def _run_with_scratchpad(self, bound: _Bound, pointers: tuple[int, ...]) -> int:
        try:
            block = _borrow_scratchpad(self._scratch)
        except MemoryError:
            block = _insist_on_scratchpad(self._scratch, *self._what)
        try:
            return self._run(bound, (*pointers, pointer(block)))
        finally:
            if block.nbytes <= _KEEP:
                _scratchpads.append(block)


# -- the cache of plans --------------------------------------------------------------------------
CAPACITY = 2048
plans: dict[tuple, Any] = {}
_building = threading.RLock()  # also held across fork: no child is born inside oneDNN's own locks


def plan(key: tuple, build: Callable[..., Any], *args: Any) -> Any:
    """Build and keep the plan for a key that is not in ``plans``; the oldest ones go first."""
    with _building:
        found = plans.get(key)
        if found is None:
            found = build(*args)
            while len(plans) >= CAPACITY:
                plans.pop(next(iter(plans)), None)
            plans[key] = found
    return found


def forget_plans() -> None:
    """Drop every plan: a primitive is compiled for one number of threads."""
    with _building:
        plans.clear()


threads.on_change.append(forget_plans)
library.hold_across_fork(_building, outermost=True)
