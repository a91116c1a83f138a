"""Devices: ``sn.device("cpu")``, ``sn.device("cuda", 0)``, and which one an array is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DeviceError


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of memory and, for GPUs, which one.

    >>> as_device("cuda:1")
    device(type='cuda', index=1)
    """

    type: str
    index: int | None = None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"


CPU = Device("cpu")


def device(type: str | Device | int, index: int | None = None) -> Device:
    """A device by name ("cpu", "cuda", "cuda:1"), by name and index, or by GPU number."""
    if index is not None:
        return as_device(f"{type}:{index}")
    return as_device(type)


def as_device(value: Any) -> Device:
    """The device that value names; None is the CPU."""
    if isinstance(value, Device):
        return value
    if value is None:
        return CPU
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Device("cuda", value)
    name, _, index = str(value).partition(":")
    if name not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise DeviceError(f"device: {value!r} is not 'cpu', 'cuda' or 'cuda:N'")
    return Device(name, int(index) if index else None) if name == "cuda" else CPU


def device_of(array: Any) -> Device:
    """The device whose memory the array is in."""
    if isinstance(array, np.ndarray):
        return CPU
    return Device("cuda", array.device.id)


def move(array: Any, target: Device) -> Any:
    """The array on target: itself when it is there already, else a copy."""
    if target.type == "cpu":
        return array if isinstance(array, np.ndarray) else array.get()
    from .backends import cuda

    return cuda.to_device(array, target.index)
