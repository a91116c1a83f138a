"""What every function of the namespace starts with: its arguments as tensors of one type.

The promotion here is the standard's, where it differs from PyTorch's: a tensor of no dimensions
counts like any other, only Python numbers are weak. Mixing kinds (an integer and a float tensor),
which the standard leaves open, follows ``sensorium.promote_types``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..create import full
from ..dtypes import CATEGORY, as_dtype, default_of, promote_types
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor, wrap

NUMBERS = (bool, int, float, complex)


def tensor_of(name: str, x: Any) -> Tensor:
    """x, which must be a Tensor."""
    if not isinstance(x, Tensor):
        raise DTypeError(f"{name}: want a Tensor, got {type(x).__name__}")
    return x


def common_type(name: str, *operands: Any) -> np.dtype[Any]:
    """The element type of tensors, types and Python numbers together."""
    types = [getattr(o, "dtype", o) for o in operands if not isinstance(o, NUMBERS)]
    if not types:
        raise DTypeError(f"{name}: at least one operand must be a tensor or an element type")
    strong = reduce(promote_types, map(as_dtype, types))
    for number in operands:
        if isinstance(number, NUMBERS):
            strong = _with_number(strong, number)
    return strong


def _with_number(strong: np.dtype[Any], number: Any) -> np.dtype[Any]:
    """The type of a tensor and a Python number: the tensor's, unless it lacks the number's kind."""
    category = NUMBERS.index(type(number)) if type(number) in NUMBERS else 2
    if category <= CATEGORY[strong]:
        return strong
    weak = default_of(category)
    return promote_types(strong, np.dtype(np.complex64)) if category == 3 else weak


def together(name: str, *operands: Any) -> list[Tensor]:
    """The operands as tensors of their common type."""
    wanted = common_type(name, *operands)
    out = []
    for o in operands:
        if isinstance(o, NUMBERS):
            like = next(t for t in operands if isinstance(t, Tensor))
            o = full((), o, dtype=wanted, device=like.device)
        out.append(tensor_of(name, o).to(wanted))
    return out


def raw(function: Callable[..., Any], *tensors: Tensor, **options: Any) -> Tensor:
    """An array function applied to the tensors' elements; its result has no gradient."""
    with np.errstate(all="ignore"):
        out = function(*(t.array for t in tensors), **options)
    return wrap(out if hasattr(out, "strides") and hasattr(out, "base") else np.asarray(out))


def dims_of(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """axis (None: all of them) as non-negative dimensions, none twice."""
    dims = range(ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    found = tuple(dim_of(name, d, ndim) for d in dims)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: axis {axis} names a dimension twice (there are {ndim})")
    return found


def dim_of(name: str, axis: int, ndim: int) -> int:
    """One axis as a non-negative dimension."""
    from ..tensor import _check_dim

    if ndim == 0:
        _check_dim(name, axis, 0)
        raise ShapeError(f"{name}: axis {axis} of a tensor without dimensions")
    return _check_dim(name, axis, ndim)


def sized(x: Tensor, shape: Any) -> Tensor:
    """x reshaped, where it is not so already."""
    return x if x.shape == tuple(shape) else x.reshape(tuple(shape))
