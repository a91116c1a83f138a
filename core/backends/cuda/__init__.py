"""NVIDIA GPUs through CuPy. Nothing here imports CuPy before a GPU is asked for."""

from __future__ import annotations

from typing import Any

from ...errors import DeviceError


def why_not() -> str:
    """Why no GPU can be used; empty when one can."""
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed: pip install 'sensorium[cuda]'"
    if not cupy.cuda.is_available():
        return "CuPy finds no NVIDIA GPU or driver on this machine"
    return ""


def to_device(array: Any, index: int | None) -> Any:
    """A copy of the array in the memory of GPU number index (the current one if None)."""
    reason = why_not()
    if reason:
        raise DeviceError(f"to: cannot move a tensor to 'cuda': {reason}")
    import cupy

    chosen = cupy.cuda.Device() if index is None else cupy.cuda.Device(index)
    if isinstance(array, cupy.ndarray) and array.device == chosen:
        return array
    count = cupy.cuda.runtime.getDeviceCount()
    if index is not None and index >= count:
        raise DeviceError(f"to: GPU {index} does not exist, this machine has {count}")
    with chosen:
        return cupy.asarray(array)


def pinned(array: Any) -> Any:
    """A copy of a NumPy array in page-locked memory."""
    reason = why_not()
    if reason:
        raise DeviceError(f"pin_memory: {reason}")
    import cupyx

    found = cupyx.empty_pinned(array.shape, array.dtype)
    found[...] = array
    return found


def is_pinned(array: Any) -> bool:
    """Whether the memory of a NumPy array was page-locked by CuPy."""
    owner = array
    while owner is not None:
        if type(owner).__name__ == "PinnedMemoryPointer":
            return True
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return False
