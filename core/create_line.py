"""Numbers along a line, and one number: linspace, logspace, scalar_tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from .create import check_layout, finish, full, number_of
from .dtypes import as_dtype, default_of
from .errors import DTypeError, ShapeError
from .ops._out import with_out
from .tensor import Tensor


def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of no dimensions with the value of a Python number, of the default float type.

    >>> scalar_tensor(3)
    tensor(3.)
    """
    return full(
        (), s, dtype=default_of(2) if dtype is None else dtype, layout=layout, device=device
    )


@with_out
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """steps values from start to end, both included, equally far apart.

    As in PyTorch the ends are cast to dtype first, and either half counts from its own end.

    >>> linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    check_layout("linspace", layout)
    wanted, values = _line("linspace", start, end, steps, dtype)
    return finish(values.astype(wanted), device, requires_grad)


def _line(name: str, start: Any, end: Any, steps: Any, dtype: Any) -> tuple[Any, np.ndarray]:
    """The element type, and the values before they are cast to it."""
    for end_name, value in (("start", start), ("end", end)):
        if isinstance(value, Tensor) and value.ndim:
            raise ShapeError(
                f"{name}: {end_name} must be a number or 0-dimensional, got shape "
                f"{tuple(value.shape)}"
            )
    if not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ShapeError(f"{name}: steps must be an integer of at least 0, got {steps!r}")
    ends = np.array([number_of(start), number_of(end)])
    wanted = default_of(3 if ends.dtype.kind == "c" else 2) if dtype is None else as_dtype(dtype)
    if ends.dtype.kind == "c" and wanted.kind != "c":
        raise DTypeError(f"{name}: complex ends {start} and {end} cannot become {wanted}")
    wide = wanted if wanted.kind == "c" else np.dtype(np.float64)
    first, last = ends.astype(wanted).astype(wide)
    if steps == 1:
        return wanted, np.array([first])
    step, half = (last - first) / max(steps - 1, 1), steps // 2
    count = np.arange(steps)
    return wanted, np.where(count < half, first + step * count, last - step * (steps - 1 - count))


@with_out
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: Any = 10.0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """base to the power of each value of ``linspace(start, end, steps)``.

    >>> logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    check_layout("logspace", layout)
    wanted, powers = _line("logspace", start, end, steps, dtype)
    with np.errstate(all="ignore"):
        values = np.power(number_of(base), powers)
        return finish(values.astype(wanted), device, requires_grad)
