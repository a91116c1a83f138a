"""Factorisations with triangles: solve_triangular, Cholesky, LU, QR.

Gradients: Cholesky by I. Murray, "Differentiation of the Cholesky decomposition" (2016); QR by S. F.
Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions with application in
optimum experimental design" (2010); LU from dA = dL U + L dU, whose factors are the strictly lower
and the upper part of L^-1 dA U^-1.

NumPy has neither triangular solve nor LU, so both are written here on arrays, a row or column at a
time for the whole batch.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any

import numpy as np

from ..errors import LinAlgError
from ._declare import Array, op
from .linalg import (
    adjoint,
    cramer,
    diagonal_matrix,
    diagonal_of,
    eye_mask,
    lower_part,
    recorded,
    squares,
    upper_part,
    wide,
)
from .matmul import matmul
from .select import where

_BLOCK = 32
"""Rows solved one by one; larger triangles are halved, so that most of the work is matmul."""


# -- triangular systems ----------------------------------------------------------------------------
def _by_rows(a: Any, x: Any, upper: bool, unit: bool) -> None:
    """Substitution in place: x becomes the solution of a x = x."""
    n = a.shape[-1]
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        if known.stop > known.start:
            x[..., i : i + 1, :] -= np.matmul(a[..., i : i + 1, known], x[..., known, :])
        if not unit:
            x[..., i : i + 1, :] /= a[..., i : i + 1, i : i + 1]


def _substitute(a: Any, x: Any, upper: bool, unit: bool) -> None:
    n = a.shape[-1]
    if n <= _BLOCK:
        _by_rows(a, x, upper, unit)
        return
    head, tail = slice(0, n // 2), slice(n // 2, n)
    first, second = (tail, head) if upper else (head, tail)
    solved = x[..., first, :]
    _substitute(a[..., first, first], solved, upper, unit)
    rest = x[..., second, :]
    rest -= np.matmul(a[..., second, first], solved)
    _substitute(a[..., second, second], rest, upper, unit)


@op
def _solve_triangular(input: Array, other: Array, upper: bool, unit: bool) -> Array:
    """X with T @ X = other, T being the triangle of input; unit: its diagonal counts as ones."""
    a, b = wide(input), wide(other)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.broadcast_to(b, (*batch, *b.shape[-2:])).copy()
    _substitute(a, x, upper, unit)
    return x.astype(other.dtype, copy=False)


@_solve_triangular.grad
def _(g, input, y, upper, unit):
    back = _solve_triangular(adjoint(input), g, not upper, unit)
    whole = -matmul(back, adjoint(y))
    off = 1 if unit else 0
    return (upper_part(whole, off) if upper else lower_part(whole, -off)), back


def _slow_triangular(a: Any, b: Any, upper: bool, unit: bool) -> Any:
    t = np.triu(a) if upper else np.tril(a)
    if unit:
        t = t - t * np.eye(a.shape[-1]) + np.eye(a.shape[-1])
    return np.matmul(cramer(t), b)


@_solve_triangular.samples(reference=_slow_triangular, tolerance=1e-11)
def _(rng):
    for i, x in enumerate(squares(rng)):
        yield x, rng.normal(size=(x.shape[-1], 2)).astype(x.dtype), i % 2 == 0, i == 1
    yield rng.normal(size=(2, 1, 2, 2)) + 3 * np.eye(2), rng.normal(size=(3, 2, 1)), False, False


# -- Cholesky --------------------------------------------------------------------------------------
def minor_order(matrix: Any) -> int:
    """The order of the first leading minor that is not positive-definite; 0 if all are."""

    def fails(k: int) -> bool:
        try:
            np.linalg.cholesky(matrix[:k, :k])
        except np.linalg.LinAlgError:
            return True
        return False

    n = matrix.shape[-1]
    first = bisect_left(range(1, n + 1), True, key=fails) + 1
    return first if first <= n else 0


@op
def _cholesky(input: Array) -> Array:
    """The lower triangle L with L @ L^H = input; only input's lower triangle is read."""
    x = wide(input)
    try:
        return np.linalg.cholesky(x).astype(input.dtype, copy=False)
    except np.linalg.LinAlgError:
        raise _not_positive(x) from None


def _not_positive(x: Any) -> LinAlgError:
    for index in np.ndindex(*x.shape[:-2]):
        order = minor_order(x[index])
        if order:
            which = f"matrix {index} of the batch" if index else "the matrix"
            return LinAlgError(
                f"linalg.cholesky: {which} is not positive-definite: its leading minor of order "
                f"{order} is not (shape {tuple(x.shape)})"
            )
    return LinAlgError(f"linalg.cholesky: a matrix is not positive-definite (shape {x.shape})")


