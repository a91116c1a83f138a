"""Making tensors: tensor, zeros, ones, full, arange, eye, from_numpy, tril, triu.

The ``_like`` forms are in ``create_like``, ``linspace`` and its kin in ``create_line``.

``layout=`` takes ``sn.strided``, the only one; ``pin_memory=`` is accepted and changes nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .device import CPU, as_device, move
from .dtypes import as_dtype, default_of, int64
from .errors import DTypeError, ShapeError
from .ops._dims import sizes
from .ops._out import with_out
from .tensor import Tensor, wrap


def finish(array: Any, device: Any, requires_grad: bool) -> Tensor:
    target = as_device(device)
    out = wrap(array if target is CPU else move(array, target))
    if requires_grad:
        out.requires_grad = True
    return out


def check_layout(name: str, layout: Any) -> None:
    """Refuse every layout but ``strided``."""
    if layout is not None:
        from .memory import check_layout

        check_layout(name, layout)


# -- from values ---------------------------------------------------------------------------------
def _plain(data: Any) -> Any:
    """data with the tensors inside nested lists as arrays, and bytes as their numbers."""
    if isinstance(data, Tensor):
        return data.array if isinstance(data.array, np.ndarray) else data.array.get()
    if isinstance(data, (list, tuple)):
        return [_plain(v) for v in data]
    return memoryview(data) if isinstance(data, (bytes, bytearray)) else data


def _inferred(array: np.ndarray, data: Any) -> Any:
    """The type of new data: NumPy's own for arrays, the default for Python numbers."""
    if hasattr(data, "dtype") or hasattr(data, "dtypes") or _holds_arrays(data):
        return array.dtype  # a pandas table has the types of its columns
    if array.size == 0 and array.dtype.kind == "f":
        return default_of(2)
    return {"f": default_of(2), "i": int64, "u": int64, "c": default_of(3)}.get(
        array.dtype.kind, array.dtype
    )


