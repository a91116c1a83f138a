"""Devices: ``sn.device("cpu")``, ``sn.device("cuda", 0)``, and which one an array is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DeviceError


@dataclass(frozen=True, slots=True, init=False, repr=False)
class device:
    """A kind of memory and, for GPUs, which one: "cpu", "cuda", "cuda:1", ("cuda", 1) or a GPU's number.

    >>> device("cuda:1"), device("cuda", 1) == device(1)
    (device(type='cuda', index=1), True)
    >>> isinstance(device("cpu"), device)
    True
    """

    type: str
    index: int | None

    def __init__(self, type: str | device | int, index: int | None = None) -> None:
        name, number = _parts(type if index is None else f"{type}:{index}")
        object.__setattr__(self, "type", name)  # frozen: this is the one time
        object.__setattr__(self, "index", number)

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"


Device = device  # for signatures in which `device` is an argument


def _parts(value: Any) -> tuple[str, int | None]:
    """The kind and the index that value names."""
    if isinstance(value, device):
        return value.type, value.index
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return "cuda", value
    name, _, index = str(value).partition(":")
    if name not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise DeviceError(f"device: {value!r} is not 'cpu', 'cuda' or 'cuda:N'")
    return name, int(index) if index and name == "cuda" else None


CPU = device("cpu")


def as_device(value: Any) -> Device:
    """The device that value names; None is the CPU."""
    if isinstance(value, Device):
        return value
    if value is None:
        return CPU
    found = device(value)
    return CPU if found.type == "cpu" else found


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
