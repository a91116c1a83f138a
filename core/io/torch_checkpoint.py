"""PyTorch's ``.pt``, ``.pth`` and ``.bin``: a tree of plain values with tensors as its leaves.

Two containers carry it. Since PyTorch 1.6 a zip of stored records:

    NAME/data.pkl   NAME/byteorder   NAME/data/0   NAME/data/1 ...   NAME/version

before that one stream:

    magic, protocol, system info, the object, the storage keys (five pickles), then every storage
    as its element count and bytes

The pickles are read by ``torch_pickle``; the layout follows ``torch/serialization.py`` of 2.13.
Tensors are NumPy arrays over the memory map, strided as they were saved; those that shared a
storage still do. ``requires_grad``, hooks and attributes are not kept. Left out: TorchScript,
the tar files of 2016, sparse, quantized and nested tensors, whole pickled modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from ..errors import CorruptError, FormatError, TruncatedError
from . import _zip
from ._machine import Machine
from .detect import detect_bytes, refusal
from .files import Path, naming, open_map
from .limits import DEFAULT, Limits
from .torch_pickle import run
from .torch_tensors import Budget, Storage, StorageType, storage

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_HINTS = 20


def load_object(path: Path, *, limits: Limits = DEFAULT) -> object:
    """All that ``torch.save`` wrote: dicts, lists, tuples, strings, numbers, and arrays.

    ``torch.Size`` is a tuple, ``torch.device`` a string, ``torch.dtype`` a NumPy dtype.
    Raises ``FormatError`` and its kin; nothing in the file is executed.
    """
    with naming(path):
        return read_object(open_map(path), limits=limits)


def load_state_dict(
    path: Path, *, key: str | Sequence[str | int] | None = None, limits: Limits = DEFAULT
) -> dict[str, np.ndarray]:
    """The flat dict of arrays in a checkpoint, at the top or under ``key``.

    Training scripts store ``{"state_dict": ..., "epoch": ...}``. Nothing is unwrapped by
    guessing: without ``key`` such a file raises ``FormatError`` naming the keys that do hold
    tensors. ``key`` may be a sequence, one key per level.
    """
    with naming(path):
        return read_state_dict(open_map(path), key=key, limits=limits)


def read_state_dict(
    data: memoryview, *, key: str | Sequence[str | int] | None = None, limits: Limits = DEFAULT
) -> dict[str, np.ndarray]:
    """As ``load_state_dict``, from bytes already in memory."""
    tree = read_object(data, limits=limits)
    for step in () if key is None else (key,) if isinstance(key, str) else key:
        tree = _descend(tree, step)
    return _flat(tree)


def read_object(data: memoryview, *, limits: Limits = DEFAULT) -> object:
    """As ``load_object``, from bytes already in memory."""
    data = memoryview(data)
    kind = detect_bytes(data, limits)
    if kind == "torch":
        return _Archive(data, limits).read()
    if kind == "torch-legacy":
        return _Stream(data, limits).read()
    raise refusal(kind, "a PyTorch checkpoint", data)


# -- what the tree holds -------------------------------------------------------------------------
def _descend(tree: object, key: str | int) -> object:
    if not isinstance(tree, dict) or key not in tree:
        raise FormatError(f"no key {key!a} in {_describe(tree)}")
    return tree[key]


def _flat(tree: object) -> dict[str, np.ndarray]:
    if not isinstance(tree, dict):
        raise FormatError(f"holds {_describe(tree)}, not a state dict; load_object reads it")
    others = [name for name, value in tree.items() if not _is_tensor(name, value)]
    if others:
        holders = [name for name in others if _is_flat(tree[name])]
        hint = f"pass key={holders[0]!a}" if holders else "load_object reads it whole"
        raise FormatError(f"holds {_describe(tree)}, not only tensors; {hint}")
    return dict(tree)


def _is_tensor(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, np.ndarray)


def _is_flat(value: object) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(_is_tensor, value, value.values()))


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"a tensor of shape {value.shape}"
    if not isinstance(value, dict):
        return f"a {type(value).__name__}"
    if _is_flat(value):
        return f"{len(value)} tensors"
    parts = [f"{key!a}: {_brief(item)}" for key, item in list(value.items())[:_HINTS]]
    more = f", and {len(value) - _HINTS} more" if len(value) > _HINTS else ""
    return f"{{{', '.join(parts)}{more}}}"


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"tensor {value.shape}"
    if _is_flat(value):
        return f"dict of {len(value)} tensors"
    return type(value).__name__


# -- persistent ids ------------------------------------------------------------------------------
def _identity(identity: tuple[object, ...], length: int) -> tuple[np.dtype, str, int]:
    """('storage', class, key, location, elements[, view]) -> element type, key, elements."""
    if len(identity) != length or type(identity[0]) is not str or identity[0] != "storage":
        raise FormatError("a reference to something other than a storage is not supported")
    kind, key, _, count = identity[1:5]
    if type(kind) is not StorageType:
        raise CorruptError("a storage without a known element type")
    if type(key) is not str and type(key) is not int:
        raise CorruptError("a storage whose key is neither text nor a number")
    if type(count) is not int or count < 0:
        raise CorruptError(f"storage {key!a}: the number of elements is not one")
    return kind.dtype, str(key), count


def _same(known: Storage, dtype: np.dtype, count: int) -> Storage:
    if known.dtype != dtype or known.numel != count:
        raise CorruptError(
            f"storage {known.name!a} is {known.numel} x {known.dtype} "
            f"and elsewhere {count} x {dtype}"
        )
    return known


# -- the zip container ---------------------------------------------------------------------------
class _Archive:
    """A zip whose records stand in one folder; storages are found as the pickle names them."""

    def __init__(self, data: memoryview, limits: Limits) -> None:
        self.data, self.limits = data, limits
        self.records = _zip.parse(data, limits)
        self.folder = self._folder()
        self.order = self._order()
        self.storages: dict[str, Storage] = {}

    def read(self) -> object:
        pickle = self._record("data.pkl")
        budget = Budget.of(self.limits, len(self.data))
        machine = Machine(pickle, "data.pkl", self.limits, self._find, budget)
        tree = run(machine)
        if machine.position != len(pickle):
            raise CorruptError(f"data.pkl goes on after its end at byte {machine.position}")
        return tree

    def _folder(self) -> str:
        """The prefix of every name: what stands before the one ``data.pkl``."""
        found = [name for name in self.records if name.endswith("/data.pkl")]
        if len(found) != 1:
            raise CorruptError(f"{len(found)} records named data.pkl")
        folder = found[0][: -len("data.pkl")]
        for name, record in self.records.items():
            if not name.startswith(folder):
                raise CorruptError(f"record {name!a} lies outside {folder!a}")
            if record.method != _zip.STORED:
                raise FormatError(
                    f"record {name!a} is compressed, which torch.save never does: not supported"
                )
        return folder

    def _order(self) -> str:
        if self.folder + "byteorder" not in self.records:
            return "little"
        order = bytes(self._record("byteorder")[:16])
        if order not in (b"little", b"big"):
            raise CorruptError(f"record byteorder says {order!a}")
        return order.decode()

    def _record(self, name: str) -> memoryview:
        record = self.records.get(self.folder + name)
        if record is None:
            raise CorruptError(f"record {name!a} is missing")
        return _zip.read(self.data, record)

    def _find(self, identity: tuple[object, ...]) -> Storage:
        dtype, key, count = _identity(identity, 5)
        if key not in self.storages:
            data = self._record(f"data/{key}")
            self.storages[key] = storage(key, dtype, count, data, self.order)
        return _same(self.storages[key], dtype, count)


# -- the old stream ------------------------------------------------------------------------------
class _Stream:
    """Pickles, then storages. The object comes before the bytes of its tensors, so it is read
    twice: first to learn what its storages are, then, their bytes found, for its value."""

    def __init__(self, data: memoryview, limits: Limits) -> None:
        self.data, self.limits = data, limits
        self.position = 0
        self.order: Literal["little", "big"] = "little"
        self.storages: dict[str, Storage] = {}

    def read(self) -> object:
        if self._pickle("magic") != _MAGIC or self._pickle("protocol") != _PROTOCOL:
            raise CorruptError("the magic number or protocol of the stream is wrong")
        system = self._pickle("system info")
        if isinstance(system, dict) and system.get("little_endian") is False:
            self.order = "big"
        begin = self.position
        self._pickle("object", self._declare)
        self._fill(self._pickle("storage keys"))
        self.position = begin
        return self._pickle("object", self._find)

    def _pickle(
        self, what: str, find: Callable[[tuple[object, ...]], Storage] | None = None
    ) -> object:
        budget = Budget.of(self.limits, len(self.data))
        machine = Machine(self.data, what, self.limits, find or _no_storage, budget, self.position)
        value = run(machine)
        self.position = machine.position
        return value

    def _declare(self, identity: tuple[object, ...]) -> Storage:
        dtype, key, count = _identity(identity, 6)
        known = self.storages.setdefault(key, storage(key, dtype, count, None, self.order))
        return self._view(_same(known, dtype, count), identity[5])

    def _find(self, identity: tuple[object, ...]) -> Storage:
        dtype, key, count = _identity(identity, 6)
        return self._view(_same(self.storages[key], dtype, count), identity[5])

    def _view(self, root: Storage, view: object) -> Storage:
        """Before 0.4 a storage could be part of another: (key, offset, elements)."""
        if view is None:
            return root
        if type(view) is not tuple or len(view) != 3:
            raise CorruptError(f"storage {root.name!a}: its view is not (key, offset, elements)")
        _, offset, count = view
        if type(offset) is not int or type(count) is not int or min(offset, count) < 0:
            raise CorruptError(f"storage {root.name!a}: its view is not made of numbers")
        if offset + count > root.numel:
            raise CorruptError(
                f"storage {root.name!a}: view [{offset}, {offset + count}) of {root.numel} elements"
            )
        width = root.dtype.itemsize
        part = None if root.raw is None else root.raw[offset * width : (offset + count) * width]
        return Storage(root.name, root.dtype, count, part, root.order)

    def _fill(self, keys: object) -> None:
        """Find the bytes of every declared storage; they end where the file ends."""
        if type(keys) is not list or sorted(map(str, keys)) != sorted(self.storages):
            raise CorruptError("the storage keys are not those that the object names")
        for key in map(str, keys):
            self.storages[key] = self._storage(self.storages[key])
        if self.position != len(self.data):
            raise CorruptError(f"{len(self.data) - self.position} bytes follow the last storage")

    def _storage(self, declared: Storage) -> Storage:
        begin = self.position + 8
        count = int.from_bytes(self.data[self.position : begin], self.order)
        self.position = begin + declared.nbytes
        if begin <= len(self.data) and count != declared.numel:
            raise CorruptError(
                f"storage {declared.name!a}: {declared.numel} elements declared, {count} stored"
            )
        if self.position > len(self.data):
            raise TruncatedError(
                f"storage {declared.name!a} ends at byte {self.position}, "
                f"the file at {len(self.data)}"
            )
        data = self.data[begin : self.position]
        return storage(declared.name, declared.dtype, count, data, self.order)


def _no_storage(identity: tuple[object, ...]) -> Storage:
    raise CorruptError("a storage where none can be")
