"""Making tensors: tensor, zeros, ones, full, arange, linspace, eye, from_numpy, and the ``_like`` forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .device import CPU, as_device, move
from .dtypes import as_dtype, default_of, int64
from .errors import DTypeError, ShapeError
from .ops._dims import sizes
from .tensor import Tensor, wrap


def _finish(array: Any, device: Any, requires_grad: bool) -> Tensor:
    target = as_device(device)
    out = wrap(array if target is CPU else move(array, target))
    if requires_grad:
        out.requires_grad = True
    return out


def _plain(data: Any) -> Any:
    """data with the tensors inside nested lists as arrays."""
    if isinstance(data, Tensor):
        return data.array if isinstance(data.array, np.ndarray) else data.array.get()
    if isinstance(data, (list, tuple)):
        return [_plain(v) for v in data]
    return data


def _inferred(array: np.ndarray, data: Any) -> Any:
    """The type of new data: NumPy's own for arrays, the default for Python numbers."""
    if hasattr(data, "dtype") or _holds_arrays(data):
        return array.dtype
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
    """A new tensor with a copy of data: numbers, nested lists, arrays, tensors.

    Python floats become the default float type, Python ints int64; arrays keep their type.

    >>> tensor([[1, 2], [3, 4]], dtype="float32")
    tensor([[1., 2.],
            [3., 4.]])
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
    return _finish(array.astype(as_dtype(wanted), copy=False), device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """data as a tensor, sharing memory where it is a tensor or array of the right type already.

    >>> a = np.zeros(2, np.float32); as_tensor(a).array is a
    True
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    if isinstance(data, np.ndarray) and (dtype is None or as_dtype(dtype) == data.dtype):
        return _finish(from_numpy(data).array, device, False)
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


def _filled(
    name: str, fill: Any, shape: tuple[Any, ...], dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    wanted = default_of(2) if dtype is None else as_dtype(dtype)
    size = sizes(name, shape)
    if min(size, default=0) < 0:
        raise ShapeError(f"{name}: sizes must not be negative, got {size}")
    return _finish(fill(size, wanted), device, requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _filled("zeros", np.zeros, size, dtype, device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    >>> ones(2)
    tensor([1., 1.])
    """
    return _filled("ones", np.ones, size, dtype, device, requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor whose values are whatever its memory held.

    >>> empty(2, 3).shape
    sensorium.Size([2, 3])
    """
    return _filled("empty", np.empty, size, dtype, device, requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one value; without dtype its type follows the value.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    wanted = tensor(value).dtype if dtype is None else as_dtype(dtype)
    return _filled(
        "full", lambda s, d: np.full(s, value, d), (size,), wanted, device, requires_grad
    )


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end; ``arange(n)`` counts from 0.

    >>> arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    start, end = (0, start) if end is None else (start, end)
    values = [v.item() if isinstance(v, Tensor) else v for v in (start, end, step)]
    if values[2] == 0 or (values[1] - values[0]) * values[2] < 0:
        raise ShapeError(f"arange: no way from {values[0]} to {values[1]} in steps of {values[2]}")
    whole = all(isinstance(v, (int, np.integer)) for v in values)
    wanted = as_dtype(dtype) if dtype is not None else int64 if whole else default_of(2)
    if not whole and wanted.kind in "iu" and all(map(math.isfinite, values)):
        values, whole = [int(v) for v in values], True  # the ends are cut first, as PyTorch does
        if values[2] == 0:
            raise ShapeError(f"arange: a step of {step} is 0 as {wanted}")
    if whole:
        return _finish(np.arange(*values).astype(wanted, copy=False), device, requires_grad)
    count = max(int(np.ceil((values[1] - values[0]) / values[2])), 0)
    return _finish((values[0] + np.arange(count) * values[2]).astype(wanted), device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """steps values from start to end, both included, equally far apart.

    >>> linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if steps < 0:
        raise ShapeError(f"linspace: steps must not be negative, got {steps}")
    wanted = default_of(2) if dtype is None else as_dtype(dtype)
    return _finish(np.linspace(start, end, steps).astype(wanted), device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere: (n, m), or (n, n).

    >>> eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    wanted = default_of(2) if dtype is None else as_dtype(dtype)
    return _finish(np.eye(n, m, dtype=wanted), device, requires_grad)


def _like(make: Any, input: Tensor, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    array = make(input.array, dtype=None if dtype is None else as_dtype(dtype))
    return _finish(array, device or input.device, requires_grad)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of input's shape, type and device.

    >>> zeros_like(ones(2))
    tensor([0., 0.])
    """
    return _like(np.zeros_like, input, dtype, device, requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of input's shape, type and device.

    >>> ones_like(zeros(2))
    tensor([1., 1.])
    """
    return _like(np.ones_like, input, dtype, device, requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of input's shape, type and device with whatever its memory held.

    >>> empty_like(zeros(2)).shape
    sensorium.Size([2])
    """
    return _like(np.empty_like, input, dtype, device, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value in input's shape, type and device.

    >>> full_like(zeros(2), 7)
    tensor([7., 7.])
    """
    return _like(
        lambda a, dtype: np.full_like(a, fill_value, dtype=dtype),
        input,
        dtype,
        device,
        requires_grad,
    )


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """input on and below a diagonal of its last two dimensions, zeros above.

    >>> tril(ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _triangle("tril", input, diagonal, np.less_equal)


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
