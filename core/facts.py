"""Constants and small questions about tensors: ``pi``, ``is_tensor``, ``numel``, default device.

Follows the functions of the same names in PyTorch. ``dtype`` is the class of the element types.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .device import CPU, Device, as_device
from .errors import DeviceError, DTypeError, OpError
from .tensor import Tensor

e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None
dtype = np.dtype


def _tensor(name: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise DTypeError(f"{name}: input must be a Tensor, got {type(value).__name__}")
    return value


def is_tensor(obj: Any) -> bool:
    """Whether obj is a Tensor.

    >>> is_tensor([1.0])
    False
    """
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether input's element type is a real float type.

    >>> import sensorium as sn
    >>> is_floating_point(sn.ones(1)), is_floating_point(sn.arange(2))
    (True, False)
    """
    return _tensor("is_floating_point", input).is_floating_point()


def is_signed(input: Tensor) -> bool:
    """Whether input's element type has negative numbers.

    >>> import sensorium as sn
    >>> is_signed(sn.ones(1, dtype=sn.uint8))
    False
    """
    return _tensor("is_signed", input).dtype.kind not in "ub"


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of input is not zero.

    >>> import sensorium as sn
    >>> is_nonzero(sn.tensor([0.0]))
    False
    """
    if _tensor("is_nonzero", input).numel() != 1:
        raise OpError(f"is_nonzero: want one element, got shape {tuple(input.shape)}")
    return bool(input.item())


def numel(input: Tensor) -> int:
    """The number of elements.

    >>> import sensorium as sn
    >>> numel(sn.ones(2, 3))
    6
    """
    return _tensor("numel", input).numel()


def get_default_device() -> Device:
    """Where new tensors are made: the CPU.

    >>> get_default_device()
    device(type='cpu')
    """
    return CPU


def set_default_device(device: Any) -> None:
    """Say where new tensors are made: only the CPU can be named, GPU tensors name their device.

    >>> set_default_device("cpu")
    """
    if device is not None and as_device(device) != CPU:
        raise DeviceError(
            f"set_default_device: new tensors are made on the CPU, got {device!r}; give "
            "device= where one is made, or move it with to()"
        )
