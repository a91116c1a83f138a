"""The exact table of names a PyTorch checkpoint may use, each mapped to a function of ours.

A name is looked up here and nowhere else: nothing is imported, no attribute is fetched, a prefix
never matches. A name that is absent is refused. What PyTorch's own ``weights_only`` list has
and this one lacks (sparse, nested, quantized and meta tensors) stands in ``UNSUPPORTED``. Added to
that list: NumPy's scalars and arrays, which training scripts leave in their checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CorruptError
from .dtypes import TORCH, array_bytes, check_bool, from_order
from .torch_tensors import STORAGE_TYPES, Budget, Storage, rebuild

_KEY_ITEMS = 8
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Constructor:
    """A callable of the table: its name, our function, and how many arguments it takes."""

    name: str
    build: Callable[..., object]
    least: int
    most: int

    def __str__(self) -> str:
        return f"constructor {self.name!a}"

    def __call__(self, budget: Budget, arguments: tuple[object, ...]) -> object:
        if not self.least <= len(arguments) <= self.most:
            raise CorruptError(f"{self.name} got {len(arguments)} arguments")
        return self.build(budget, *arguments)


@dataclass(frozen=True, slots=True)
class Marker:
    """A class that may be named as an argument but never called."""

    name: str

    def __str__(self) -> str:
        return f"class {self.name!a}"


# -- checks shared by the functions below --------------------------------------------------------
def _want(value: Any, kind: type, what: str) -> None:
    """Exact types: a bool is no size, a subclass cannot occur."""
    if type(value) is not kind:
        raise CorruptError(f"{what} should be {kind.__name__}, not {type(value).__name__}")


def _integers(value: Any, what: str) -> tuple[int, ...]:
    _want(value, tuple, what)
    if any(type(item) is not int for item in value):
        raise CorruptError(f"{what} holds something other than integers")
    return value


def check_key(key: Any) -> object:
    """Keys are scalars or short flat tuples: hashing a nested one can take for ever."""
    if type(key) in _SCALARS:
        return key
    flat = type(key) is tuple and len(key) <= _KEY_ITEMS
    if flat and all(type(item) in _SCALARS for item in key):
        return key
    raise CorruptError(f"a key should be a string, a number or a short tuple, not {type(key)}")


def fill(table: dict, key: Any, value: Any) -> None:
    """``table[key] = value`` for a key not yet there."""
    if check_key(key) in table:
        raise CorruptError(f"key {key!a} appears twice")
    table[key] = value


# -- tensors -------------------------------------------------------------------------------------
def _tensor(
    budget: Budget, source: Any, offset: Any, size: Any, stride: Any, *_: Any
) -> np.ndarray:
    """torch._utils._rebuild_tensor, and the three arguments that _v2 adds."""
    _want(source, Storage, "a tensor's storage")
    return _view(budget, source, offset, size, stride, source.dtype)


def _view(
    budget: Budget, source: Any, offset: Any, size: Any, stride: Any, dtype: np.dtype
) -> np.ndarray:
    _want(source, Storage, "a tensor's storage")
    _want(offset, int, "a tensor's offset")
    shape, steps = _integers(size, "a tensor's size"), _integers(stride, "a tensor's stride")
    return rebuild(source, offset, shape, steps, dtype, budget)


def _tensor_v2(
    budget: Budget, source: Any, offset: Any, size: Any, stride: Any,
    _requires_grad: Any, _hooks: Any, metadata: Any = None,
) -> np.ndarray:  # fmt: skip
    return _lazy_bits(_tensor(budget, source, offset, size, stride), metadata)


def _tensor_v3(
    budget: Budget, source: Any, offset: Any, size: Any, stride: Any,
    _requires_grad: Any, _hooks: Any, dtype: Any, metadata: Any = None,
) -> np.ndarray:  # fmt: skip
    """Element types younger than typed storages: the storage is bytes, the type comes here."""
    if not isinstance(dtype, np.dtype):
        raise CorruptError("a tensor's element type is not one")
    return _lazy_bits(_view(budget, source, offset, size, stride, dtype), metadata)


def _lazy_bits(array: np.ndarray, metadata: Any) -> np.ndarray:
    """PyTorch keeps conjugation and negation as flags; carry them out."""
    if metadata is None:
        return array
    _want(metadata, dict, "a tensor's metadata")
    if not set(metadata) <= {"conj", "neg"}:
        raise CorruptError("a tensor's metadata holds something other than conj and neg")
    flags = [name for name, value in metadata.items() if value is True]
    array = np.asarray(np.conj(array)) if "conj" in flags else array
    return np.asarray(-array) if "neg" in flags and array.dtype.kind in "fc" else array


def _parameter(_budget: Budget, data: Any, *_: Any) -> np.ndarray:
    """A parameter is its array; requires_grad, hooks and state belong to the model, not here."""
    _want(data, np.ndarray, "a parameter's data")
    return data


def _from_type(budget: Budget, function: Any, kind: Any, arguments: Any, _state: Any) -> object:
    """A tensor with attributes: the tensor, without them."""
    known = any(function is one for one in _REBUILD)  # `in` would compare arrays
    if not known or not (kind is _TENSOR_CLASS or kind is _PARAMETER):
        raise CorruptError("a tensor of a class other than Tensor and Parameter")
    _want(arguments, tuple, "a tensor's arguments")
    return function(budget, arguments)


# -- plain values --------------------------------------------------------------------------------
def _ordered(_budget: Budget, pairs: Any = ()) -> OrderedDict:
    result: OrderedDict = OrderedDict()
    if type(pairs) not in (list, tuple):
        raise CorruptError("OrderedDict wants a list of pairs")
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise CorruptError("OrderedDict wants a list of pairs")
        fill(result, pair[0], pair[1])
    return result


def _counter(_budget: Budget, counts: Any = None) -> dict:
    """Schedulers keep their milestones in one; a dict holds the same."""
    if counts is not None:
        _want(counts, dict, "Counter's argument")
    return dict(counts or {})


def _set(_budget: Budget, items: Any = ()) -> set:
    if type(items) not in (list, tuple):
        raise CorruptError("set wants a list")
    return {check_key(item) for item in items}


def _size(_budget: Budget, items: Any = ()) -> tuple[int, ...]:
    return _integers(items, "torch.Size")


def _device(_budget: Budget, kind: Any, index: Any = None) -> str:
    _want(kind, str, "torch.device")
    if index is not None:
        _want(index, int, "torch.device's index")
    return str(kind) if index is None else f"{kind}:{index}"


def _encode(_budget: Budget, text: Any, coding: Any = "latin1") -> bytes:
    """How protocol 2 writes bytes: as text whose characters are the bytes."""
    _want(text, str, "encoded bytes")
    if type(coding) is not str or coding not in ("latin1", "latin-1"):
        raise CorruptError("encoded bytes in a coding other than latin1")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise CorruptError("encoded bytes hold a character above 255") from None


def _bytearray(_budget: Budget, data: Any = b"", coding: Any = None) -> bytearray:
    if coding is not None:
        data = _encode(_budget, data, coding)
    _want(data, bytes, "bytearray's argument")
    return bytearray(data)


def _complex(_budget: Budget, real: Any, imaginary: Any) -> complex:
    _want(real, float, "complex's real part")
    _want(imaginary, float, "complex's imaginary part")
    return complex(real, imaginary)


# -- NumPy ---------------------------------------------------------------------------------------
@dataclass(slots=True)
class NumpyType:
    """A NumPy element type; its byte order arrives later, as state."""

    dtype: np.dtype
    order: str = "little"

    def __str__(self) -> str:
        return f"NumPy type {self.dtype}"


@dataclass(slots=True)
class NumpyArray:
    """A NumPy array before its state arrives; ``memo`` lists where the machine noted it."""

    memo: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return "NumPy array without content"


_NUMPY_CODES = {
    code: np.dtype(code)
    for code in (
        "b1",
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "u8",
        "f2",
        "f4",
        "f8",
        "c8",
        "c16",
    )
}


def _numpy_dtype(_budget: Budget, code: Any, *_: Any) -> NumpyType:
    if type(code) is not str or code not in _NUMPY_CODES:
        raise CorruptError(f"NumPy element type {code!a:.40} is not a plain number")
    return NumpyType(_NUMPY_CODES[code])


def _numpy_blank(_budget: Budget, kind: Any, *_: Any) -> NumpyArray:
    if kind is not _NDARRAY:
        raise CorruptError("a NumPy array of a class other than ndarray")
    return NumpyArray()


def _numpy_from_buffer(_budget: Budget, data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    """Protocol 5's way to write an array."""
    plain = bytes(data) if type(data) is bytearray else data
    return numpy_array(kind, shape, plain, type(order) is str and order == "F")


