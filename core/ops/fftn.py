"""Fourier transforms over several dimensions, one after another: fftn, rfftn, hfftn, inverses, 2-d.

Follows ``torch.fft``: ``s`` are the lengths to cut or zero-pad to (-1 keeps one), ``dim`` the
dimensions (the last ``len(s)``, or all, if None). ``norm`` applies to every dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ._dims import many_dims
from ._out import with_out
from .complex import conj
from .fft import _ADJOINT, as_complex, check_norm, fft, ifft, irfft, rfft

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


@with_out
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


@with_out
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


@with_out
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


@with_out
def irfftn(input: Any, s: Sizes = None, dim: Any = None, norm: str | None = None) -> Any:
    """``ifft`` along all of dim but the last, ``irfft`` along that: the inverse of ``rfftn``.

    >>> import sensorium as sn
    >>> sn.fft.irfftn(sn.fft.rfftn(sn.ones(2, 4)))
    tensor([[1., 1., 1., 1.],
            [1., 1., 1., 1.]])
    """
    *others, (last, n) = _axes("irfftn", input, s, dim)
    for d, length in reversed(others):
        input = ifft(input, length, d, norm)
    return irfft(input, n, last, norm)


@with_out
def hfftn(input: Any, s: Sizes = None, dim: Any = None, norm: str | None = None) -> Any:
    """``hfft`` along the last of dim, ``fft`` along the others: real, of a signal symmetric to 0.

    >>> import sensorium as sn
    >>> sn.fft.hfftn(sn.tensor([[1.0, 0.0], [1.0, 0.0]]))
    tensor([[2., 2.],
            [0., 0.]])
    """
    return irfftn(conj(as_complex(input)), s, dim, _ADJOINT[check_norm("hfftn", norm)])


@with_out
def ihfftn(input: Any, s: Sizes = None, dim: Any = None, norm: str | None = None) -> Any:
    """``ihfft`` along the last of dim, ``ifft`` along the others: the inverse of ``hfftn``.

    >>> import sensorium as sn
    >>> sn.fft.ihfftn(sn.tensor([[2.0, 2.0], [0.0, 0.0]])).real
    tensor([[1., 0.],
            [1., 0.]])
    """
    return conj(rfftn(input, s, dim, _ADJOINT[check_norm("ihfftn", norm)]))


@with_out
def fft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``fftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.fft2(sn.ones(3, 2, 2)).shape
    sensorium.Size([3, 2, 2])
    """
    return fftn(input, s, dim, norm)


@with_out
def ifft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``ifftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.ifft2(sn.ones(3, 2, 2)).shape
    sensorium.Size([3, 2, 2])
    """
    return ifftn(input, s, dim, norm)


@with_out
def rfft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``rfftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.rfft2(sn.ones(3, 2, 4)).shape
    sensorium.Size([3, 2, 3])
    """
    return rfftn(input, s, dim, norm)


@with_out
def irfft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``irfftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.irfft2(sn.ones(3, 2, 3)).shape
    sensorium.Size([3, 2, 4])
    """
    return irfftn(input, s, dim, norm)


@with_out
def hfft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``hfftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.hfft2(sn.ones(3, 2, 3)).shape
    sensorium.Size([3, 2, 4])
    """
    return hfftn(input, s, dim, norm)


@with_out
def ihfft2(input: Any, s: Sizes = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """``ihfftn`` along the last two dimensions.

    >>> import sensorium as sn
    >>> sn.fft.ihfft2(sn.ones(3, 2, 4)).shape
    sensorium.Size([3, 2, 3])
    """
    return ihfftn(input, s, dim, norm)
