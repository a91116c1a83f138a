"""Eigenvalues and singular values, and what is made from them: eigh, eig, svd, pinv, matrix_exp.

Gradients: Giles (2008) for eigenvalues, J. Townsend, "Differentiating the singular value
decomposition" (2016), G. H. Golub and V. Pereyra (1973) for the pseudoinverse. Vectors are determined
up to a sign or phase only: their gradients hold for results that do not depend on it, and grow
without bound where two values meet. The exponential: N. J. Higham, "The scaling and squaring method
for the matrix exponential revisited" (2005).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from .exponential import conjugate
from .linalg import (
    adjoint,
    column,
    diagonal_matrix,
    diagonal_of,
    eye_mask,
    identity_like,
    raw,
    recorded,
    refused,
    row,
    squares,
    wide,
)
from .matmul import matmul
from .select import where


def _real_type(x: Any) -> Any:
    return x.dtype if x.dtype.kind != "c" else np.zeros((), x.dtype).real.dtype


def _gaps(v: Any) -> Any:
    """v[j] - v[i] at (i, j), 1 on the diagonal."""
    n = v.shape[-1]
    return where(eye_mask(v, n, n), 1.0, row(v) - column(v))


def _aligned(vectors: Any, like: Any) -> Any:
    """The columns turned by the phase that brings them nearest to those of like."""
    turn = (vectors.conj() * like).sum(-2)
    return vectors * (turn / np.abs(turn))[..., None, :]


# -- Hermitian matrices ----------------------------------------------------------------------------
@op(outputs=("values", "vectors"), differentiable=2)
def _eigh(input: Array, uplo: Any) -> Array:
    """Rising eigenvalues (..., n) and the eigenvectors as columns; one triangle of input is read."""
    x = wide(input)
    try:
        values, vectors = np.linalg.eigh(x, uplo)
    except np.linalg.LinAlgError:
        raise refused("linalg.eigh", x, np.linalg.eigh, "did not converge") from None
    return values.astype(_real_type(input), copy=False), vectors.astype(input.dtype, copy=False)


@_eigh.grad
def _(g, input, values, vectors, uplo):
    g_values, g_vectors = g
    if recorded(input):
        values, vectors = _eigh(input, uplo)
    n = values.shape[-1]
    turned = matmul(adjoint(vectors), g_vectors) / _gaps(values)
    inner = where(eye_mask(values, n, n), column(g_values), turned)
    whole = matmul(matmul(vectors, inner), adjoint(vectors))
    return (whole + adjoint(whole)) * 0.5  # as of a function of Hermitian matrices


def _hermitian(rng: Any) -> Any:
    for x in squares(rng):
        yield x + x.conj().swapaxes(-1, -2)


def _slow_eigh(x: Any, uplo: str) -> Any:
    """By the singular values of x shifted until it is positive-definite."""
    shift = np.abs(x).sum((-1, -2)).max() + 1
    u, s, _ = np.linalg.svd(x + shift * np.eye(x.shape[-1]))
    return s[..., ::-1] - shift, _aligned(u[..., ::-1], _eigh(x, uplo)[1])


@_eigh.samples(reference=_slow_eigh, tolerance=1e-9, smooth=False)
def _(rng):
    for x in _hermitian(rng):
        yield x, "L"


@op
def _eigvalsh(input: Array, uplo: Any) -> Array:
    """Rising eigenvalues of Hermitian matrices."""
    return np.linalg.eigvalsh(wide(input), uplo).astype(_real_type(input), copy=False)


@_eigvalsh.grad
def _(g, input, uplo):
    vectors = _eigh(input, uplo)[1]
    return matmul(vectors * row(g), adjoint(vectors))


@_eigvalsh.samples(reference=lambda x, uplo: _slow_eigh(x, uplo)[0], tolerance=1e-9, smooth=False)
def _(rng):
    for x in _hermitian(rng):
        yield x, "L"


# -- general matrices ------------------------------------------------------------------------------
@op(outputs=("values", "vectors"), differentiable=2)
def _eig(input: Array) -> Array:
    """Eigenvalues and eigenvectors (columns of norm 1), complex."""
    x = wide(input)
    try:
        values, vectors = np.linalg.eig(x)
    except np.linalg.LinAlgError:
        raise refused("linalg.eig", x, np.linalg.eig, "did not converge") from None
    kind = np.result_type(x.dtype, np.complex64)
    return values.astype(kind, copy=False), vectors.astype(kind, copy=False)


@_eig.grad
def _(g, input, values, vectors):
    g_values, g_vectors = g
    if recorded(input):
        values, vectors = _eig(input)
    n, back = values.shape[-1], adjoint(vectors)
    turned = matmul(back, g_vectors)
    from .complex import real

    along = matmul(back, vectors) * row(real(diagonal_of(turned)))  # the norm of a column is fixed
    inner = (turned - along) / conjugate(_gaps(values))
    inner = where(eye_mask(values, n, n), column(g_values), inner)
    from .linalg import _solve

    return _solve(back, matmul(inner, back))


def _slow_eig(x: Any) -> Any:
    """Null vectors of x - value, from singular vectors."""
    values, found = _eig(x)
    shifted = x[..., None, :, :] - values[..., None, None] * np.eye(x.shape[-1])
    null = np.linalg.svd(shifted)[2][..., -1, :].conj()  # (..., value, n)
    vectors = _aligned(null.swapaxes(-1, -2), found)
    quotient = (vectors.conj() * np.matmul(x, vectors)).sum(-2)
    return quotient, vectors


@_eig.samples(reference=_slow_eig, tolerance=1e-9, smooth=False)
def _(rng):
    for x in squares(rng):
        yield (x.astype(np.complex128),)


# -- singular values -------------------------------------------------------------------------------
@op(outputs=("u", "s", "vh"), differentiable=3)
def _svd(input: Array, full: bool) -> Array:
    """U, falling singular values, V^H; full: U and V^H square."""
    x = wide(input)
    try:
        u, s, vh = np.linalg.svd(x, full)
    except np.linalg.LinAlgError:
        raise refused("linalg.svd", x, np.linalg.svd, "did not converge") from None
    kind = input.dtype
    return (
        u.astype(kind, copy=False),
        s.astype(_real_type(input), copy=False),
        vh.astype(kind, copy=False),
    )


@_svd.grad
def _(g, input, u, s, vh, full):
    if recorded(input):
        u, s, vh = _svd(input, full)
    g_u, g_s, g_vh = g
    k = s.shape[-1]
    u, g_u, vh, g_vh = u[..., :k], g_u[..., :k], vh[..., :k, :], g_vh[..., :k, :]
    if k == 0:
        return matmul(u * row(s), vh)
    u_g, v_g = matmul(adjoint(u), g_u), matmul(vh, adjoint(g_vh))
    core = _svd_core(u_g - adjoint(u_g), g_s, v_g - adjoint(v_g), s)
    m, n = input.shape[-2:]
    left = matmul(u, core)
    if m > k:
        left = left + (g_u - matmul(u, u_g)) / row(s)
    whole = matmul(left, vh)
    if n > k:
        rest = (g_vh - matmul(adjoint(v_g), vh)) / column(s)
        whole = whole + matmul(u, rest)
    return whole


def _svd_core(u_skew: Any, g_s: Any, v_skew: Any, s: Any) -> Any:
    """The gradient in the frame of the singular vectors: (..., k, k)."""
    k = s.shape[-1]
    gaps = where(eye_mask(s, k, k), 1.0, row(s * s) - column(s * s))
    inner = (u_skew * row(s) + column(s) * v_skew) / gaps
    ends = g_s if u_skew.dtype.kind != "c" else g_s + diagonal_of(u_skew) / (s * 2)
    return inner + diagonal_matrix(ends)


def _slow_svd(x: Any, full: bool) -> Any:
    """By the eigenvectors of x^H x and x x^H."""
    h, k = x.conj().swapaxes(-1, -2), min(x.shape[-2:])
    found_vh = _svd(x, full)[2]
    values, v = np.linalg.eigh(np.matmul(h, x))
    s = np.sqrt(np.maximum(values[..., ::-1][..., :k], 0))
    v = _aligned(v[..., ::-1][..., :k], found_vh.conj().swapaxes(-1, -2)[..., :k])
    return np.matmul(x, v) / s[..., None, :], s, v.conj().swapaxes(-1, -2)


@_svd.samples(reference=_slow_svd, tolerance=1e-8)
def _(rng):
    for x in squares(rng):
        if x.dtype.kind != "c":  # the phase of complex vectors is free: see the tests of svd
            yield x, False
    yield rng.normal(size=(2, 5, 3)), False
    yield rng.normal(size=(3, 4)), False


@op
def _svdvals(input: Array) -> Array:
    """Falling singular values."""
    found = np.linalg.svd(wide(input), compute_uv=False)
    return found.astype(_real_type(input), copy=False)


@_svdvals.grad
def _(g, input):
    u, _, vh = _svd(input, False)
    return matmul(u * row(g), vh)


@_svdvals.samples(
    reference=lambda x: np.sqrt(np.linalg.eigvalsh(_gram(x))[..., ::-1]), tolerance=1e-8
)
def _(rng):
    for x in squares(rng):
        yield (x,)
    yield (rng.normal(size=(2, 5, 3)),)


def _gram(x: Any) -> Any:
    """x^H x."""
    return np.matmul(x.conj().swapaxes(-1, -2), x)


# -- pseudoinverse ---------------------------------------------------------------------------------
def threshold(s: Any, atol: Any, rtol: Any) -> Any:
    """max(atol, rtol * the largest of s) of every matrix, (..., 1); raw arrays and numbers."""
    top = s.max(axis=-1) if s.shape[-1] else s.sum(axis=-1)
    return np.maximum(rtol * top, atol)[..., None]


@op
def _pinv(input: Array, atol: Any, rtol: Any, hermitian: bool) -> Array:
    """The pseudoinverse without singular values up to max(atol, rtol * the largest)."""
    x = wide(input)
    if hermitian:
        s, u = np.linalg.eigh(x)
        vh = u.conj().swapaxes(-1, -2)
    else:
        u, s, vh = np.linalg.svd(x, False)
    cut = threshold(np.abs(s), atol, rtol)
    kept = np.abs(s) > cut
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    y = np.matmul(vh.conj().swapaxes(-1, -2) * inverse[..., None, :], u.conj().swapaxes(-1, -2))
    return y.astype(input.dtype, copy=False)


@_pinv.grad
def _(g, input, y):
    h, g_h = adjoint(y), adjoint(g)
    left, right = matmul(g_h, matmul(y, h)), matmul(matmul(h, y), g_h)
    beside = left - matmul(input, matmul(y, left)) + right - matmul(matmul(right, y), input)
    return beside - matmul(matmul(h, g), h)


def _slow_pinv(x: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """(x^H x)^-1 x^H for full column rank."""
    return np.matmul(np.linalg.inv(_gram(x)), x.conj().swapaxes(-1, -2))


@_pinv.samples(reference=_slow_pinv, tolerance=1e-10)
def _(rng):
    for x in squares(rng):
        yield x, 1e-10, 0.0, False
    yield rng.normal(size=(2, 5, 3)), 1e-10, 0.0, False


# -- exponential -----------------------------------------------------------------------------------
_PADE = tuple(
    math.factorial(26 - k)
    * math.factorial(13)
    // (math.factorial(k) * math.factorial(13 - k) * math.factorial(13))
    for k in range(14)
)
"""Coefficients of the [13/13] Padé approximant of exp, up to a common factor; exact integers."""
_REACH = 5.371920351148152
"""The largest 1-norm at which that approximant is exact to double precision (Higham, table 2.3)."""


@op
def _matrix_exp(input: Array) -> Array:
    """The sum of input^k / k!."""
    if input.size == 0:
        return input.copy()
    x = input.astype(np.result_type(input.dtype, np.float64))  # float32 would lose digits squaring
    size = float(np.abs(x).sum(-2).max())
    halvings = max(0, math.ceil(math.log2(size / _REACH))) if 0 < size < math.inf else 0
    y = _pade(x * 2.0**-halvings)
    for _ in range(halvings):
        y = np.matmul(y, y)
    return y.astype(input.dtype, copy=False)


def _pade(x: Any) -> Any:
    """(V - U)^-1 (V + U) with the even part V and the odd part U of the numerator."""
    b = [c / _PADE[0] for c in _PADE]
    one = identity_like(x, x.shape[-1])
    x2 = np.matmul(x, x)
    x4 = np.matmul(x2, x2)
    x6 = np.matmul(x4, x2)
    odd = np.matmul(x6, b[13] * x6 + b[11] * x4 + b[9] * x2)
    odd = np.matmul(x, odd + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * one)
    even = np.matmul(x6, b[12] * x6 + b[10] * x4 + b[8] * x2)
    even = even + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * one
    return np.linalg.solve(even - odd, even + odd)


@_matrix_exp.grad
def _(g, input):
    """The upper right block of exp [[A^H, g], [0, A^H]]: the derivative along g (Najfeld, 1995)."""
    from .join import cat

    h, n = adjoint(input), input.shape[-1]
    zero = np.zeros(raw(h).shape, raw(h).dtype, like=raw(h))
    block = cat([cat([h, g], -1), cat([zero if not recorded(h) else h * 0, h], -1)], -2)
    return _matrix_exp(block)[..., :n, n:]


def _slow_exp(x: Any) -> Any:
    """The series of x / 1024, squared ten times."""
    total = term = np.zeros_like(x) + np.eye(x.shape[-1])
    for k in range(1, 20):
        term = np.matmul(term, x / 1024) / k
        total = total + term
    for _ in range(10):
        total = np.matmul(total, total)
    return total


@_matrix_exp.samples(reference=_slow_exp, tolerance=1e-11)
def _(rng):
    for x in squares(rng):
        yield (x / 2,)
    yield (rng.normal(size=(3, 3)) * 10,)
