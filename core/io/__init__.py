"""Checkpoint formats: bytes on disk to NumPy arrays and back, and nothing executed in between.

    load                    whatever the file is, by its content: a flat dict of arrays
    detect                  what it is
    load_safetensors        safetensors, memory-mapped; save_safetensors writes it
    load_state_dict         the arrays of a PyTorch .pt/.pth/.bin; load_object its whole tree
    load_npz, load_npy      NumPy's own files; save_npz writes the former
    load_ctranslate2        the variables of a CTranslate2 model.bin
    load_onnx_weights       the tensors that an ONNX file stores, without its graph
    load_sharded            safetensors or PyTorch shards by their index; save_sharded writes them
    save_state, load_state  our checkpoints: nested state in one safetensors file
    atomic_write            all of a file or nothing of it
    Limits                  what a file may cost

Arrays share the file's memory map copy-on-write. Every refusal is a ``FormatError``
(``sensorium.errors``) that begins with the file's name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import FormatError
from .atomic import atomic_write as atomic_write
from .ctranslate2 import load_ctranslate2 as load_ctranslate2, read_ctranslate2
from .detect import KINDS as KINDS, detect as detect, detect_bytes, refusal
from .files import Path, naming, open_map, require_finite
from .limits import DEFAULT, Limits as Limits
from .npz import load_npy as load_npy, load_npz as load_npz, read_npz, save_npz as save_npz
from .onnx_weights import load_onnx_weights as load_onnx_weights, read_onnx_weights
from .safetensors import (
    load_metadata as load_metadata,
    load_safetensors as load_safetensors,
    read,
    save_safetensors as save_safetensors,
)
from .sharded import (
    ShardIndex as ShardIndex,
    load_index as load_index,
    load_sharded as load_sharded,
    save_sharded as save_sharded,
)
from .state import load_state as load_state, save_state as save_state
from .torch_checkpoint import (
    load_object as load_object,
    load_state_dict as load_state_dict,
    read_state_dict,
)


def load(
    path: Path,
    *,
    key: str | Sequence[str | int] | None = None,
    limits: Limits | None = None,
    check_finite: bool = False,
) -> dict[str, np.ndarray]:
    """The arrays of a safetensors, PyTorch, ``.npz``, CTranslate2 or ONNX file, told apart by content.

    ``key`` picks a state dict out of a PyTorch checkpoint (see ``load_state_dict``).
    ``check_finite`` refuses weights with NaN or infinity, naming tensor and index. Raises
    ``FormatError`` and its kin; for a file of another kind the message says which.
    """
    with naming(path):
        arrays = _read(open_map(path), key, limits or DEFAULT)
        if check_finite:
            require_finite(arrays, "check_finite")
    return arrays


def _read(
    data: memoryview, key: str | Sequence[str | int] | None, limits: Limits
) -> dict[str, np.ndarray]:
    kind = detect_bytes(data, limits)
    if kind in ("torch", "torch-legacy"):
        return read_state_dict(data, key=key, limits=limits)
    if key is not None:
        raise FormatError(f"key {key!a}: only PyTorch checkpoints nest; this is {KINDS[kind]}")
    if kind == "safetensors":
        return read(data, limits=limits)
    if kind == "npz":
        return read_npz(data, limits=limits)
    if kind == "ctranslate2":
        return read_ctranslate2(data, limits=limits)
    if kind == "onnx":
        return read_onnx_weights(data, limits=limits)
    raise refusal(kind, "a safetensors, PyTorch, .npz, CTranslate2 or ONNX checkpoint", data)
