"""Memory shared with other libraries: NumPy, DLPack, Python buffers.

What is here: how a Tensor shows itself to NumPy (``numpy()``, ``__array__``, ``__array_interface__``)
and to DLPack (``__dlpack__``), and ``asarray``, ``frombuffer``, ``from_dlpack`` for the other
direction. Memory that was shared can change unseen, so no cache may trust it any more. Follows
PyTorch, NumPy's array interface version 3, and the DLPack specification 1.1 (``dlpack.h``): numpy
makes and reads the capsules, and bfloat16, which it does not know, goes under the name of uint16
with its code written into the capsule. Left out: DLPack streams other than the default.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from .create import finish, from_numpy, tensor
from .device import as_device
from .dtypes import as_dtype, bfloat16, default_of
from .errors import AutogradError, DeviceError, DTypeError, ExportError, ShapeError
from .tensor import Tensor, wrap


# -- to NumPy ------------------------------------------------------------------------------------
def as_numpy(self: Tensor, force: bool = False) -> np.ndarray:
    """The elements as a NumPy array that shares this memory (CPU) or is a copy (force, GPU)."""
    if self.needs_grad and not force:
        raise AutogradError("numpy: the tensor requires a gradient; call detach() first")
    if not isinstance(self.array, np.ndarray):
        if not force:
            raise DeviceError(f"numpy: the tensor is on {self.device}; call cpu() first")
        return self.array.get()
    exposed(self.array)
    return self.array


def exposed(array: np.ndarray) -> None:
    """Memory given away can change unseen: no cache may trust it from now on."""
    from .backends.cpu import prepack

    prepack.exposed(array)


def array_protocol(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """What ``np.asarray(tensor)`` asks for: without a copy where none is needed and none demanded."""
    array = as_numpy(self)
    if copy is False and dtype is not None and np.dtype(dtype) != array.dtype:
        raise ShapeError(
            f"__array__: {array.dtype} cannot become {np.dtype(dtype)} without a copy (copy=False)"
        )
    return np.array(array, dtype=dtype, copy=copy)


def array_interface(self: Tensor) -> dict[str, Any]:
    """NumPy's array interface, version 3.

    The memory is handed over as its owner and an offset into it, so that it lives as long as it is
    used; where that cannot be said the attribute is not there, and ``__array__`` serves.
    """
    array = as_numpy(self)
    root = root_of(array)
    if array.dtype == bfloat16 or not root.flags.c_contiguous:
        raise AttributeError("__array_interface__: not for this type or memory; use __array__")
    return {
        "version": 3,
        "shape": array.shape,
        "typestr": array.dtype.str,
        "strides": array.strides,
        "data": root,
        "offset": array.ctypes.data - root.ctypes.data,
    }


def root_of(array: np.ndarray) -> np.ndarray:
    """The array that array is a view of, at the end of the chain."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


# -- DLPack out ----------------------------------------------------------------------------------
def _type_code(capsule: Any) -> ctypes.c_uint8:
    """The element type's code in a capsule that nobody has consumed yet; writing to it changes it.

    dlpack.h: a DLTensor holds its DLDataType.code at byte 20; a DLManagedTensor begins with its
    DLTensor, a DLManagedTensorVersioned has version, context, deleter and flags (32 bytes) before.
    """
    name = _capsule("PyCapsule_GetName", ctypes.c_char_p, capsule)
    if name not in (b"dltensor", b"dltensor_versioned"):
        raise DTypeError(f"from_dlpack: capsule {name!r} is no DLPack tensor, or consumed already")
    start = 32 if name == b"dltensor_versioned" else 0
    address = _capsule("PyCapsule_GetPointer", ctypes.c_void_p, capsule, ctypes.c_char_p(name))
    return ctypes.c_uint8.from_address(address + start + 20)


def _capsule(function: str, result: Any, *args: Any) -> Any:
    call = ctypes.PYFUNCTYPE(result, ctypes.py_object, *(type(a) for a in args[1:]))
    return call((function, ctypes.pythonapi))(*args)


UINT, BFLOAT = 1, 4  # DLDataTypeCode


