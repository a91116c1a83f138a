"""Batches in page-locked memory, from which a GPU copies without waiting.

``pin_memory`` follows ``torch.utils.data``: it goes through dicts, named tuples and sequences, and asks
objects that have a ``pin_memory`` of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..memory import pinned
from ..tensor import Tensor


def pin_memory(data: Any, device: Any = None) -> Any:
    """data with its tensors in page-locked memory; numbers and text as they are.

    DeviceError where there is no GPU that would need it.
    """
    if isinstance(data, Tensor):
        return pinned(data)
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _like(data, {key: pin_memory(value, device) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(value, device) for value in data))
    if isinstance(data, Sequence):
        return _like(data, [pin_memory(value, device) for value in data])
    return data.pin_memory() if hasattr(data, "pin_memory") else data


def _like(data: Any, parts: Any) -> Any:
    """parts in data's own class where that can be made from them."""
    try:
        return type(data)(parts)
    except TypeError:
        return parts
