"""The discrete Fourier transform of one dimension: fft, ifft, rfft, irfft, hfft, ihfft.

    X[k] = sum over t of x[t] exp(-2 pi i k t / n)

Follows ``torch.fft``; several dimensions at once are in ``fftn.py``, frames of a signal in
``spectral.py``. ``norm`` says where the factor goes: "backward" (None) divides the inverse by n,
"forward" the transform, "ortho" both by sqrt(n). The transform is linear, so its gradient is its
adjoint: the transform in the other direction with the factor moved to the other side.

Element types: float32 gives complex64, float64 complex128; half types are computed in float32 (there
is no complex type of their size), integers in the default float type.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import COMPLEX, complex64, complex128, default_of, float32, float64
from ..errors import DTypeError, OptionError, ShapeError
from ._declare import Array, op
from ._dims import one_dim
from ._out import with_out
from .cast import to_dtype
from .complex import conj
from .index import narrow
from .join import _pad_constant

_ADJOINT = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
_REAL_OF: dict[Any, Any] = {complex64: float32, complex128: float64}


# -- references ------------------------------------------------------------------------------------
def _scale(n: int, norm: str, inverse: bool) -> float:
    if norm == "ortho":
        return n**-0.5
    return 1 / n if (norm == "backward") == inverse else 1.0


def _slow_dft(x: Any, dim: int, norm: str, inverse: bool) -> Any:
    """The sum of the definition, as a product with the matrix of all its exponentials."""
    n = x.shape[dim]
    turns = np.outer(np.arange(n), np.arange(n)) / n
    matrix = np.exp((2j if inverse else -2j) * np.pi * turns) * _scale(n, norm, inverse)
    return np.moveaxis(np.tensordot(matrix, x, (1, dim)), 0, dim)


def _slow_half(x: Any, dim: int, norm: str, dtype: Any) -> Any:
    return _slow_dft(x, dim, norm, False).take(range(x.shape[dim] // 2 + 1), dim)


def _slow_whole(x: Any, n: int, dim: int, norm: str) -> Any:
    """The inverse of half a spectrum, the other half being its mirrored conjugate."""
    half = np.moveaxis(x, dim, 0).copy()
    half[0] = half[0].real
    if n % 2 == 0:
        half[-1] = half[-1].real
    whole = np.concatenate([half, half[1 : (n + 1) // 2][::-1].conj()])
    return np.moveaxis(_slow_dft(whole, 0, norm, True).real, 0, dim)


def _complex_normal(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


# -- the three ops ---------------------------------------------------------------------------------
@op
def _fft(input: Array, dim: int, norm: Any, inverse: bool) -> Array:
    """The transform of complex values along dim, or its inverse."""
    return (np.fft.ifft if inverse else np.fft.fft)(input, None, dim, norm)


@_fft.grad
def _(g, dim, norm, inverse):
    return _fft(g, dim, _ADJOINT[norm], not inverse)


@_fft.samples(reference=_slow_dft, tolerance=1e-11)
def _(rng):
    yield _complex_normal(rng, (2, 8)), 1, "backward", False
    yield _complex_normal(rng, (5, 3)), 0, "ortho", True
    yield _complex_normal(rng, (2, 7, 2)), 1, "forward", False
    yield _complex_normal(rng, (6,)), 0, "backward", True


@op
def _rfft(input: Array, dim: int, norm: Any, dtype: Any) -> Array:
    """The first n // 2 + 1 values of the transform of n real ones; dtype is the result's."""
    return np.fft.rfft(input, None, dim, norm).astype(dtype, copy=False)


@_rfft.grad
def _(g, shapes, dim, norm):
    n = shapes[0][dim]
    return _irfft(g * _middle(0.5, n, dim, g), n, dim, _ADJOINT[norm])


@_rfft.samples(reference=_slow_half, tolerance=1e-11)
def _(rng):
    yield rng.normal(size=(2, 8)), 1, "backward", complex128
    yield rng.normal(size=(7, 3)), 0, "ortho", complex128
    yield rng.normal(size=(2, 6, 2)), 1, "forward", complex128
    yield rng.normal(size=(3, 1)), 1, "backward", complex128


@op
def _irfft(input: Array, n: int, dim: int, norm: Any) -> Array:
    """n real values from the n // 2 + 1 first ones of their transform.

    Imaginary parts that the transform of real values cannot have are ignored: those of the first
    value and, for an even n, of the last.
    """
    return np.fft.irfft(input, n, dim, norm)


@_irfft.grad
def _(g, n, dim, norm):
    dtype = complex64 if g.dtype == float32 else complex128
    half = _rfft(g, dim, _ADJOINT[norm], dtype)
    return half * _middle(2.0, n, dim, half)


@_irfft.samples(reference=_slow_whole, tolerance=1e-11)
def _(rng):
    yield _complex_normal(rng, (2, 5)), 8, 1, "backward"
    yield _complex_normal(rng, (4, 3)), 7, 0, "ortho"
    yield _complex_normal(rng, (2, 4, 2)), 6, 1, "forward"
    yield _complex_normal(rng, (2, 1)), 1, 1, "backward"


