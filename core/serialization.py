"""``sn.save`` and ``sn.load``: tensors and nested state on disk, without pickle.

``save`` writes one safetensors file, whole or not at all; ``load`` reads it back, and PyTorch's
``.pt``/``.pth``/``.bin``, safetensors and ``.npz`` files of others, told apart by content.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import io
from .device import Device
from .tensor import Tensor, wrap

Path = str | os.PathLike[str]


def _to_array(value: object) -> tuple[np.ndarray, str] | None:
    if not isinstance(value, Tensor):
        return None
    array = value.array if isinstance(value.array, np.ndarray) else value.array.get()
    return array, type(value).__name__


def _from_array(array: np.ndarray, kind: str) -> Tensor:
    if kind == "Parameter":
        from .nn import Parameter

        return Parameter(wrap(array))
    return wrap(array)


def save(obj: Any, path: Path) -> None:
    """Write obj (tensors, numbers, strings in dicts, lists and tuples) to path, atomically.

    A flat dict of tensors is a plain safetensors file. Tensors come back on the CPU. Raises
    DTypeError, naming the place, for anything that is not data; the file at path stays as it was.

    >>> import os, tempfile
    >>> import sensorium as sn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sn.save({"w": sn.ones(2), "step": 3}, os.path.join(folder, "run.safetensors"))
    ...     sn.load(os.path.join(folder, "run.safetensors"))
    {'w': tensor([1., 1.]), 'step': 3}
    """
    io.save_state(path, obj, to_array=_to_array)


def load(
    path: Path, map_location: str | Device | None = None, *, weights_only: bool | None = None
) -> Any:
    """What a file of ``save``, PyTorch, safetensors or NumPy (.npz) holds, with tensors in it.

    map_location is the device to put them on. Nothing in the file is executed, whatever weights_only
    says; files that ask for it, or are damaged, raise a FormatError that says where.
    """
    kind = io.detect(path)
    if kind in ("torch", "torch-legacy"):
        found = _with_tensors(io.load_object(path))
    elif kind == "safetensors" and "sensorium" in io.load_metadata(path):
        found = io.load_state(path, from_array=_from_array)
    else:
        found = {name: wrap(array) for name, array in io.load(path).items()}
    return found if map_location is None else _moved(found, map_location)


def _with_tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return wrap(value)
    return _rebuilt(value, _with_tensors)


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    return _rebuilt(value, lambda v: _moved(v, device))


def _rebuilt(value: Any, change: Any) -> Any:
    """A container of the same type with every item changed; anything else as it is."""
    if isinstance(value, dict):
        return type(value)((k, change(v)) for k, v in value.items())
    if type(value) in (list, tuple):
        return type(value)(map(change, value))
    return value