def _numpy_scalar(_budget: Budget, kind: Any, data: Any) -> Any:
    return numpy_array(kind, (), data, False)[()]


def set_order(kind: NumpyType, state: Any) -> None:
    """The state of a NumPy type: (3, byte order, None, None, None, -1, -1, 0)."""
    order = state[1] if type(state) is tuple and len(state) > 1 else None
    if type(order) is not str or order not in ("<", ">", "|", "="):
        raise CorruptError("a NumPy element type with unknown state")
    kind.order = "big" if order == ">" else "little"


def built_array(state: Any) -> np.ndarray:
    """The state of a NumPy array: (1, shape, type, whether Fortran order, bytes)."""
    if type(state) is not tuple or len(state) != 5:
        raise CorruptError("a NumPy array with unknown state")
    _, shape, kind, fortran, data = state
    return numpy_array(kind, shape, data, fortran)


def numpy_array(kind: Any, shape: Any, data: Any, fortran: Any) -> np.ndarray:
    """A copy of ``data`` as an array; ``data`` may be text where Python 2 wrote it."""
    _want(kind, NumpyType, "a NumPy array's element type")
    extents = _integers(shape, "a NumPy array's shape")
    data = data.encode() if type(data) is str else data
    _want(data, bytes, "a NumPy array's data")
    dtype = kind.dtype
    if min(extents, default=0) < 0 or array_bytes(extents, dtype, "array") != len(data):
        raise CorruptError(f"a NumPy array of shape {extents} of {dtype} with other bytes")
    flat = np.frombuffer(data, dtype).copy()
    array = flat.reshape(extents, order="F" if fortran is True else "C")
    return check_bool(from_order(array, kind.order), "NumPy array")