@_cholesky.grad
def _(g, y):
    back = adjoint(y)
    phi = lower_part(matmul(back, g))
    phi = where(eye_mask(y, *y.shape[-2:]), phi * 0.5, phi)
    left = _solve_triangular(back, phi, True, False)
    whole = adjoint(_solve_triangular(back, adjoint(left), True, False))
    return (whole + adjoint(whole)) * 0.5  # as of a function of Hermitian matrices


def _slow_cholesky(x: Any) -> Any:
    """Cholesky and Banachiewicz's sums, entry by entry."""
    low = np.zeros_like(x)
    for i, j in np.ndindex(*x.shape[-2:]):
        rest = x[..., i, j] - (low[..., i, :j] * low[..., j, :j].conj()).sum(-1)
        if i == j:
            low[..., i, i] = np.sqrt(rest.real)
        elif i > j:
            low[..., i, j] = rest / low[..., j, j]
    return low


def positive_definite(rng: Any) -> Any:
    """Hermitian matrices with positive eigenvalues."""
    for x in squares(rng):
        yield np.matmul(x, x.conj().swapaxes(-1, -2))


@_cholesky.samples(reference=_slow_cholesky, tolerance=1e-11, smooth=False)
def _(rng):
    for x in positive_definite(rng):
        yield (x,)


# -- LU --------------------------------------------------------------------------------------------
def _size(x: Any) -> Any:
    """What LAPACK compares pivots by: |re| + |im|."""
    return np.abs(x) if x.dtype.kind != "c" else np.abs(x.real) + np.abs(x.imag)


def _eliminate(a: Any, pivoting: bool) -> Any:
    """Gaussian elimination of (b, m, n) in place; the row exchanged with each pivot row, from 0."""
    b, m, n = a.shape
    k = min(m, n)
    batch = np.arange(b, like=a)
    pivots = np.zeros((b, k), np.int64, like=a)
    for i in range(k):
        best = np.argmax(_size(a[:, i:, i]), axis=-1) + i if pivoting else np.full_like(batch, i)
        pivots[:, i] = best
        top = a[batch, best].copy()
        a[batch, best] = a[:, i]
        a[:, i] = top
        pivot = a[:, i, i]
        below = a[:, i + 1 :, i] / np.where(pivot == 0, 1, pivot)[:, None]
        a[:, i + 1 :, i] = below
        a[:, i + 1 :, i + 1 :] -= below[:, :, None] * a[:, i, None, i + 1 :]
    return pivots


@op(outputs=("lu", "pivots"))
def _lu(input: Array, pivoting: bool) -> Array:
    """L (unit diagonal not stored) and U in one matrix, and the rows exchanged, counted from 1."""
    x = wide(input)
    a = (
        x.reshape(-1, *x.shape[-2:]).copy()
        if x.size
        else np.zeros_like(x).reshape(0, *x.shape[-2:])
    )
    pivots = _eliminate(a, pivoting) + 1
    pivots = pivots.astype(np.int32).reshape(*x.shape[:-2], min(x.shape[-2:]))
    return a.reshape(x.shape).astype(input.dtype, copy=False), pivots