def _holds_arrays(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return hasattr(data, "dtype")


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of data: numbers, nested lists, arrays, tensors, buffers, columns.

    Python floats become the default float type, Python ints int64; arrays and the columns of pandas
    keep their type; what a buffer (``array.array``, ``memoryview``, ``bytes``) holds counts as Python
    numbers.

    >>> tensor([[1, 2], [3, 4]], dtype="float32")
    tensor([[1., 2.],
            [3., 4.]])
    >>> tensor(b"abc")
    tensor([97, 98, 99])
    """
    try:
        array = np.array(_plain(data))
    except (ValueError, OverflowError):
        raise ShapeError(
            f"tensor: the nested lists are ragged or hold no numbers: {data!r:.80}"
        ) from None
    wanted = as_dtype(dtype) if dtype is not None else _inferred(array, data)
    if array.dtype.kind not in "biufcV" or (array.dtype.kind == "V" and array.dtype != wanted):
        raise DTypeError(
            f"tensor: cannot hold {type(data).__name__} of {array.dtype}: {data!r:.80}"
        )
    if array.dtype.kind == "c" and wanted.kind != "c":
        raise DTypeError(f"tensor: complex values cannot become {wanted}")
    return finish(array.astype(as_dtype(wanted), copy=False), device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """data as a tensor, sharing memory where it is a tensor or array of the right type already.

    >>> a = np.zeros(2, np.float32); as_tensor(a).array is a
    True
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    if isinstance(data, np.ndarray) and (dtype is None or as_dtype(dtype) == data.dtype):
        return finish(from_numpy(data).array, device, False)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory.

    >>> a = np.zeros(2); t = from_numpy(a); a[0] = 1; t
    tensor([1., 0.], dtype=float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise DTypeError(f"from_numpy: want a numpy.ndarray, got {type(ndarray).__name__}")
    as_dtype(ndarray.dtype)
    from .backends.cpu import prepack

    prepack.exposed(ndarray)
    return wrap(ndarray)


# -- from a shape --------------------------------------------------------------------------------
def _filled(
    name: str, fill: Any, shape: Any, size: Any, dtype: Any, layout: Any, device: Any, grad: bool
) -> Tensor:
    check_layout(name, layout)
    wanted = default_of(2) if dtype is None else as_dtype(dtype)
    shape = sizes(name, shape if size is None else (size, *shape))
    if min(shape, default=0) < 0:
        raise ShapeError(f"{name}: sizes must not be negative, got {shape}")
    try:
        return finish(fill(shape, wanted), device, grad)
    except ValueError:
        raise ShapeError(f"{name}: {shape} is more than any memory can address") from None


@with_out
def zeros(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _filled("zeros", np.zeros, shape, size, dtype, layout, device, requires_grad)


@with_out
def ones(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of ones.

    >>> ones(2)
    tensor([1., 1.])
    """
    return _filled("ones", np.ones, shape, size, dtype, layout, device, requires_grad)


@with_out
def empty(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor whose values are whatever its memory held.

    >>> empty(2, 3).shape
    sensorium.Size([2, 3])
    """
    out = _filled("empty", np.empty, shape, size, dtype, layout, device, requires_grad)
    if memory_format is None:
        return out
    from . import memory

    memory.check("empty", memory_format, memory.preserve_format)
    array = memory.empty_like(out.array, out.dtype, memory_format)
    return finish(array, device, requires_grad)


@with_out
def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of one value; without dtype its type follows the value.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    value = number_of(fill_value)
    wanted = tensor(value).dtype if dtype is None else as_dtype(dtype)
    element = element_of("full", value, wanted)

    def fill(shape: Any, dtype: Any) -> np.ndarray:
        return np.full(shape, element, dtype)

    return _filled("full", fill, (size,), None, wanted, layout, device, requires_grad)


def number_of(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def element_of(name: str, value: Any, dtype: Any) -> np.ndarray:
    """value as one element of dtype; a value that it has no place for is refused."""
    value = np.asarray(value)
    if value.dtype.kind == "c" and dtype.kind != "c":
        raise DTypeError(f"{name}: the complex value {value} cannot become {dtype}")
    if value.dtype.kind in "iu" and dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if not -high - 1 <= int(value) <= high:
            raise ShapeError(f"{name}: {value} is out of range for {dtype} ({low} to {high})")
    with np.errstate(all="ignore"):
        return value.astype(dtype)


def _finite(values: list[Any]) -> list[Any]:
    if not all(isinstance(v, (int, float, np.integer, np.floating)) for v in values):
        raise DTypeError(f"arange: ends and step must be real numbers, got {values}")
    if not all(map(math.isfinite, values)):
        raise ShapeError(f"arange: ends and step must be finite, got {values}")
    return values


@with_out
def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """start, start + step, ... below end; ``arange(n)`` counts from 0.

    >>> arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    check_layout("arange", layout)
    start, end = (0, start) if end is None else (start, end)
    values = _finite([number_of(v) for v in (start, end, step)])
    if values[2] == 0 or (values[1] - values[0]) * values[2] < 0:
        raise ShapeError(f"arange: no way from {values[0]} to {values[1]} in steps of {values[2]}")
    whole = all(isinstance(v, (int, np.integer)) for v in values)
    wanted = as_dtype(dtype) if dtype is not None else int64 if whole else default_of(2)
    if not whole and wanted.kind in "iu":
        values, whole = [int(v) for v in values], True  # the ends are cut first, as PyTorch does
        if values[2] == 0:
            raise ShapeError(f"arange: a step of {step} is 0 as {wanted}")
    if whole:
        return finish(np.arange(*values).astype(wanted, copy=False), device, requires_grad)
    count = max(int(np.ceil((values[1] - values[0]) / values[2])), 0)
    return finish((values[0] + np.arange(count) * values[2]).astype(wanted), device, requires_grad)


@with_out
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere: (n, m), or (n, n).

    >>> eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_layout("eye", layout)
    if min(n, n if m is None else m) < 0:
        raise ShapeError(f"eye: sizes must not be negative, got n {n} and m {m}")
    wanted = default_of(2) if dtype is None else as_dtype(dtype)
    return finish(np.eye(n, m, dtype=wanted), device, requires_grad)


@with_out
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """input on and below a diagonal of its last two dimensions, zeros above.

    >>> tril(ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _triangle("tril", input, diagonal, np.less_equal)


@with_out
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """input on and above a diagonal of its last two dimensions, zeros below.

    >>> triu(ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _triangle("triu", input, diagonal, np.greater_equal)


def _triangle(name: str, input: Tensor, diagonal: int, compare: Any) -> Tensor:
    if input.ndim < 2:
        raise ShapeError(f"{name}: want at least 2 dimensions, got shape {tuple(input.shape)}")
    n, m = input.shape[-2:]
    mask = compare(np.arange(m)[None, :] - np.arange(n)[:, None], diagonal)
    from .ops.select import where

    return where(move(mask, input.device), input, 0 if input.dtype.kind != "b" else False)
