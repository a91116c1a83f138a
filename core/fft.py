"""sensorium.fft: discrete Fourier transforms, their frequencies, and shifts.

Follows ``torch.fft``.

>>> import sensorium as sn
>>> t = sn.arange(8) / 8
>>> sn.fft.rfft(sn.cos(2 * 3.141592653589793 * 2 * t)).abs().round()
tensor([0., 0., 4., 0., 0.])
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._names import absent
from .create import finish
from .dtypes import FLOAT, as_dtype, default_of
from .errors import ShapeError
from .ops._dims import many_dims
from .ops.fft import (
    fft,
    hfft,
    ifft,
    ihfft,
    irfft,
    rfft,
)
from .ops.fftn import (
    fft2,
    fftn,
    hfft2,
    hfftn,
    ifft2,
    ifftn,
    ihfft2,
    ihfftn,
    irfft2,
    irfftn,
    rfft2,
    rfftn,
)
from .ops.join import roll
from .tensor import Tensor

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]


def _frequencies(
    name: str, whole: Any, n: int, d: float, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    if n < 1:
        raise ShapeError(f"{name}: want at least 1 value, got n = {n}")
    wanted = default_of(FLOAT) if dtype is None else as_dtype(dtype)
    return finish((whole / (n * d)).astype(wanted), device, requires_grad)


def fftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The frequencies of ``fft``'s values, in cycles per unit of d, the time between two values.

    >>> fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    whole = (np.arange(n) + n // 2) % max(n, 1) - n // 2
    return _frequencies("fftfreq", whole, n, d, dtype, device, requires_grad)


def rfftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The frequencies of ``rfft``'s values, in cycles per unit of d, the time between two values.

    >>> rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    whole = np.arange(n // 2 + 1)
    return _frequencies("rfftfreq", whole, n, d, dtype, device, requires_grad)


def fftshift(input: Any, dim: Any = None) -> Any:
    """Frequency 0 moved from the front to the middle of each of dim (all if None).

    >>> import sensorium as sn
    >>> fftshift(sn.tensor([0, 1, -2, -1]))
    tensor([-2, -1,  0,  1])
    """
    dims = many_dims("fftshift", dim, input.ndim)
    return roll(input, [input.shape[d] // 2 for d in dims], dims)


def ifftshift(input: Any, dim: Any = None) -> Any:
    """``fftshift`` undone: frequency 0 back at the front.

    >>> import sensorium as sn
    >>> ifftshift(sn.tensor([-2, -1, 0, 1]))
    tensor([ 0,  1, -2, -1])
    """
    dims = many_dims("ifftshift", dim, input.ndim)
    return roll(input, [-(input.shape[d] // 2) for d in dims], dims)


__getattr__ = absent(__name__, globals().keys)
