"""Making tensors under the array API's names and rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import create, create_like, create_line, interop, ops
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor
from ._base import common_type, tensor_of


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)


def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """start, start + step, ... below stop; empty where no step leads there."""
    start, stop = (0, start) if stop is None else (start, stop)
    if step != 0 and (stop - start) / step <= 0:
        whole = all(isinstance(v, int) for v in (start, stop, step))
        empty_type = dtype if dtype is not None else np.int64 if whole else None
        return create.empty(0, dtype=empty_type, device=device)
    return create.arange(start, stop, step, dtype=dtype, device=device)


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Tensor:
    """obj (numbers, nested lists, a tensor, an array, a buffer) as a tensor."""
    if not isinstance(obj, (Tensor, np.ndarray, np.generic)) and not hasattr(obj, "__dlpack__"):
        try:
            obj = np.asarray(memoryview(obj))  # a buffer knows its own element type
        except TypeError:
            return _from_numbers(obj, dtype, device, copy)
    if isinstance(obj, np.generic):
        obj = np.asarray(obj)
    return interop.asarray(obj, dtype=dtype, device=device, copy=copy)


def _from_numbers(obj: Any, dtype: Any, device: Any, copy: bool | None) -> Tensor:
    if copy is False:
        raise ShapeError(f"asarray: {type(obj).__name__} has no memory to share (copy=False)")
    if isinstance(obj, (list, tuple)) and dtype is None and (tensors := list(_tensors(obj))):
        dtype = common_type("asarray", *tensors)
    return create.tensor(obj, dtype=dtype, device=device)


def _tensors(obj: Any) -> Any:
    for value in obj:
        if isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, Tensor):
            yield value


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor whose values are whatever its memory held."""
    return create.empty(_shape(shape), dtype=dtype, device=device)


def empty_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """``empty`` with x's shape, type and device."""
    return create_like.empty_like(tensor_of("empty_like", x), dtype=dtype, device=device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere."""
    if k == 0:
        return create.eye(n_rows, n_cols, dtype=dtype, device=device)
    wanted = create.zeros(1, dtype=dtype).dtype
    return create.finish(np.eye(n_rows, n_cols, k, dtype=wanted), device, False)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's array."""
    return interop.from_dlpack(x, device=device, copy=copy)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of one value, of the value's type unless dtype is given."""
    return create.full(_shape(shape), fill_value, dtype=dtype, device=device)


def full_like(x: Tensor, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """One value in x's shape, type and device."""
    x = tensor_of("full_like", x)
    return create_like.full_like(x, fill_value, dtype=dtype, device=device)


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Tensor:
    """num values from start to stop, equally far apart; without stop itself where endpoint is False."""
    points = num if endpoint else num + 1
    return create_line.linspace(start, stop, points, dtype=dtype, device=device)[:num]


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Coordinates of a grid: one tensor for each of the 1-D arrays, all of the grid's shape."""
    if len({a.dtype for a in arrays}) > 1:
        raise DTypeError(f"meshgrid: want one element type, got {[str(a.dtype) for a in arrays]}")
    return list(ops.meshgrid(*arrays, indexing=indexing)) if arrays else []


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of ones."""
    return create.ones(_shape(shape), dtype=dtype, device=device)


def ones_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones with x's shape, type and device."""
    return create_like.ones_like(tensor_of("ones_like", x), dtype=dtype, device=device)


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """x on and below the k-th diagonal of its last two dimensions, zeros above."""
    return create.tril(tensor_of("tril", x), k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """x on and above the k-th diagonal of its last two dimensions, zeros below."""
    return create.triu(tensor_of("triu", x), k)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of zeros."""
    return create.zeros(_shape(shape), dtype=dtype, device=device)


def zeros_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros with x's shape, type and device."""
    return create_like.zeros_like(tensor_of("zeros_like", x), dtype=dtype, device=device)
