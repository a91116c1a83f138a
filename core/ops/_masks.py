"""What ``sensorium.masked`` is made of: masks in the shape of their input, and what fills the holes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import FLOATING, as_dtype, bool_
from ..errors import DTypeError, OutOfBoundsError
from ._dims import many_dims
from .cast import to_dtype
from .reduce import sum
from .select import where
from .shape import broadcast_to

_REDUCTIONS = "sum prod amax amin argmax argmin mean median norm var std logsumexp".split()  # noqa: SIM905


def _input_mask(input: Any, *args: Any, mask: Any, **options: Any) -> Any:
    """mask as booleans in the shape of input; other arguments of an operation are not looked at."""
    if mask.ndim > input.ndim:
        raise OutOfBoundsError(
            f"masked: mask {tuple(mask.shape)} has more dimensions than input {tuple(input.shape)}"
        )
    return broadcast_to(to_dtype(mask, bool_), input.shape)


def _output_mask(
    op: Callable[..., Any],
    input: Any,
    *args: Any,
    mask: Any,
    dim: Any = None,
    keepdim: bool = False,
    **options: Any,
) -> Any:
    """Which values of op(input, ..., mask=mask) are made of anything: all if the mask keeps one.

    The arguments are those of op; options are looked at by op alone.
    """
    whole = _input_mask(input, mask=mask)
    if op.__name__ not in _REDUCTIONS:
        return whole
    rest = args[1:] if op.__name__ == "norm" else args  # the order comes first
    dims = many_dims("masked", rest[0] if rest else dim, input.ndim)
    return sum(whole, dims, bool(keepdim)) > 0


def filled(input: Any, mask: Any, value: Any) -> Any:
    """input, with value where the mask is False."""
    return input if mask is None else where(_input_mask(input, mask=mask), input, value)


def edge(name: str, input: Any, sign: int) -> Any:
    """The largest value of input's type, or the smallest: infinite where there are infinities."""
    kind = input.dtype.kind
    if kind == "b":
        raise DTypeError(f"masked.{name}: bool has no largest and smallest number")
    if kind in "iu":
        limits = np.iinfo(input.dtype)
        return limits.max if sign > 0 else limits.min
    return sign * math.inf


def cast(y: Any, dtype: Any, like: Any) -> Any:
    """y in dtype, or in the type of like."""
    return to_dtype(y, like.dtype if dtype is None else as_dtype(dtype))


def is_float(dtype: Any) -> bool:
    """Whether a type holds real or complex floating-point numbers."""
    return dtype in FLOATING or dtype.kind == "c"
