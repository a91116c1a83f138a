"""Fourier transforms over several dimensions, one after another: fft2, fftn, rfft2, rfftn, inverses.

Follows ``torch.fft``: ``s`` are the lengths to cut or zero-pad to (-1 keeps one), ``dim`` the
dimensions (the last ``len(s)``, or all, if None). ``norm`` applies to every dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ._dims import many_dims
from .fft import fft, ifft, irfft, rfft

Sizes = Sequence[int] | None


def _axes(name: str, input: Any, s: Sizes, dim: Any) -> list[tuple[int, int | None]]:
    """Every dimension to transform with its length, None for its own."""
    if dim is None and s is not None:
        dims = tuple(range(input.ndim - len(s), input.ndim))
    else:
        dims = many_dims(name, dim, input.ndim)
    lengths = [None] * len(dims) if s is None else [None if n == -1 else n for n in s]
    if len(lengths) != len(dims) or not dims or min(dims) < 0:
        raise ShapeError(
            f"{name}: {len(lengths)} lengths {s} for dims {dim} of shape {tuple(input.shape)}"
        )
    return list(zip(dims, lengths))


def fftn(input: Any, s: Sizes = None, dim: Any = None, norm: str | None = None) -> Any:
    """``fft`` along each of dim.

    >>> import sensorium as sn
    >>> sn.fft.fftn(sn.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    for d, n in _axes("fftn", input, s, dim):
        input = fft(input, n, d, norm)
    return input


def ifftn(input: Any, s: Sizes = None, dim: Any = None, norm: str | None = None) -> Any:
    """``ifft`` along each of dim.

    >>> import sensorium as sn
    >>> sn.fft.ifftn(sn.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    for d, n in _axes("ifftn", input, s, dim):
        input = ifft(input, n, d, norm)
    return input


def rfftn(input: Any, s: Sizes = None, dim: Any = None, norm: str | None = None) -> Any:
    """``rfft`` along the last of dim, ``fft`` along the others.

    >>> import sensorium as sn
    >>> sn.fft.rfftn(sn.ones(2, 4)).shape
    sensorium.Size([2, 3])
    """
    *others, (last, n) = _axes("rfftn", input, s, dim)
    y = rfft(input, n, last, norm)
    for d, length in others:
        y = fft(y, length, d, norm)
    return y


def irfftn(input: Any, s: Sizes = None, dim: Any = None, norm: str | None = None) -> Any:
    """``ifft`` along all of dim but the last, ``irfft`` along that: the inverse of ``rfftn``.

    >>> import sensorium as sn
    >>> sn.fft.irfftn(sn.fft.rfftn(sn.ones(2, 4)))
    tensor([[1., 1., 1., 1.],
            [1., 1., 1., 1.]])
    """
    *others, (last, n) = _axes("irfftn", input, s, dim)
    for d, length in others:
        input = ifft(input, length, d, norm)
    return irfft(input, n, last, norm)


def fft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``fftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.fft2(sn.ones(3, 2, 2)).shape
    sensorium.Size([3, 2, 2])
    """
    return fftn(input, s, dim, norm)


def ifft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``ifftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.ifft2(sn.ones(3, 2, 2)).shape
    sensorium.Size([3, 2, 2])
    """
    return ifftn(input, s, dim, norm)


def rfft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``rfftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.rfft2(sn.ones(3, 2, 4)).shape
    sensorium.Size([3, 2, 3])
    """
    return rfftn(input, s, dim, norm)


def irfft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``irfftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.irfft2(sn.ones(3, 2, 3)).shape
    sensorium.Size([3, 2, 4])
    """
    return irfftn(input, s, dim, norm)
