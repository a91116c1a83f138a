"""Complex values and their parts: complex, polar, angle, |x|^2, and pairs of reals as one.

conj, real and imag are in ``complex.py``, |x| in ``exponential.py``.
"""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np

from ..dtypes import complex64, complex128, default_of, float32, float64
from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from ._out import with_out
from .cast import to_dtype
from .compare import isnan
from .complex import imag, real
from .select import where
from .trigonometry import cos, sin

_COMPLEX_OF: dict[Any, Any] = {float32: complex64, float64: complex128}
_REAL_OF: dict[Any, Any] = {complex64: float32, complex128: float64}


def _complex_normal(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


# -- magnitude and angle ---------------------------------------------------------------------------
@op
def abs_squared(input: Array) -> Array:
    """|input|^2, elementwise: the power of a complex value, without the root of its magnitude.

    >>> import sensorium as sn
    >>> sn.ops.abs_squared(sn.tensor([3 + 4j]))
    tensor([25.])
    """
    if input.dtype.kind != "c":
        return input * input
    y = input.real * input.real
    y += input.imag * input.imag
    return y


@abs_squared.grad
def _(g, input):
    return g * input * 2


@abs_squared.samples(reference=lambda x: (x * x.conj()).real)
def _(rng):
    yield (_complex_normal(rng, (3, 4)),)
    yield (rng.normal(size=(3, 4)),)


@op
def _angle(input: Array) -> Array:
    """The angle of complex values, from -pi to pi."""
    return np.arctan2(input.imag, input.real)


@_angle.grad
def _(g, input):
    size = abs_squared(input)
    here = size == 0
    return where(here, 0.0, g * input * 1j / where(here, 1.0, size))


@_angle.samples(reference=np.vectorize(cmath.phase))
def _(rng):
    yield (_complex_normal(rng, (3, 4)),)


@with_out
def angle(input: Any) -> Any:
    """The angle of complex values in radians, from -pi to pi; of real ones pi below 0, else 0.

    Its slope at 0 is taken as 0.

    >>> import sensorium as sn
    >>> sn.angle(sn.tensor([1 + 1j, -1 + 0j]))
    tensor([0.7854, 3.1416])
    """
    if input.dtype.kind == "c":
        return _angle(input)
    kind = input.dtype if input.dtype.kind in "fV" else default_of(2)
    x = to_dtype(input, kind)
    return to_dtype(where(isnan(x), x, where(x < 0, np.pi, 0.0)), kind)


# -- pairs of reals --------------------------------------------------------------------------------
@op(view=True)
def _pairs_as_complex(input: Array, dtype: Any) -> Array:
    """Pairs in the last dimension as complex values of dtype; a view where the pairs lie together."""
    if input.ndim == 1 or input.strides[-1] != input.itemsize:
        input = np.ascontiguousarray(input)
    return input.view(dtype)[..., 0]


@_pairs_as_complex.grad
def _(g):
    return _complex_as_pairs(g, _REAL_OF[g.dtype])


@_pairs_as_complex.samples(reference=lambda x, dtype: x[..., 0] + 1j * x[..., 1])
def _(rng):
    yield rng.normal(size=(3, 4, 2)), complex128
    yield rng.normal(size=(3, 2)), complex128


@op(view=True)
def _complex_as_pairs(input: Array, dtype: Any) -> Array:
    """Real and imaginary parts of dtype in a new last dimension; a view."""
    return input[..., None].view(dtype)


@_complex_as_pairs.grad
def _(g):
    return _pairs_as_complex(g, _COMPLEX_OF[g.dtype])


@_complex_as_pairs.samples(reference=lambda x, dtype: np.stack([x.real, x.imag], -1))
def _(rng):
    yield _complex_normal(rng, (3, 4)), float64
    yield _complex_normal(rng, (2, 3)).T, float64


def view_as_complex(input: Any) -> Any:
    """Pairs (real, imaginary) in the last dimension as complex values: (*, 2) -> (*).

    A view where the two parts of every pair lie together in memory, else a copy.

    >>> import sensorium as sn
    >>> sn.view_as_complex(sn.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    if input.ndim == 0 or input.shape[-1] != 2:
        raise ShapeError(f"view_as_complex: want a last dim of size 2, got {tuple(input.shape)}")
    if input.dtype not in _COMPLEX_OF:
        raise DTypeError(f"view_as_complex: want float32 or float64, got {input.dtype}")
    return _pairs_as_complex(input, _COMPLEX_OF[input.dtype])


def view_as_real(input: Any) -> Any:
    """Complex values as pairs (real, imaginary) in a new last dimension: (*) -> (*, 2); a view.

    >>> import sensorium as sn
    >>> sn.view_as_real(sn.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if input.dtype not in _REAL_OF:
        raise DTypeError(f"view_as_real: want a complex tensor, got {input.dtype}")
    return _complex_as_pairs(input, _REAL_OF[input.dtype])


@op
def _complex(real: Array, imag: Array, dtype: Any) -> Array:
    """real + 1j imag, elementwise, as dtype."""
    y = np.empty(np.broadcast_shapes(real.shape, imag.shape), dtype, like=real)
    y.real[...] = real
    y.imag[...] = imag
    return y


@_complex.grad
def _(g):
    return real(g), imag(g)


@_complex.samples(reference=lambda a, b, dtype: a + 1j * b)
def _(rng):
    yield rng.normal(size=(3, 4)), rng.normal(size=(4,)), complex128


@with_out(cast=False)
def complex(real: Any, imag: Any) -> Any:
    """real + 1j imag, elementwise; both float32 or both float64.

    >>> import sensorium as sn
    >>> sn.complex(sn.tensor([1.0]), sn.tensor([2.0]))
    tensor([1.+2.j])
    """
    if real.dtype != imag.dtype or real.dtype not in _COMPLEX_OF:
        raise DTypeError(
            f"complex: want both float32 or both float64, got {real.dtype} and {imag.dtype}"
        )
    return _complex(real, imag, _COMPLEX_OF[real.dtype])


@with_out(cast=False)
def polar(abs: Any, angle: Any) -> Any:
    """abs (cos angle + 1j sin angle), elementwise; angles in radians.

    >>> import sensorium as sn
    >>> sn.polar(sn.tensor([2.0]), sn.tensor([0.0]))
    tensor([2.+0.j])
    """
    for name, value in (("abs", abs), ("angle", angle)):
        if not hasattr(value, "dtype"):
            raise DTypeError(f"polar: {name} must be a Tensor, got {value!r}")
    return complex(abs * cos(angle), abs * sin(angle))
