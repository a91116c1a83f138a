"""Our own checkpoints: nested Python state in one safetensors file.

The arrays are the tensors of the file; the tree that holds them is a JSON text in its metadata,
under the key ``sensorium``, where ``{"array": name}`` stands for a tensor. A flat dict of arrays
keeps its names, so any safetensors library reads it. An array that occurs twice is stored once.

    None, bool, int, float, str, list      as in JSON (nan, inf and huge ints tagged)
    tuple, dict, OrderedDict, bytes, complex, NumPy scalars, arrays, objects of the hooks   tagged

What else there is: sets, classes and functions raise ``DTypeError`` naming the place.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import CorruptError, DTypeError, FormatError, LimitError
from . import _json, safetensors
from .files import Path, naming, open_map
from .limits import DEFAULT, Limits

KEY = "sensorium"
VERSION = 1
ToArray = Callable[[object], "tuple[np.ndarray, str] | None"]
FromArray = Callable[[np.ndarray, str], object]
_VIEWS = (None, "complex128")


# -- writing -------------------------------------------------------------------------------------
def save_state(path: Path, obj: object, *, to_array: ToArray | None = None) -> None:
    """Write a tree of containers, scalars and arrays; atomic and durable.

    ``to_array(x)`` may turn an object of another library into ``(array, kind)``; it returns None
    for what it does not know. ``kind`` comes back to ``load_state``'s ``from_array``.

    >>> import tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "state.safetensors")
    ...     save_state(path, {"step": 3, "rate": (0.1, float("inf"))})
    ...     load_state(path)
    {'step': 3, 'rate': (0.1, inf)}
    """
    encoder = _Encoder(to_array)
    tree = encoder.encode(obj, ())
    text = json.dumps({"version": VERSION, "tree": tree}, separators=(",", ":"))
    safetensors.save_safetensors(path, encoder.arrays, {KEY: text})


Place = tuple[object, ...]


class _Encoder:
    """Turns values into JSON, collecting arrays by name on the way."""

    def __init__(self, to_array: ToArray | None) -> None:
        self.to_array = to_array
        self.arrays: dict[str, np.ndarray] = {}
        self.names: dict[tuple[object, ...], str] = {}  # where an array lies -> its name
        self.kept: list[object] = []  # alive until written: an address must stay its array's

    def encode(self, value: Any, place: Place) -> object:
        if len(place) > DEFAULT.depth:
            raise LimitError(f"save_state: {_show(place[:8])}... is nested too deep, or in itself")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int or kind is float:
            return _number(value)
        if kind is bytes:
            return {"bytes": base64.b64encode(value).decode()}
        if kind is complex:
            return {"complex": [_number(value.real), _number(value.imag)]}
        if kind is list or kind is tuple:
            items = [self.encode(v, (*place, i)) for i, v in enumerate(value)]
            return items if kind is list else {"tuple": items}
        if isinstance(value, dict):
            return self._dict(value, place)
        return self._leaf(value, place)

    def _dict(self, value: dict, place: Place) -> object:
        tag = "OrderedDict" if isinstance(value, OrderedDict) else "dict"
        if all(type(key) is str for key in value):
            return {tag: {key: self.encode(v, (*place, key)) for key, v in value.items()}}
        pairs = [[self._key(key, place), self.encode(v, (*place, key))] for key, v in value.items()]
        return {tag: pairs}

    def _key(self, key: Any, place: Place) -> object:
        if type(key) in (str, int, float, bool, type(None)):
            return self.encode(key, place)
        if type(key) is tuple:
            return {"tuple": [self._key(item, place) for item in key]}
        raise DTypeError(f"save_state: key {key!a:.80} of {_show(place)} is a {_type(key)}")

    def _leaf(self, value: object, place: Place) -> object:
        if isinstance(value, np.generic):
            return {"scalar": self._store(np.asarray(value), place)}
        if isinstance(value, np.ndarray):
            return self._array(value, "", place)
        found = self.to_array(value) if self.to_array else None
        if found is None:
            raise DTypeError(
                f"save_state: {_show(place)} is a {_type(value)}; it can hold arrays, tensors, "
                "numbers, strings, None, lists, tuples and dicts"
            )
        self.kept.append(value)
        return self._array(found[0], found[1], place)

    def _array(self, array: np.ndarray, kind: str, place: Place) -> object:
        node: dict[str, object] = {}
        if array.dtype == np.complex128:  # safetensors has C64 only: pairs of float64
            node["view"] = "complex128"
        node = {"array": self._store(array, place), **node}
        return {**node, "kind": kind} if kind else node

    def _store(self, array: np.ndarray, place: Place) -> str:
        """The name under which the array stands in the file; the same for the same memory."""
        where = (
            array.__array_interface__["data"][0] if array.size else id(array),
            array.shape, array.strides, array.dtype,
        )  # fmt: skip
        if where not in self.names:
            self.kept.append(array)
            self.names[where] = name = self._free_name(".".join(map(str, place)) or "value")
            self.arrays[name] = _plain(array, place)
        return self.names[where]

    def _free_name(self, name: str) -> str:
        count, free = 1, name
        while free in self.arrays or free == "__metadata__":
            count += 1
            free = f"{name}#{count}"
        return free


def _plain(array: np.ndarray, place: Place) -> np.ndarray:
    if array.dtype == np.complex128:
        pairs = np.ascontiguousarray(array).reshape(*array.shape, 1)
        return pairs.view(np.float64)
    if array.dtype.newbyteorder("=") not in safetensors.SAFETENSORS_NAME:
        raise DTypeError(f"save_state: {_show(place)} is an array of {array.dtype}, not of numbers")
    return array


def _number(value: float) -> object:
    if isinstance(value, int):  # JSON readers disagree above 64 bits
        return value if value.bit_length() < 64 else {"int": hex(value)}
    return value if math.isfinite(value) else {"float": repr(value)}


def _show(place: Place) -> str:
    return "state" + "".join(f"[{key!a:.60}]" for key in place)


def _type(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


# -- reading -------------------------------------------------------------------------------------
def load_state(
    path: Path, *, from_array: FromArray | None = None, limits: Limits = DEFAULT
) -> object:
    """What ``save_state`` wrote; of any other safetensors file, its dict of arrays.

    Arrays of kind "" stay arrays; of every other kind ``from_array(array, kind)`` is called, once
    per stored array and kind, so what was shared is shared again. Arrays of a foreign file have
    kind "tensor". Raises ``FormatError`` and its kin.
    """
    with naming(path):
        data = open_map(path)
        header = safetensors.read_header(data, limits=limits)
        arrays = safetensors.read_entries(data, header)
        decoder = _Decoder(arrays, from_array)
        if KEY not in header.metadata:
            return {name: decoder.array(name, "tensor") for name in arrays}
        # Each level of the tree takes up to three of JSON: {"dict": [[key, value]]}.
        table = _json.loads(header.metadata[KEY], "state", 3 * limits.depth + 8)
        if not isinstance(table, dict) or table.keys() != {"version", "tree"}:
            raise CorruptError("state: not a table of version and tree")
        if table["version"] != VERSION:
            raise FormatError(
                f"state of version {table['version']!a:.20}, this is version {VERSION}: upgrade"
            )
        return decoder.decode(table["tree"])


class _Decoder:
    """The inverse of ``_Encoder``: one method per tag."""

    def __init__(self, arrays: dict[str, np.ndarray], from_array: FromArray | None) -> None:
        self.arrays, self.from_array = arrays, from_array
        self.made: dict[tuple[str, str, object], object] = {}

    def decode(self, node: object) -> object:
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        tag = next(iter(node), None)
        rule = _RULES.get(tag) if tag is not None else None
        if rule is None or (len(node) > 1 and tag != "array"):
            raise CorruptError(f"state: tag {tag!a:.60} is not known")
        return rule(self, node)

    def array(self, name: str, kind: str, view: object = None) -> object:
        key = (name, kind, view)
        if key not in self.made:
            array = self.stored(name) if view is None else self.pairs(name)
            convert = self.from_array if kind else None
            self.made[key] = convert(array, kind) if convert else array
        return self.made[key]

    def stored(self, name: object) -> np.ndarray:
        if not isinstance(name, str) or name not in self.arrays:
            raise CorruptError(f"state: array {name!a:.60} is not in the file")
        return self.arrays[name]

    def pairs(self, name: str) -> np.ndarray:
        """Complex numbers from pairs of float64."""
        array = self.stored(name)
        if array.dtype != np.float64 or array.shape[-1:] != (2,):
            raise CorruptError(f"state: array {name!a:.60} is not pairs of float64")
        return array.view(np.complex128)[..., 0]

    def tagged_array(self, node: dict) -> object:
        if not node.keys() <= {"array", "view", "kind"} or node.get("view") not in _VIEWS:
            raise CorruptError("state: an array with unknown fields")
        name, kind = _want(node["array"], str), _want(node.get("kind", ""), str)
        return self.array(name, kind, node.get("view"))

    def scalar(self, node: dict) -> object:
        array = self.stored(node["scalar"])
        if array.ndim:
            raise CorruptError(f"state: scalar {node['scalar']!a:.60} is an array")
        return array[()]

    def mapping(self, node: dict) -> object:
        tag, body = next(iter(node.items()))
        result: dict = OrderedDict() if tag == "OrderedDict" else {}
        pairs = list(map(list, body.items())) if isinstance(body, dict) else _want(body, list)
        for pair in pairs:
            if type(pair) is not list or len(pair) != 2:
                raise CorruptError("state: a dict holds something other than pairs")
            key = self.key(pair[0])
            if key in result:
                raise CorruptError(f"state: key {key!a:.60} appears twice")
            result[key] = self.decode(pair[1])
        return result

    def key(self, node: object) -> object:
        if isinstance(node, dict) and node.keys() == {"tuple"}:
            return tuple(self.key(item) for item in _want(node["tuple"], list))
        value = self.decode(node)
        if isinstance(value, (dict, list, tuple, np.ndarray)):
            raise CorruptError("state: a container cannot be a key")
        return value


def _want(value: object, kind: type) -> Any:
    if type(value) is not kind:
        raise CorruptError(f"state: {value!a:.60} is not a {kind.__name__}")
    return value


def _bytes(node: dict) -> bytes:
    try:
        return base64.b64decode(_want(node["bytes"], str), validate=True)
    except (binascii.Error, ValueError):
        raise CorruptError("state: bytes are not base64") from None


def _float(node: dict) -> float:
    if node["float"] not in ("nan", "inf", "-inf"):
        raise CorruptError(f"state: float {node['float']!a:.60} is not nan, inf or -inf")
    return float(node["float"])


def _int(node: dict) -> int:
    try:
        return int(_want(node["int"], str), 16)
    except ValueError:
        raise CorruptError(f"state: int {node['int']!a:.60} is not hexadecimal") from None


def _complex(decoder: _Decoder, node: dict) -> complex:
    parts: list[Any] = [decoder.decode(part) for part in _want(node["complex"], list)]
    if len(parts) != 2 or any(type(part) is not float for part in parts):
        raise CorruptError("state: complex is not two floats")
    return complex(*parts)


_RULES: dict[object, Callable[[_Decoder, dict], object]] = {
    "tuple": lambda decoder, node: tuple(decoder.decode(i) for i in _want(node["tuple"], list)),
    "dict": _Decoder.mapping,
    "OrderedDict": _Decoder.mapping,
    "array": _Decoder.tagged_array,
    "scalar": _Decoder.scalar,
    "bytes": lambda _, node: _bytes(node),
    "float": lambda _, node: _float(node),
    "int": lambda _, node: _int(node),
    "complex": _complex,
}
