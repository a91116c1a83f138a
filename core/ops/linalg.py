"""Matrices as a whole: inverse, solve, determinants; and what the other linalg files share.

Batches of matrices (..., m, n) everywhere, real and complex. float32, float64 and their complex types
only, as in PyTorch. Factorisations are in ``linalg_factor.py``, spectra in ``linalg_spectral.py``.
Gradients: M. B. Giles, "An extended collection of matrix derivative results" (2008), in the complex
convention where the gradient of a holomorphic function is its conjugated derivative.

A gradient that needs results of an op with several of them takes the kept ones in an ordinary
backward and computes them again in a recorded one, which is what makes second gradients right.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from ..dtypes import FLOATING
from ..errors import DTypeError, LinAlgError, ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from .exponential import conjugate
from .matmul import _flip_last, matmul
from .reduce import _sum
from .select import where
from .shape import _reshape_view

adjoint = _flip_last
_tri: Any = np.tri  # NumPy's stubs do not know it by this signature


# -- what all of linalg uses -----------------------------------------------------------------------
def raw(x: Any) -> Any:
    """The array of a Tensor; an array as it is."""
    return x.array if isinstance(x, Tensor) else x


def wide(x: Any) -> Any:
    """x in a type LAPACK has: the half types as float32."""
    return x.astype(np.float32) if x.itemsize == 2 else x


def check_float(name: str, *tensors: Any) -> None:
    """Refuse integers and the half types, and operands of different types."""
    for x in tensors:
        if x.dtype not in FLOATING:
            raise DTypeError(f"{name}: want a floating-point or complex tensor, got {x.dtype}")
        if x.dtype.itemsize == 2:
            raise DTypeError(f"{name}: {x.dtype} is too short a type, cast to float32 first")
        if x.dtype != tensors[0].dtype:
            raise DTypeError(
                f"{name}: operands must have one type, got {tensors[0].dtype} and {x.dtype}"
            )


def check_matrix(name: str, *tensors: Any) -> None:
    """Refuse what is no batch of matrices (..., m, n)."""
    for x in tensors:
        if x.ndim < 2:
            raise ShapeError(
                f"{name}: want at least 2 dimensions (..., m, n), got {tuple(x.shape)}"
            )
    check_float(name, *tensors)


def check_square(name: str, A: Any) -> None:
    """Refuse what is no batch of square matrices (..., n, n)."""
    check_matrix(name, A)
    if A.shape[-1] != A.shape[-2]:
        raise ShapeError(
            f"{name}: want square matrices, got {A.shape[-2]} by {A.shape[-1]} ones "
            f"(shape {tuple(A.shape)})"
        )


def eye_mask(x: Any, rows: int, columns: int) -> Any:
    """True on the main diagonal, in the array library of x."""
    return np.eye(rows, columns, dtype=bool, like=raw(x))


def lower_part(x: Any, k: int = 0) -> Any:
    """x on and below the k-th diagonal, zeros above."""
    return where(_tri(*x.shape[-2:], k, dtype=bool, like=raw(x)), x, 0.0)


def upper_part(x: Any, k: int = 0) -> Any:
    """x on and above the k-th diagonal, zeros below."""
    return where(~_tri(*x.shape[-2:], k - 1, dtype=bool, like=raw(x)), x, 0.0)


def diagonal_of(x: Any) -> Any:
    """The main diagonals: (..., m, n) -> (..., min(m, n))."""
    n = min(x.shape[-2:])
    square = x[..., :n, :n]
    return _sum(where(eye_mask(x, n, n), square, 0.0), (x.ndim - 1,), False)


def diagonal_matrix(v: Any) -> Any:
    """Matrices with v on the diagonal: (..., n) -> (..., n, n)."""
    n = v.shape[-1]
    return where(eye_mask(v, n, n), column(v), 0.0)


def column(v: Any) -> Any:
    """(..., n) -> (..., n, 1)."""
    return _reshape_view(v, (*v.shape, 1))


def row(v: Any) -> Any:
    """(..., n) -> (..., 1, n)."""
    return _reshape_view(v, (*v.shape[:-1], 1, v.shape[-1]))


def identity_like(x: Any, n: int) -> Any:
    """The n by n identity in the type and library of x, a raw array."""
    return np.eye(n, dtype=raw(x).dtype, like=raw(x))


def recorded(x: Any) -> bool:
    """Whether a gradient runs on Tensors, so that it will be differentiated itself."""
    return isinstance(x, Tensor)


def refused(name: str, x: Any, function: Any, reason: str) -> LinAlgError:
    """The error for a batch that LAPACK gave up on, naming the first such matrix."""
    for index in np.ndindex(*x.shape[:-2]):
        try:
            function(x[index])
        except np.linalg.LinAlgError:
            which = f"matrix {index} of the batch" if index else "the matrix"
            return LinAlgError(f"{name}: {which} {reason} (shape {tuple(x.shape)})")
    return LinAlgError(f"{name}: a matrix {reason} (shape {tuple(x.shape)})")


# -- references and samples ------------------------------------------------------------------------
def _parity(order: tuple[int, ...]) -> int:
    swaps = sum(a > b for i, a in enumerate(order) for b in order[i + 1 :])
    return -1 if swaps % 2 else 1


def leibniz(x: Any) -> Any:
    """The determinant as the signed sum over all permutations."""
    total = np.zeros(x.shape[:-2], x.dtype)
    for order in permutations(range(x.shape[-1])):
        term = np.array(_parity(order), x.dtype)
        for i, j in enumerate(order):
            term = term * x[..., i, j]
        total = total + term
    return total


def cramer(x: Any) -> Any:
    """The inverse as cofactors over the determinant."""
    n, y = x.shape[-1], np.zeros_like(x)
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(x, i, -2), j, -1)
        y[..., j, i] = (-1) ** (i + j) * leibniz(minor) / leibniz(x)
    return y


def squares(rng: Any) -> Any:
    """Well-conditioned square matrices: one, a batch, complex ones."""
    yield rng.normal(size=(3, 3)) + 3 * np.eye(3)
    yield rng.normal(size=(2, 4, 4)) + 4 * np.eye(4)
    yield rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)) + 4 * np.eye(3)
    yield rng.normal(size=(1, 1)) + 2


# -- inverse ---------------------------------------------------------------------------------------
@op
def _inv(input: Array) -> Array:
    """The inverses of square matrices."""
    x = wide(input)
    try:
        return np.linalg.inv(x).astype(input.dtype, copy=False)
    except np.linalg.LinAlgError:
        raise refused("linalg.inv", x, np.linalg.inv, "is singular") from None


@_inv.grad
def _(g, y):
    h = adjoint(y)
    return -matmul(matmul(h, g), h)


@_inv.samples(reference=cramer, tolerance=1e-11)
def _(rng):
    for x in squares(rng):
        yield (x,)


# -- solve -----------------------------------------------------------------------------------------
@op
def _solve(input: Array, other: Array) -> Array:
    """X with input @ X = other, for matrices other (..., n, k); batches broadcast."""
    x = wide(input)
    try:
        return np.linalg.solve(x, wide(other)).astype(other.dtype, copy=False)
    except np.linalg.LinAlgError:
        raise refused("linalg.solve", x, np.linalg.inv, "is singular") from None


@_solve.grad
def _(g, input, y):
    back = _solve(adjoint(input), g)
    return -matmul(back, adjoint(y)), back


@_solve.samples(reference=lambda a, b: (cramer(a)[..., None] * b[..., None, :, :]).sum(-2),
                tolerance=1e-11)  # fmt: skip
def _(rng):
    for x in squares(rng):
        b = rng.normal(size=(x.shape[-1], 2))
        yield x, b.astype(x.dtype)
    yield rng.normal(size=(2, 1, 2, 2)) + 3 * np.eye(2), rng.normal(size=(3, 2, 1))


# -- determinants ----------------------------------------------------------------------------------
@op
def _det(input: Array) -> Array:
    """The determinants of square matrices."""
    return np.linalg.det(wide(input)).astype(input.dtype, copy=False)


@_det.grad
def _(g, input, y):
    values = raw(y)
    if bool((values == 0).any()) or not bool(np.isfinite(values).all()):
        return column(column(g)) * _cofactors(input)
    return column(column(g * conjugate(y))) * adjoint(_inv(input))


def _cofactors(x: Any) -> Any:
    """The conjugated slopes of det, also where it is 0, by singular values.

    With x = U S Vh they are conj(det(U Vh)) U S' Vh, where S' holds for each singular value the
    product of the others.
    """
    from .linalg_spectral import _svd

    u, s, vh = _svd(x, False)
    turn = conjugate(_det(matmul(u, vh)))
    return column(column(turn)) * matmul(u * row(_products_of_others(s)), vh)


def _products_of_others(s: Any) -> Any:
    """For every i the product of s[j] over j != i."""
    from .products import _prod

    n = s.shape[-1]
    spread = where(eye_mask(s, n, n), 1.0, row(s))  # (..., n, n), 1 in place of the own value
    return _prod(spread, (spread.ndim - 1,), False)


@_det.samples(reference=leibniz, tolerance=1e-11)
def _(rng):
    for x in squares(rng):
        yield (x,)
    yield (rng.normal(size=(2, 0, 0)),)


@op(outputs=("sign", "logabsdet"), differentiable=2)
def _slogdet(input: Array) -> Array:
    """The determinant as sign (of modulus 1) and logarithm of the absolute value."""
    sign, size = np.linalg.slogdet(wide(input))
    real = input.dtype if input.dtype.kind != "c" else size.dtype
    return sign.astype(input.dtype, copy=False), size.astype(real, copy=False)


@_slogdet.grad
def _(g, input, sign):
    g_sign, g_size = g
    back = adjoint(_inv(input))
    if input.dtype.kind != "c":
        return column(column(g_size)) * back
    if recorded(input):
        sign = _slogdet(input)[0]
    from .complex import _imag

    turn = _imag(g_sign * conjugate(sign))
    return column(column(g_size + 1j * turn)) * back


def _slow_slogdet(x: Any) -> Any:
    d = leibniz(x)
    return d / np.abs(d), np.log(np.abs(d))


@_slogdet.samples(reference=_slow_slogdet, tolerance=1e-11)
def _(rng):
    for x in squares(rng):
        yield (x,)
