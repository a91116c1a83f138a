"""sensorium.cuda: is there a GPU, how many, which one. Nothing is imported before it is asked for."""

from __future__ import annotations

from .backends import cuda as _cuda
from .errors import DeviceError


def is_available() -> bool:
    """Whether CuPy is installed and finds an NVIDIA GPU; never raises."""
    return not _cuda.why_not()


def device_count() -> int:
    """How many GPUs there are; 0 where none can be used."""
    if not is_available():
        return 0
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def _require(name: str) -> None:
    reason = _cuda.why_not()
    if reason:
        raise DeviceError(f"cuda.{name}: {reason}")


def current_device() -> int:
    """The number of the GPU that new GPU tensors go to."""
    _require("current_device")
    import cupy

    return int(cupy.cuda.runtime.getDevice())


def get_device_name(device: int = 0) -> str:
    """The name of a GPU as its driver gives it."""
    _require("get_device_name")
    import cupy

    return cupy.cuda.runtime.getDeviceProperties(device)["name"].decode()


def synchronize() -> None:
    """Wait until the current GPU has done everything it was asked."""
    _require("synchronize")
    import cupy

    cupy.cuda.Device().synchronize()
