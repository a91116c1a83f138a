"""A checkpoint in several files: an index that says which tensor lies in which shard.

    model.safetensors.index.json   {"metadata": {"total_size": 8000}, "weight_map": {"a.weight":
                                    "model-00001-of-00002.safetensors", ...}}

The layout of the Hugging Face Hub, also with ``pytorch_model.bin.index.json`` and PyTorch shards.
The index is data from somebody else: its names are checked before any file is looked for, and a
shard holds exactly the tensors that the index says. ``total_size`` is not compared: converted
checkpoints carry the figure of the files they were made from.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ..errors import CorruptError, FormatError, LimitError, TruncatedError
from . import _json
from .atomic import atomic_write
from .files import Path, naming
from .limits import DEFAULT, Limits
from .safetensors import save_safetensors

MAX_TENSORS, MAX_SHARDS, MAX_BYTES = 1_000_000, 10_000, 256 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")

Reader = Callable[[Path], Mapping[str, np.ndarray]]


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """Tensor -> file name, in the order of the index."""

    weight_map: dict[str, str]

    @property
    def shards(self) -> list[str]:
        """The file names, each once, sorted."""
        return sorted(set(self.weight_map.values()))


# -- reading -------------------------------------------------------------------------------------
def load_index(path: Path) -> ShardIndex:
    """Read and check an index; no other file is touched.

    ``CorruptError`` for what is no index, lists a tensor twice, or names a file anywhere but
    beside itself; ``LimitError`` above a million tensors or ten thousand shards.
    """
    with naming(path), open(path, "rb") as file:
        return read_index(file.read(MAX_BYTES + 1))


def read_index(data: bytes) -> ShardIndex:
    """As ``load_index``, from bytes already in memory.

    >>> read_index(b'{"weight_map": {"w": "a.safetensors", "b": "a.safetensors"}}').shards
    ['a.safetensors']
    """
    if len(data) > MAX_BYTES:
        raise LimitError(f"shard index of more than {MAX_BYTES} bytes")
    if not data:
        raise TruncatedError("shard index of 0 bytes")
    try:
        table = _json.loads(data.decode(), "shard index", 8)
    except UnicodeDecodeError as error:
        raise CorruptError(f"shard index is not UTF-8 at byte {error.start}") from None
    places = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(places, dict) or not places:
        raise CorruptError("shard index: no weight_map of tensors to files")
    return ShardIndex(_checked(places))


def _checked(places: dict[str, object]) -> dict[str, str]:
    """The map, every file name a plain name in the same folder."""
    if len(places) > MAX_TENSORS:
        raise LimitError(f"shard index: {len(places)} tensors; at most {MAX_TENSORS} are read")
    checked = {tensor: _shard_name(tensor, place) for tensor, place in places.items()}
    shards = set(checked.values())
    if len(shards) > MAX_SHARDS:
        raise LimitError(f"shard index: {len(shards)} shards; at most {MAX_SHARDS} are read")
    if len({name.casefold() for name in shards}) != len(shards):
        raise CorruptError("shard index: two shards differ in case only")
    return checked


def _shard_name(tensor: str, place: object) -> str:
    if not isinstance(place, str) or not _NAME.fullmatch(place):
        shown = ascii(place)[:100]
        raise CorruptError(
            f"shard index: tensor {tensor[:100]!a} lies in {shown}, which is no plain file name"
        )
    return place


def load_sharded(
    index: Path,
    *,
    files: Mapping[str, Path] | None = None,
    read: Reader | None = None,
    limits: Limits = DEFAULT,
) -> dict[str, np.ndarray]:
    """Every tensor of a sharded checkpoint, in the order of its index.

    files
        where each shard lies, by its name in the index; by default beside the index, and then
        only regular files or links that stay in that folder
    read
        reads one shard (default: ``sensorium.io.load``)

    All or nothing: ``TruncatedError`` names missing shards, ``CorruptError`` a shard without a
    tensor that the index places there, or with one that it does not.
    """
    with naming(index):
        table = load_index(index)
        paths = _beside(index, table) if files is None else _given(table, files)
    wanted: dict[str, set[str]] = {name: set() for name in table.shards}
    for tensor, place in table.weight_map.items():
        wanted[place].add(tensor)
    arrays: dict[str, np.ndarray] = {}
    for name, path in paths.items():
        with naming(index):
            arrays |= _shard(name, (read or _reader(limits))(path), wanted[name])
    return {tensor: arrays[tensor] for tensor in table.weight_map}


def _reader(limits: Limits) -> Reader:
    from . import load  # the table of contents reads this file first

    return lambda path: load(path, limits=limits)


def _beside(index: Path, table: ShardIndex) -> dict[str, Path]:
    folder = os.path.dirname(os.path.abspath(os.fsdecode(index)))
    paths: dict[str, Path] = {name: os.path.join(folder, name) for name in table.shards}
    if missing := [name for name, path in paths.items() if not os.path.lexists(path)]:
        raise TruncatedError(f"{len(missing)} shards are missing: {', '.join(missing[:20])}")
    for name, path in paths.items():
        if os.path.dirname(os.path.realpath(path)) != os.path.realpath(folder):
            raise FormatError(f"shard {name} is a link that leaves its folder")
    return paths


def _given(table: ShardIndex, files: Mapping[str, Path]) -> dict[str, Path]:
    if missing := [name for name in table.shards if name not in files]:
        raise TruncatedError(f"{len(missing)} shards are missing: {', '.join(missing[:20])}")
    return {name: files[name] for name in table.shards}


def _shard(
    name: str, found: Mapping[str, np.ndarray], wanted: set[str]
) -> Mapping[str, np.ndarray]:
    """The arrays of one shard, if they are exactly those that the index places there."""
    for kind, names in (("lacks", wanted - found.keys()), ("also holds", found.keys() - wanted)):
        if names:
            listed = ", ".join(ascii(tensor) for tensor in sorted(names)[:5])
            raise CorruptError(f"shard {name} {kind} {len(names)} tensors ({listed})")
    return found


# -- writing -------------------------------------------------------------------------------------
def save_sharded(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    max_shard_bytes: int,
    metadata: Mapping[str, str] | None = None,
) -> list[str]:
    """Write ``model.safetensors``, or shards of at most ``max_shard_bytes`` and their index.

    A tensor larger than that has a shard of its own. Each file is written atomically, the index
    last. Returns the names of the files, the one to load first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parts = {"a": np.zeros(4), "b": np.ones(4)}
    ...     names = save_sharded(folder, parts, max_shard_bytes=32)
    ...     both = load_sharded(os.path.join(folder, names[0]))
    >>> names[1:], float(both["b"].sum())
    (['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'], 4.0)
    """
    parts = _split(arrays, max_shard_bytes)
    if len(parts) <= 1:
        save_safetensors(os.path.join(folder, "model.safetensors"), arrays, metadata)
        return ["model.safetensors"]
    names = [f"model-{n:05}-of-{len(parts):05}.safetensors" for n in range(1, len(parts) + 1)]
    places = {tensor: name for name, part in zip(names, parts) for tensor in part}
    for name, part in zip(names, parts):
        kept = {tensor: arrays[tensor] for tensor in part}
        save_safetensors(os.path.join(folder, name), kept, metadata)
    size = sum(np.asarray(array).nbytes for array in arrays.values())
    table = {
        "metadata": {"total_size": size},
        "weight_map": {tensor: places[tensor] for tensor in arrays},
    }
    data = json.dumps(table, indent=2).encode()

    def write(file: BinaryIO) -> None:
        file.write(data)

    index = "model.safetensors.index.json"
    atomic_write(os.path.join(folder, index), write)
    return [index, *names]


def _split(arrays: Mapping[str, np.ndarray], most: int) -> list[list[str]]:
    """Names in order, cut where the next tensor would make a part too large."""
    if most < 1:
        raise FormatError(f"save_sharded: max_shard_bytes is {most}, want at least 1")
    parts: list[list[str]] = []
    room = 0
    for name, array in arrays.items():
        size = np.asarray(array).nbytes
        if not parts or size > room:
            parts.append([])
            room = most
        parts[-1].append(name)
        room -= size
    return parts