# -- the table -----------------------------------------------------------------------------------
_TENSOR_CLASS, _NDARRAY = Marker("torch.Tensor"), Marker("numpy.ndarray")
_PARAMETER = Constructor("Parameter", _parameter, 1, 2)
_REBUILD = (
    Constructor("_rebuild_tensor", _tensor, 4, 4),
    Constructor("_rebuild_tensor_v2", _tensor_v2, 6, 7),
    Constructor("_rebuild_tensor_v3", _tensor_v3, 7, 8),
    Constructor("_rebuild_parameter", _parameter, 3, 3),
    Constructor("_rebuild_parameter_with_state", _parameter, 4, 4),
)


def _table() -> dict[tuple[str, str], object]:
    table: dict[tuple[str, str], object] = {
        ("collections", "OrderedDict"): Constructor("OrderedDict", _ordered, 0, 1),
        ("collections", "Counter"): Constructor("Counter", _counter, 0, 1),
        ("torch", "Size"): Constructor("Size", _size, 0, 1),
        ("torch", "device"): Constructor("device", _device, 1, 2),
        ("torch", "Tensor"): _TENSOR_CLASS,
        ("torch._tensor", "Tensor"): _TENSOR_CLASS,
        ("torch.nn.parameter", "Parameter"): _PARAMETER,
        ("torch._tensor", "_rebuild_from_type_v2"): Constructor("from_type", _from_type, 4, 4),
        ("_codecs", "encode"): Constructor("encode", _encode, 1, 2),
        ("numpy", "ndarray"): _NDARRAY,
        ("numpy", "dtype"): Constructor("dtype", _numpy_dtype, 1, 3),
    }
    for module in ("builtins", "__builtin__"):
        table[module, "set"] = Constructor("set", _set, 0, 1)
        table[module, "bytearray"] = Constructor("bytearray", _bytearray, 0, 2)
        table[module, "complex"] = Constructor("complex", _complex, 2, 2)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        table[module, "scalar"] = Constructor("scalar", _numpy_scalar, 2, 2)
        table[module, "_reconstruct"] = Constructor("_reconstruct", _numpy_blank, 3, 3)
    for module in ("numpy.core.numeric", "numpy._core.numeric"):
        table[module, "_frombuffer"] = Constructor("_frombuffer", _numpy_from_buffer, 4, 4)
    for module in ("torch", "torch.cuda", "torch.storage"):
        table.update(((module, name), kind) for name, kind in STORAGE_TYPES.items())
    table.update((("torch._utils", function.name), function) for function in _REBUILD)
    table.update((("torch", name), dtype) for name, dtype in TORCH.items())
    return table


GLOBALS = _table()

# Names PyTorch would read and we do not: an honest "not supported" instead of "unsafe".
UNSUPPORTED = {
    ("torch._utils", "_rebuild_qtensor"): "quantized tensors",
    ("torch._utils", "_rebuild_sparse_tensor"): "sparse tensors",
    ("torch._utils", "_rebuild_nested_tensor"): "nested tensors",
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): "tensors without data (meta device)",
    ("torch._utils", "_rebuild_wrapper_subclass"): "tensor subclasses",
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): "tensors of other accelerators",
    ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): "tensors of other accelerators",
    ("torch._utils", "_rebuild_xla_tensor"): "tensors of other accelerators",
    **{
        ("torch", name): f"element type {name}"
        for name in ("qint8", "quint8", "qint32", "quint4x2", "quint2x4", "complex32", "bits8")
    },
    **{
        ("torch", f"{name}Storage"): f"storage type {name}"
        for name in ("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4", "ComplexHalf")
    },
    ("torch.jit._pickle", "build_tensorlist"): "TorchScript",
}