def dlpack(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[Any, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of this memory, versioned where max_version allows it (1.0 or later)."""
    if self.needs_grad:
        raise ExportError("__dlpack__: the tensor requires a gradient; call detach() first")
    if not isinstance(self.array, np.ndarray):
        return self.array.__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )
    if stream is not None:
        raise ExportError(f"__dlpack__: a tensor on the CPU has no stream, got {stream!r}")
    if dl_device is not None and tuple(map(int, dl_device)) != (1, 0):
        raise ExportError(f"__dlpack__: a tensor on the CPU is device (1, 0), not {dl_device}")
    array = self.array
    if copy:
        array = array.copy(order="K")
    else:
        exposed(array)
    return _exported(array, max_version)


def _exported(array: np.ndarray, max_version: Any) -> Any:
    packed = array.view(np.uint16) if array.dtype == bfloat16 else array
    try:
        capsule = packed.__dlpack__(max_version=max_version)
    except (BufferError, RuntimeError, TypeError) as error:
        why = "is read-only, which only DLPack 1.0 and later can say"
        if array.flags.writeable or isinstance(error, TypeError):
            why = f"of type {array.dtype} and strides {array.strides} has no DLPack form"
        raise ExportError(f"__dlpack__: memory of shape {array.shape} {why}; clone it") from None
    if array.dtype == bfloat16:
        _type_code(capsule).value = BFLOAT
    return capsule


def dlpack_device(self: Tensor) -> tuple[int, int]:
    """(DLDeviceType, index): (1, 0) is the CPU, (2, n) a CUDA GPU."""
    if isinstance(self.array, np.ndarray):
        return 1, 0
    kind, index = self.array.__dlpack_device__()
    return int(kind), int(index)


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule (unversioned) that shares the tensor's memory, to be consumed once.

    >>> import sensorium as sn
    >>> from_dlpack(to_dlpack(sn.ones(2)))
    tensor([1., 1.])
    """
    if not isinstance(tensor, Tensor):
        raise DTypeError(f"to_dlpack: want a Tensor, got {type(tensor).__name__}")
    return dlpack(tensor)


# -- DLPack in -----------------------------------------------------------------------------------
class _Held:
    """One capsule in the dress of an array, which is what numpy reads."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's array (any ``__dlpack__``), or of a capsule.

    copy: True always copies, False never does, None only where it must.

    >>> a = np.zeros(2); t = from_dlpack(a); a[0] = 1; t
    tensor([1., 0.], dtype=float64)
    """
    if type(ext_tensor).__name__ == "PyCapsule":
        return _finished(_read(ext_tensor), device, copy)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise DTypeError(f"from_dlpack: {type(ext_tensor).__name__} has no __dlpack__")
    kind = tuple(map(int, ext_tensor.__dlpack_device__()))
    if kind[0] != 1:
        import cupy

        return _finished(cupy.from_dlpack(ext_tensor), device, copy)
    try:
        capsule = ext_tensor.__dlpack__(max_version=(1, 1))
    except TypeError:  # a producer from before DLPack 1.0
        capsule = ext_tensor.__dlpack__()
    return _finished(_read(capsule), device, copy)


def _read(capsule: Any) -> np.ndarray:
    brain = _type_code(capsule).value == BFLOAT
    if brain:
        _type_code(capsule).value = UINT
    try:
        array = np.from_dlpack(_Held(capsule))
    except (BufferError, RuntimeError, TypeError, ValueError):
        raise DTypeError("from_dlpack: the capsule holds a type or device NumPy cannot") from None
    if brain:
        array = array.view(bfloat16)
    as_dtype(array.dtype)
    exposed(array)
    return array


def _finished(array: Any, device: Any, copy: bool | None) -> Tensor:
    out = wrap(array.copy() if copy else array)
    if device is None or as_device(device).type == out.device.type:
        return out
    if copy is False:
        raise DeviceError(f"from_dlpack: from {out.device} to {device} without a copy (copy=False)")
    return finish(array, device, False)


# -- buffers and anything else -------------------------------------------------------------------
def frombuffer(
    buffer: Any,
    *,
    dtype: Any,
    count: int = -1,
    offset: int = 0,
    requires_grad: bool = False,
) -> Tensor:
    """A 1-D tensor on the memory of a buffer: count elements of dtype from byte offset on.

    Memory that its owner calls read-only (``bytes``) gives a tensor that cannot be written in place.

    >>> frombuffer(bytearray(b"abcd"), dtype="uint8", count=2, offset=1)
    tensor([98, 99], dtype=uint8)
    """
    wanted = as_dtype(dtype)
    try:
        bytes_ = memoryview(buffer).cast("B") if memoryview(buffer).nbytes else b""
    except (TypeError, ValueError, BufferError):
        raise DTypeError(
            f"frombuffer: {type(buffer).__name__} is no contiguous Python buffer"
        ) from None
    length, size = len(bytes_), wanted.itemsize
    if length == 0 or count == 0:
        raise ShapeError(f"frombuffer: {length} bytes and count {count} leave no elements to take")
    if not 0 <= offset < length:
        raise ShapeError(
            f"frombuffer: offset {offset} lies outside the {length} bytes of the buffer"
        )
    if count < 0 and (length - offset) % size:
        raise ShapeError(
            f"frombuffer: {length - offset} bytes from offset {offset} are no multiple of the {size} "
            f"of {wanted}"
        )
    if count > 0 and offset + count * size > length:
        raise ShapeError(
            f"frombuffer: {count} elements of {wanted} from offset {offset} want "
            f"{offset + count * size} bytes, the buffer has {length}"
        )
    array = np.frombuffer(bytes_, np.uint8, -1 if count < 0 else count * size, offset)
    out = wrap(array.view(wanted))
    exposed(out.array)
    return out.requires_grad_() if requires_grad else out


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """obj as a tensor: shares its memory where copy is not True and that can be done.

    Tensors keep their graph (unless requires_grad is False), arrays and DLPack producers their memory;
    a Python buffer is read as elements of dtype (the default float type where None); numbers and
    lists become new tensors. copy=False refuses where a copy would be needed.

    >>> a = np.zeros(2, np.float32); asarray(a).array is a
    True
    """
    shared = _shared(obj, dtype)
    if shared is None:
        if copy is False:
            raise ShapeError(
                f"asarray: {type(obj).__name__} has no memory to share, and copy=False forbids one"
            )
        out = tensor(obj, dtype=dtype, device=device)
    else:
        out = shared.to(device=device, dtype=dtype)
        if copy is False and out.array is not shared.array:
            raise ShapeError(
                f"asarray: {shared.dtype} on {shared.device} cannot become {out.dtype} on "
                f"{out.device} without a copy (copy=False)"
            )
        out = out.clone() if copy and out.array is shared.array else out
    return _wanting(out, obj, requires_grad)


def _shared(obj: Any, dtype: Any) -> Tensor | None:
    """obj's own memory as a tensor; None where there is none."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, np.ndarray):
        return from_numpy(obj)
    if isinstance(obj, np.generic):
        return None
    if hasattr(obj, "__dlpack__") or type(obj).__name__ == "PyCapsule":
        return from_dlpack(obj)
    try:
        memoryview(obj)
    except TypeError:
        return None
    return frombuffer(obj, dtype=default_of(2) if dtype is None else dtype)


def _wanting(out: Tensor, obj: Any, requires_grad: bool | None) -> Tensor:
    """out with the gradient flag asked for; None keeps what obj says."""
    if requires_grad is False:
        return out.detach() if out.needs_grad else out
    if requires_grad and not out.needs_grad:
        out = wrap(out.array) if out is obj else out
        return out.requires_grad_()
    return out


# -- under the names the protocols look for ------------------------------------------------------
def __array_namespace__(self: Tensor, *, api_version: str | None = None) -> Any:
    """The module ``sensorium.array_api``: the functions of the Python array API for tensors."""
    from . import array_api

    known = array_api.__array_api_version__, "2023.12", "2022.12", "2021.12"
    if api_version is not None and api_version not in known:
        raise ShapeError(f"__array_namespace__: api_version {api_version!r} is not one of {known}")
    return array_api


def to_device(self: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """``to(device)`` under the array API's name.

    >>> import sensorium as sn
    >>> sn.ones(1).to_device("cpu")
    tensor([1.])
    """
    if stream is not None:
        raise DeviceError(f"to_device: copies have no stream here, got {stream!r}")
    return self.to(as_device(device))


__array_interface__ = property(array_interface)
__dlpack__, __dlpack_device__ = dlpack, dlpack_device
