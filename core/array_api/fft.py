"""The array API's fft extension, from ``sensorium.fft``: complex numbers of the input's precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import fft as _fft
from ..create import finish as _finish
from ..dtypes import as_dtype, default_of
from ..tensor import Tensor
from ._base import tensor_of


def _one(name: str, doc: str) -> Callable[..., Tensor]:
    def function(
        x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> Tensor:
        return getattr(_fft, name)(tensor_of(name, x), n, axis, norm)

    return _named(function, name, doc)


def _many(name: str, doc: str) -> Callable[..., Tensor]:
    def function(
        x: Tensor, /, *, s: Any = None, axes: Any = None, norm: str = "backward"
    ) -> Tensor:
        return getattr(_fft, name)(tensor_of(name, x), s, axes, norm)

    return _named(function, name, doc)


def _named(function: Any, name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


fft = _one("fft", "The discrete Fourier transform along axis.")
ifft = _one("ifft", "The inverse of ``fft``.")
rfft = _one("rfft", "The half of ``fft`` of a real signal that is not redundant.")
irfft = _one("irfft", "The inverse of ``rfft``: a real signal of n values.")
hfft = _one("hfft", "The real transform of a signal given by its Hermitian half.")
ihfft = _one("ihfft", "The inverse of ``hfft``.")
fftn = _many("fftn", "``fft`` along several axes.")
ifftn = _many("ifftn", "The inverse of ``fftn``.")
rfftn = _many("rfftn", "``rfft`` along the last of axes, ``fft`` along the others.")
irfftn = _many("irfftn", "The inverse of ``rfftn``.")


def _frequencies(values: np.ndarray, dtype: Any, device: Any) -> Tensor:
    wanted = default_of(2) if dtype is None else as_dtype(dtype)
    return _finish(values.astype(wanted), device, False)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of ``fft``'s n values for samples d apart."""
    return _frequencies(np.fft.fftfreq(n, d), dtype, device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of ``rfft``'s values for n samples d apart."""
    return _frequencies(np.fft.rfftfreq(n, d), dtype, device)


def fftshift(x: Tensor, /, *, axes: Any = None) -> Tensor:
    """x with the zero frequency moved to the middle."""
    return _fft.fftshift(tensor_of("fftshift", x), axes)


def ifftshift(x: Tensor, /, *, axes: Any = None) -> Tensor:
    """The inverse of ``fftshift``."""
    return _fft.ifftshift(tensor_of("ifftshift", x), axes)
