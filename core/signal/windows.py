"""sensorium.signal.windows: windows for filter design and spectral analysis.

Follows ``torch.signal.windows``: M values of a window whose ends are symmetric (``sym``), or the first M
of M + 1 such values. Computed in float64, given as float32 or float64; a single value is 1. The shapes
shared with ``sensorium.hann_window`` and its kin are in ``windows.py``.

>>> import sensorium as sn
>>> sn.signal.windows.hann(5)
tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._names import absent
from ..dtypes import as_dtype, float32, float64
from ..errors import DTypeError, OptionError
from ..tensor import Tensor
from ..windows import (
    blackman as _blackman,
    cosine_sum,
    hann as _hann,
    kaiser as _kaiser,
    triangle,
    window,
)

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]

_NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


def _window(
    name: str,
    shape: Callable[[Any], Any],
    M: int,
    sym: bool,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
    single: float = 1.0,
) -> Tensor:
    if dtype is not None and as_dtype(dtype) not in (float32, float64):
        raise OptionError(f"{name}: want float32 or float64, got {dtype}")
    if M < 0:
        raise OptionError(f"{name}: the length M must not be negative, got {M}")
    return window(name, shape, M, not sym, dtype, layout, device, requires_grad, single)


def _steps(M: int, sym: bool) -> int:
    """How many samples lie between x = 0 and x = 1."""
    return M if not sym and M > 1 else M - 1


def _positive(name: str, what: str, value: float) -> None:
    if value <= 0:
        raise OptionError(f"{name}: {what} must be positive, got {value}")


# -- sums of cosines -------------------------------------------------------------------------------
def _cosines(
    name: str,
    M: int,
    a: Iterable[float],
    sym: bool,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    terms = tuple(a)
    if not terms:
        raise OptionError(f"{name}: want one coefficient or more, got none")
    return _window(
        name, lambda x: cosine_sum(x, terms), M, sym, dtype, layout, device, requires_grad
    )


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """a[0] - a[1] cos(2 pi x) + a[2] cos(4 pi x) - ... for x from 0 to 1.

    >>> general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    if not isinstance(a, Iterable):
        raise DTypeError(f"general_cosine: the coefficients a must be a list, got {a!r}")
    return _cosines("general_cosine", M, a, sym, dtype, layout, device, requires_grad)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - (1 - alpha) cos(2 pi x) for x from 0 to 1.

    >>> general_hamming(3, alpha=0.5)
    tensor([0., 1., 0.])
    """
    return _cosines(
        "general_hamming", M, (alpha, 1.0 - alpha), sym, dtype, layout, device, requires_grad
    )


def hamming(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """0.54 - 0.46 cos(2 pi x) for x from 0 to 1.

    >>> hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return _cosines("hamming", M, (0.54, 0.46), sym, dtype, layout, device, requires_grad)


def hann(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """sin(pi x)^2 for x from 0 to 1.

    >>> hann(3)
    tensor([0., 1., 0.])
    """
    return _window("hann", _hann, M, sym, dtype, layout, device, requires_grad)


def blackman(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x) for x from 0 to 1.

    >>> blackman(3)
    tensor([0., 1., 0.])
    """
    return _window("blackman", _blackman, M, sym, dtype, layout, device, requires_grad)


def nuttall(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Four cosine terms whose side lobes lie below -98 dB: Nuttall (1981), table II.

    >>> nuttall(3)[1]
    tensor(1.)
    """
    return _cosines("nuttall", M, _NUTTALL, sym, dtype, layout, device, requires_grad)


# -- others ----------------------------------------------------------------------------------------
def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """1 - |2 x - 1| for x from 0 to 1: a triangle.

    >>> bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _window("bartlett", triangle, M, sym, dtype, layout, device, requires_grad)


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """sin(pi (k + 1/2) / N) for k below M, with N = M, or M + 1 if not sym.

    >>> cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    steps = _steps(M, sym)

    def shape(x: Any) -> Any:
        return np.sin((x * steps + 0.5) * (math.pi / (steps + 1)))

    return _window("cosine", shape, M, sym, dtype, layout, device, requires_grad)


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-|k - center| / tau) for k below M; the center is the middle, and only free if not sym.

    >>> exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    _positive("exponential", "tau", tau)
    if sym and center is not None:
        raise OptionError(f"exponential: a symmetric window has its own center, got {center}")
    steps = _steps(M, sym)
    middle = steps / 2 if center is None else center

    def shape(x: Any) -> Any:
        return np.exp(-np.abs(x * steps - middle) / tau)

    single = math.exp(-abs(middle) / tau)
    return _window("exponential", shape, M, sym, dtype, layout, device, requires_grad, single)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-(k - c)^2 / (2 std^2)) for k below M, c the middle.

    >>> gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    _positive("gaussian", "std", std)
    steps = _steps(M, sym)

    def shape(x: Any) -> Any:
        return np.exp(-(((x - 0.5) * steps / std) ** 2) / 2)

    return _window("gaussian", shape, M, sym, dtype, layout, device, requires_grad)


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """I0(beta sqrt(1 - (2 x - 1)^2)) / I0(beta) for x from 0 to 1, I0 the modified Bessel function.

    >>> kaiser(3, beta=2.0)
    tensor([0.4387, 1.0000, 0.4387])
    """
    if beta < 0:
        raise OptionError(f"kaiser: beta must not be negative, got {beta}")
    return _window(
        "kaiser", lambda x: _kaiser(x, beta), M, sym, dtype, layout, device, requires_grad
    )


__getattr__ = absent(__name__, globals().keys)
