"""Window functions: hann, hamming, blackman, bartlett, kaiser; their shapes for ``sensorium.signal`` too.

A periodic window of N values is the symmetric one of N + 1 without its last: the form that overlap
adds up evenly in, and the default, as in PyTorch. Values are computed in float64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .create import check_layout, finish
from .dtypes import FLOAT, as_dtype, default_of, is_floating_point
from .errors import DTypeError, ShapeError
from .tensor import Tensor


# -- shapes over x from 0 to 1 ---------------------------------------------------------------------
def _sine(x: Any) -> Any:
    """sin(pi x), the same at x and 1 - x, so that both ends are 0 without a rounding."""
    return np.sin(np.pi * np.minimum(x, 1 - x))


def hann(x: Any) -> Any:
    """sin(pi x)^2."""
    return _sine(x) ** 2


def cosine_sum(x: Any, a: Sequence[float]) -> Any:
    """a[0] - a[1] cos(2 pi x) + a[2] cos(4 pi x) - ..."""
    terms = [(-1) ** k * c * np.cos(2 * np.pi * k * x) for k, c in enumerate(a)]
    return np.sum(terms, axis=0)


def blackman(x: Any) -> Any:
    """0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x), written so that the ends are exactly 0."""
    return hann(x) * (0.36 + 0.64 * hann(x))


def triangle(x: Any) -> Any:
    """1 - |2 x - 1|."""
    return 1 - np.abs(2 * x - 1)


def kaiser(x: Any, beta: float) -> Any:
    """I0(beta sqrt(1 - (2 x - 1)^2)) / I0(beta), I0 the modified Bessel function."""
    return np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta)


# -- windows ---------------------------------------------------------------------------------------
def window(
    name: str,
    shape: Callable[[Any], Any],
    length: int,
    periodic: bool,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
    single: float = 1.0,
) -> Tensor:
    """shape(x) at places x from 0 to 1 (to just below 1 if periodic); what a single value is."""
    check_layout(name, layout)
    wanted = default_of(FLOAT) if dtype is None else as_dtype(dtype)
    if not is_floating_point(wanted):
        raise DTypeError(f"{name}: want a real floating-point type, got {wanted}")
    if length < 0:
        raise ShapeError(f"{name}: the length must not be negative, got {length}")
    if length < 2:
        values = np.full(length, single)
    else:
        values = shape(np.arange(length) / (length if periodic else length - 1))
    return finish(values.astype(wanted), device, requires_grad)


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """sin(pi x)^2 for x from 0 to 1.

    >>> hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return window(
        "hann_window",
        hann,
        window_length,
        periodic,
        dtype,
        layout,
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
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - beta cos(2 pi x) for x from 0 to 1.

    >>> hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return window(
        "hamming_window",
        lambda x: cosine_sum(x, (alpha, beta)),
        window_length,
        periodic,
        dtype,
        layout,
        device,
        requires_grad,
    )


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x) for x from 0 to 1.

    >>> blackman_window(4).round(decimals=4)
    tensor([0.0000, 0.3400, 1.0000, 0.3400])
    """
    return window(
        "blackman_window",
        blackman,
        window_length,
        periodic,
        dtype,
        layout,
        device,
        requires_grad,
    )


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """1 - |2 x - 1| for x from 0 to 1: a triangle.

    >>> bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return window(
        "bartlett_window",
        triangle,
        window_length,
        periodic,
        dtype,
        layout,
        device,
        requires_grad,
    )


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """I0(beta sqrt(1 - (2 x - 1)^2)) / I0(beta) for x from 0 to 1, I0 the modified Bessel function.

    The larger beta, the wider the main lobe of its spectrum and the lower the others.

    >>> kaiser_window(4, beta=6.0)
    tensor([0.0149, 0.4830, 1.0000, 0.4830])
    """
    return window(
        "kaiser_window",
        lambda x: kaiser(x, beta),
        window_length,
        periodic,
        dtype,
        layout,
        device,
        requires_grad,
    )
