"""Reading a pickle of plain values and NumPy arrays as data, through the machine of ``sensorium.io``.

CIFAR's Python batches are pickles. They go through the same small machine as PyTorch checkpoints,
whose table of names includes NumPy's array and dtype; nothing is imported or executed.
"""

from __future__ import annotations

import os
from typing import Any

from sensorium.errors import CorruptError
from sensorium.io import Limits
from sensorium.io._machine import Machine
from sensorium.io.files import naming, open_map
from sensorium.io.torch_pickle import run
from sensorium.io.torch_tensors import Budget, Storage


def read_pickle(path: str | os.PathLike[str]) -> dict[Any, Any]:
    """The dict in a pickle file of protocol 2 to 5; Python 2's strings come as text or bytes.

    ``FormatError`` and its kin, beginning with the file's name: ``UnsafeContentError`` for any call
    that is not NumPy's, ``TruncatedError``, ``CorruptError``, ``LimitError``.
    """
    with naming(path):
        data, limits = open_map(path), Limits()
        budget = Budget.of(limits, len(data))
        machine = Machine(data, "pickle", limits, _no_storage, budget)
        value = run(machine)
        if machine.position != len(data):
            raise CorruptError(f"the pickle ends at byte {machine.position} of {len(data)}")
        if type(value) is not dict:
            raise CorruptError(f"holds a {type(value).__name__}, want a dict")
        return value


def _no_storage(identity: tuple[object, ...]) -> Storage:
    raise CorruptError("a reference to a storage, which only checkpoints have")