def _middle(value: float, n: int, dim: int, like: Any) -> Any:
    """Weights of half a spectrum: value where the other half holds a twin, 1 at the ends.

    The sum over a whole spectrum counts the values strictly between the first and the last twice.
    """
    raw = getattr(like, "array", like)
    weights = np.full(n // 2 + 1, value, _REAL_OF[raw.dtype], like=raw)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights.reshape([-1 if i == dim else 1 for i in range(raw.ndim)])


# -- arguments -------------------------------------------------------------------------------------
def check_norm(name: str, norm: str | None) -> str:
    """norm by its full name; None is "backward"."""
    found = "backward" if norm is None else norm
    if found not in _ADJOINT:
        raise OptionError(
            f"{name}: norm must be None, {', '.join(map(repr, _ADJOINT))}, got {norm!r}"
        )
    return found


def complex_of(dtype: Any) -> Any:
    """The complex type whose parts hold the values of a type."""
    if dtype in _REAL_OF:
        return dtype
    if dtype.kind in "biu":
        return default_of(COMPLEX)
    return complex128 if dtype == float64 else complex64


def as_complex(input: Any) -> Any:
    """input in the complex type of its size."""
    return to_dtype(input, complex_of(input.dtype))


def as_real(name: str, input: Any) -> Any:
    """input in the real type its transform is computed in."""
    if input.dtype.kind == "c":
        raise DTypeError(f"{name}: want a real tensor, got {input.dtype}")
    return to_dtype(input, _REAL_OF[complex_of(input.dtype)])


def placed(name: str, input: Any, dim: int) -> int:
    """dim from the front; a transform needs a dimension."""
    if input.ndim == 0:
        raise ShapeError(f"{name}: want at least 1 dimension, got a tensor of shape ()")
    return one_dim(name, dim, input.ndim)


def resized(name: str, input: Any, n: int | None, dim: int) -> Any:
    """input cut, or filled up with zeros, to n values along dim."""
    have = input.shape[dim]
    wanted = have if n is None else n
    if wanted < 1:
        raise ShapeError(f"{name}: want at least 1 value along dim {dim}, got {wanted}")
    if wanted < have:
        return narrow(input, dim, 0, wanted)
    if wanted == have:
        return input
    widths = tuple((0, wanted - have if i == dim else 0) for i in range(input.ndim))
    return _pad_constant(input, widths, 0)


# -- what users call -------------------------------------------------------------------------------
@with_out
def fft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """X[k] = sum over t of input[t] exp(-2 pi i k t / n) along dim, complex.

    n: the length to cut or zero-pad the input to first (its own if None).

    >>> import sensorium as sn
    >>> sn.fft.fft(sn.tensor([1.0, 0.0, 0.0, 0.0]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    d, scale = placed("fft", input, dim), check_norm("fft", norm)
    return _fft(resized("fft", as_complex(input), n, d), d, scale, False)


@with_out
def ifft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """x[t] = 1/n sum over k of input[k] exp(2 pi i k t / n) along dim: what ``fft`` came from.

    >>> import sensorium as sn
    >>> sn.fft.ifft(sn.tensor([4.0, 0.0, 0.0, 0.0]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    d, scale = placed("ifft", input, dim), check_norm("ifft", norm)
    return _fft(resized("ifft", as_complex(input), n, d), d, scale, True)


@with_out
def rfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The first n // 2 + 1 values of ``fft`` of a real input; the others are their conjugates.

    >>> import sensorium as sn
    >>> sn.fft.rfft(sn.tensor([1.0, -1.0, 1.0, -1.0]))
    tensor([0.+0.j, 0.+0.j, 4.+0.j])
    """
    d, scale = placed("rfft", input, dim), check_norm("rfft", norm)
    real = resized("rfft", as_real("rfft", input), n, d)
    return _rfft(real, d, scale, complex_of(real.dtype))


@with_out
def irfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """n real values from half a spectrum: the inverse of ``rfft``.

    n: the length of the result, 2 (values along dim - 1) if None. An odd length has to be said.

    >>> import sensorium as sn
    >>> sn.fft.irfft(sn.tensor([0.0, 0.0, 4.0]))
    tensor([ 1., -1.,  1., -1.])
    """
    d, scale = placed("irfft", input, dim), check_norm("irfft", norm)
    wanted = 2 * (input.shape[d] - 1) if n is None else n
    if wanted < 1:
        raise ShapeError(
            f"irfft: the result would have {wanted} values (input has {input.shape[d]} along dim {d})"
        )
    return _irfft(resized("irfft", as_complex(input), wanted // 2 + 1, d), wanted, d, scale)


@with_out
def hfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """n real values of the transform of a signal whose second half mirrors the conjugate first.

    >>> import sensorium as sn
    >>> sn.fft.hfft(sn.tensor([1.0, 0.0, 0.0]))
    tensor([1., 1., 1., 1.])
    """
    return irfft(conj(as_complex(input)), n, dim, _ADJOINT[check_norm("hfft", norm)])


@with_out
def ihfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The first n // 2 + 1 values of the inverse transform of a real input.

    >>> import sensorium as sn
    >>> sn.fft.ihfft(sn.tensor([1.0, 1.0, 1.0, 1.0])).real
    tensor([1., 0., 0.])
    """
    return conj(rfft(input, n, dim, _ADJOINT[check_norm("ihfft", norm)]))