def row_order(pivots: Any, m: int) -> Any:
    """The order the exchanges bring m rows into: (..., k) -> (..., m)."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    batch = np.arange(flat.shape[0], like=pivots)
    order = np.arange(m, like=pivots) + np.zeros((flat.shape[0], 1), np.int64, like=pivots)
    for i in range(flat.shape[1]):
        other = flat[:, i].astype(np.int64) - 1
        kept = order[batch, other].copy()
        order[batch, other] = order[:, i]
        order[:, i] = kept
    return order.reshape(*pivots.shape[:-1], m)


def permutation_matrix(pivots: Any, m: int, dtype: Any) -> Any:
    """P with A = P @ L @ U, a raw array (..., m, m)."""
    order = row_order(pivots, m)
    return (np.arange(m, like=pivots)[:, None] == order[..., None, :]).astype(dtype)


@_lu.grad
def _(g, input, lu, pivots, pivoting):
    if recorded(input):
        lu = _lu(input, pivoting)[0]
        pivots = pivots.array
    m, n = input.shape[-2:]
    p = permutation_matrix(pivots, m, input.dtype)
    back = _lu_square if m == n else (_lu_tall if m > n else _lu_wide)
    return matmul(p, back(g, lu))


def _lu_square(g: Any, lu: Any) -> Any:
    return _lu_core(lower_part(g, -1), upper_part(g), lu)


def _lu_core(g_low: Any, g_up: Any, lu: Any) -> Any:
    """L^-H (strict lower part of L^H gL + upper part of gU U^H) U^-H."""
    low_h = adjoint(lower_part(lu, -1))
    up_h = adjoint(upper_part(lu))
    inner = lower_part(g_low + matmul(low_h, g_low), -1) + upper_part(matmul(g_up, up_h))
    left = _solve_triangular(adjoint(lu), inner, True, True)
    return adjoint(_solve_triangular(lu, adjoint(left), True, False))


def _lu_tall(g: Any, lu: Any) -> Any:
    from .join import cat

    n = lu.shape[-1]
    top, rest = lu[..., :n, :], lu[..., n:, :]
    g_rest = adjoint(_solve_triangular(top, adjoint(g[..., n:, :]), True, False))
    g_up = upper_part(g[..., :n, :] - matmul(adjoint(rest), g_rest))
    return cat([_lu_core(lower_part(g[..., :n, :], -1), g_up, top), g_rest], -2)


def _lu_wide(g: Any, lu: Any) -> Any:
    from .join import cat

    m = lu.shape[-2]
    left, rest = lu[..., :m], lu[..., m:]
    g_rest = _solve_triangular(adjoint(left), g[..., m:], True, True)
    g_low = lower_part(g[..., :m] - matmul(g_rest, adjoint(rest)), -1)
    return cat([_lu_core(g_low, upper_part(g[..., :m]), left), g_rest], -1)


def _slow_lu(x: Any, pivoting: bool) -> Any:
    """Row by row on Python numbers, after the exchanges that a largest pivot asks for."""
    packed, pivots = x.copy(), np.zeros((*x.shape[:-2], min(x.shape[-2:])), np.int32)
    for index in np.ndindex(*x.shape[:-2]):
        rows = [list(r) for r in x[index]]
        for i in range(pivots.shape[-1]):
            p = max(range(i, len(rows)), key=lambda r: _size(rows[r][i])) if pivoting else i
            rows[i], rows[p] = rows[p], rows[i]
            pivots[(*index, i)] = p + 1
            for r in rows[i + 1 :]:
                r[i] = r[i] / rows[i][i]
                r[i + 1 :] = [v - r[i] * u for v, u in zip(r[i + 1 :], rows[i][i + 1 :])]
        packed[index] = rows
    return packed, pivots


@_lu.samples(reference=_slow_lu, tolerance=1e-11)
def _(rng):
    for x in squares(rng):
        yield x, True
    yield rng.normal(size=(2, 5, 3)), True
    yield rng.normal(size=(3, 5)) + 1j * rng.normal(size=(3, 5)), True
    yield rng.normal(size=(3, 3)) + 4 * np.eye(3), False


# -- QR --------------------------------------------------------------------------------------------
@op(outputs=("q", "r"), differentiable=2)
def _qr(input: Array) -> Array:
    """Q (m, n) with orthonormal columns and upper triangular R (n, n), for m >= n."""
    q, r = np.linalg.qr(wide(input))
    return q.astype(input.dtype, copy=False), r.astype(input.dtype, copy=False)


@_qr.grad
def _(g, input, q, r):
    g_q, g_r = g
    if recorded(input):
        q, r = _qr(input)
    inner = upper_part(matmul(g_r, adjoint(r)) - matmul(adjoint(q), g_q))
    strict = upper_part(inner, 1)
    from .complex import real

    middle = (
        strict
        + adjoint(strict)
        + diagonal_matrix(
            real(diagonal_of(inner)) if inner.dtype.kind == "c" else diagonal_of(inner)
        )
    )
    whole = g_q + matmul(q, middle)
    return adjoint(_solve_triangular(r, adjoint(whole), True, False))


def _slow_qr(x: Any) -> Any:
    """Gram and Schmidt's way, with the signs of the diagonal that the routine under test chose."""
    q, r = np.zeros_like(x), np.zeros((*x.shape[:-2], x.shape[-1], x.shape[-1]), x.dtype)
    signs = np.sign(np.diagonal(_qr(x)[1], axis1=-2, axis2=-1).real)
    for j in range(x.shape[-1]):
        v = x[..., :, j].copy()
        for i in range(j):
            r[..., i, j] = (q[..., :, i].conj() * x[..., :, j]).sum(-1)
            v -= r[..., i, j, None] * q[..., :, i]
        r[..., j, j] = signs[..., j] * np.sqrt((np.abs(v) ** 2).sum(-1))
        q[..., :, j] = v / r[..., j, j, None]
    return q, r


@_qr.samples(reference=_slow_qr, tolerance=1e-10)
def _(rng):
    for x in squares(rng):
        yield (x,)
    yield (rng.normal(size=(2, 5, 3)),)
