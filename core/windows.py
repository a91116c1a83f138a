"""Window functions: hann, hamming, blackman, bartlett, kaiser.

A periodic window of N values is the symmetric one of N + 1 without its last: the form that overlap
adds up evenly in, and the default, as in PyTorch. Values are computed in float64 and rounded once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .create import _finish
from .dtypes import FLOAT, as_dtype, default_of, is_floating_point
from .errors import DTypeError, ShapeError
from .tensor import Tensor


def _window(
    name: str,
    shape: Any,
    length: int,
    periodic: bool,
    dtype: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    """shape(x) at places x from 0 to 1 (to just below 1 if periodic); a single value is 1."""
    wanted = default_of(FLOAT) if dtype is None else as_dtype(dtype)
    if not is_floating_point(wanted):
        raise DTypeError(f"{name}: want a real floating-point type, got {wanted}")
    if length < 0:
        raise ShapeError(f"{name}: window_length must not be negative, got {length}")
    if length < 2:
        values = np.ones(length)
    else:
        values = shape(np.arange(length) / (length if periodic else length - 1))
    return _finish(values.astype(wanted), device, requires_grad)


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """sin(pi x)^2 for x from 0 to 1.

    >>> hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window(
        "hann_window",
        lambda x: np.sin(np.pi * x) ** 2,
        window_length,
        periodic,
        dtype,
        device,
        requires_grad,
    )


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - beta cos(2 pi x) for x from 0 to 1.

    >>> hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _window(
        "hamming_window",
        lambda x: alpha - beta * np.cos(2 * np.pi * x),
        window_length,
        periodic,
        dtype,
        device,
        requires_grad,
    )


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x) for x from 0 to 1.

    >>> blackman_window(4).round(decimals=4)
    tensor([0.0000, 0.3400, 1.0000, 0.3400])
    """
    return _window(
        "blackman_window",
        # cos(4 pi x) written by cos(2 pi x), so that the ends are 0 without a rounding below it
        lambda x: np.sin(np.pi * x) ** 2 * (1 - 0.64 * np.cos(np.pi * x) ** 2),
        window_length,
        periodic,
        dtype,
        device,
        requires_grad,
    )


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """1 - |2 x - 1| for x from 0 to 1: a triangle.

    >>> bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window(
        "bartlett_window",
        lambda x: 1 - np.abs(2 * x - 1),
        window_length,
        periodic,
        dtype,
        device,
        requires_grad,
    )


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """I0(beta sqrt(1 - (2 x - 1)^2)) / I0(beta) for x from 0 to 1, I0 the modified Bessel function.

    The larger beta, the wider the main lobe of its spectrum and the lower the others.

    >>> kaiser_window(4, beta=6.0)
    tensor([0.0149, 0.4830, 1.0000, 0.4830])
    """
    return _window(
        "kaiser_window",
        lambda x: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta),
        window_length,
        periodic,
        dtype,
        device,
        requires_grad,
    )
