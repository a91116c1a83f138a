"""Factorisations and spectra, as users call them in sensorium.linalg.

Signatures and result fields are ``torch.linalg``'s.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import LinAlgError, OptionError
from ..tensor import wrap
from . import linalg_factor as factor, linalg_spectral as spectral
from ._out import with_out
from .linalg import adjoint, check_matrix, check_square, lower_part, upper_part
from .linalg_calls import _check_rows, _unless, _where_regular, _zero_pivot
from .matmul import matmul

_adjoint = adjoint


class Eigen(NamedTuple):
    """What ``eig`` and ``eigh`` return."""

    eigenvalues: Any
    eigenvectors: Any


class SVD(NamedTuple):
    """What ``svd`` returns."""

    U: Any
    S: Any
    Vh: Any


class QR(NamedTuple):
    """What ``qr`` returns."""

    Q: Any
    R: Any


class PLU(NamedTuple):
    """What ``lu`` returns."""

    P: Any
    L: Any
    U: Any


class LUFactor(NamedTuple):
    """What ``lu_factor`` returns."""

    LU: Any
    pivots: Any


class LUFactorEx(NamedTuple):
    """What ``lu_factor_ex`` returns."""

    LU: Any
    pivots: Any
    info: Any


class CholeskyEx(NamedTuple):
    """What ``cholesky_ex`` returns."""

    L: Any
    info: Any


# -- factorisations --------------------------------------------------------------------------------
@with_out
def cholesky(A: Any, *, upper: bool = False) -> Any:
    """Lower triangular L with L @ L^H = A (upper: L^H) for positive-definite Hermitian A.

    >>> import sensorium as sn
    >>> sn.linalg.cholesky(sn.tensor([[4.0, 0.0], [0.0, 9.0]]))
    tensor([[2., 0.],
            [0., 3.]])
    """
    check_square("linalg.cholesky", A)
    found = factor._cholesky(adjoint(A) if upper else A)
    return adjoint(found) if upper else found


@with_out
def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """``cholesky`` and, for every matrix, 0 or the order of the minor that is not positive-definite.

    >>> import sensorium as sn
    >>> sn.linalg.cholesky_ex(sn.eye(2) * -1).info
    tensor(1, dtype=int32)
    """
    check_square("linalg.cholesky_ex", A)
    try:
        found = cholesky(A, upper=upper)
        return CholeskyEx(found, wrap(np.zeros(A.shape[:-2], np.int32, like=A.array)))
    except LinAlgError:
        if check_errors:
            raise
    x = A.array.conj().swapaxes(-1, -2) if upper else A.array
    info = np.zeros(x.shape[:-2], np.int32, like=x)
    for index in np.ndindex(*x.shape[:-2]):
        info[index] = factor.minor_order(x[index])
    good = cholesky(_where_regular(A, info), upper=upper)
    return CholeskyEx(_unless(info, good), wrap(info))


@with_out
def qr(A: Any, mode: str = "reduced") -> QR:
    """Q with orthonormal columns and upper triangular R with Q @ R = A.

    mode: "reduced" Q (m, k) and R (k, n) with k = min(m, n); "complete" Q (m, m); "r" only R, and an
    empty Q. Gradients: of "reduced", and of "complete" where m <= n.

    >>> import sensorium as sn
    >>> sn.linalg.qr(sn.ones(3, 2)).R.shape
    sensorium.Size([2, 2])
    """
    check_matrix("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise OptionError(f"linalg.qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    m, n = A.shape[-2:]
    if mode == "r":
        empty = wrap(np.zeros((0,), A.dtype, like=A.array))
        return QR(empty, wrap(np.linalg.qr(A.array, "r")))
    if mode == "complete" and m > n:
        return QR(*map(wrap, np.linalg.qr(A.array, "complete")))
    if m >= n:
        return QR(*factor._qr(A))
    from .join import cat

    q, r = factor._qr(A[..., :m])  # the first m columns decide Q
    return QR(q, cat([r, matmul(adjoint(q), A[..., m:])], -1))


def _check_pivot(name: str, pivot: bool) -> None:
    if not pivot:
        raise OptionError(f"{name}: pivot=False is not available on the CPU, nor in PyTorch")


@with_out
def lu_factor(A: Any, *, pivot: bool = True) -> LUFactor:
    """L and U in one matrix, and the row exchanges, counted from 1, in the order they were made.

    >>> import sensorium as sn
    >>> sn.linalg.lu_factor(sn.tensor([[1.0, 2.0], [2.0, 2.0]])).pivots
    tensor([2, 2], dtype=int32)
    """
    check_matrix("linalg.lu_factor", A)
    _check_pivot("linalg.lu_factor", pivot)
    return LUFactor(*factor._lu(A, True))


@with_out
def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False) -> LUFactorEx:
    """``lu_factor`` and, for every matrix, 0 or the place of the first zero on U's diagonal.

    >>> import sensorium as sn
    >>> sn.linalg.lu_factor_ex(sn.zeros(2, 2)).info
    tensor(1, dtype=int32)
    """
    found = lu_factor(A, pivot=pivot)
    info = _zero_pivot(A)
    if check_errors and info.any():
        raise LinAlgError(f"linalg.lu_factor_ex: U has zeros on its diagonal, info {info.tolist()}")
    return LUFactorEx(found.LU, found.pivots, wrap(info))


@with_out
def lu(A: Any, *, pivot: bool = True) -> PLU:
    """Permutation P, unit lower triangular L and upper triangular U with P @ L @ U = A.

    >>> import sensorium as sn
    >>> sn.linalg.lu(sn.tensor([[1.0, 2.0], [2.0, 2.0]])).U
    tensor([[2., 2.],
            [0., 1.]])
    """
    check_matrix("linalg.lu", A)
    _check_pivot("linalg.lu", pivot)
    packed, pivots = factor._lu(A, True)
    m, n = A.shape[-2:]
    k = min(m, n)
    p = factor.permutation_matrix(pivots.array, m, A.dtype)
    one = np.eye(m, k, dtype=A.dtype, like=A.array)
    return PLU(wrap(p), lower_part(packed[..., :k], -1) + wrap(one), upper_part(packed[..., :k, :]))


@with_out
def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """X with A @ X = B (left) or X @ A = B from A's ``lu_factor``; adjoint: with A^H for A.

    >>> import sensorium as sn
    >>> A = sn.tensor([[1.0, 2.0], [2.0, 2.0]])
    >>> sn.linalg.lu_solve(*sn.linalg.lu_factor(A), sn.tensor([[3.0], [4.0]]))
    tensor([[1.],
            [1.]])
    """
    check_square("linalg.lu_solve", LU)
    check_matrix("linalg.lu_solve", LU, B)
    flip = _adjoint
    _check_rows("linalg.lu_solve", LU, B if left else flip(B))
    p = wrap(factor.permutation_matrix(pivots.array, LU.shape[-1], LU.dtype))
    right = B if left else flip(B)
    # X A = B is A^H X^H = B^H
    solved = (_lu_back if adjoint is left else _lu_forward)(LU, p, right)
    return solved if left else flip(solved)


def _lu_forward(lu: Any, p: Any, b: Any) -> Any:
    """A^-1 b."""
    y = factor._solve_triangular(lu, matmul(_adjoint(p), b), False, True)
    return factor._solve_triangular(lu, y, True, False)


def _lu_back(lu: Any, p: Any, b: Any) -> Any:
    """A^-H b."""
    h = _adjoint(lu)
    y = factor._solve_triangular(h, b, False, False)
    return matmul(p, factor._solve_triangular(h, y, True, True))


# -- spectra ---------------------------------------------------------------------------------------
def _check_uplo(name: str, uplo: str) -> str:
    if uplo not in ("L", "U", "l", "u"):
        raise OptionError(f"{name}: UPLO must be 'L' or 'U', got {uplo!r}")
    return uplo.upper()


@with_out
def eigh(A: Any, UPLO: str = "L") -> Eigen:
    """Eigenvalues, rising, and orthonormal eigenvectors (columns) of Hermitian matrices.

    Only the triangle UPLO is read. Gradients of vectors hold for functions that their sign or phase
    does not change, and need distinct values.

    >>> import sensorium as sn
    >>> sn.linalg.eigh(sn.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    check_square("linalg.eigh", A)
    return Eigen(*spectral._eigh(A, _check_uplo("linalg.eigh", UPLO)))


@with_out
def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of Hermitian matrices, rising.

    >>> import sensorium as sn
    >>> sn.linalg.eigvalsh(sn.tensor([[0.0, 1.0], [1.0, 0.0]]))
    tensor([-1.,  1.])
    """
    check_square("linalg.eigvalsh", A)
    return spectral._eigvalsh(A, _check_uplo("linalg.eigvalsh", UPLO))


@with_out
def eig(A: Any) -> Eigen:
    """Complex eigenvalues, in no order, and eigenvectors (columns of norm 1) of square matrices.

    >>> import sensorium as sn
    >>> sn.linalg.eig(sn.tensor([[3.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([3.+0.j, 1.+0.j])
    """
    check_square("linalg.eig", A)
    return Eigen(*spectral._eig(A))


@with_out
def eigvals(A: Any) -> Any:
    """Complex eigenvalues of square matrices, in no order.

    >>> import sensorium as sn
    >>> sn.linalg.eigvals(sn.tensor([[3.0, 0.0], [0.0, 1.0]]))
    tensor([3.+0.j, 1.+0.j])
    """
    check_square("linalg.eigvals", A)
    return spectral._eig(A)[0]


@with_out
def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> SVD:
    """U, singular values S, falling, and V^H with U @ diag(S) @ Vh = A.

    full_matrices: U (m, m) and Vh (n, n), of which only the first min(m, n) have gradients. driver is
    accepted where PyTorch accepts it: on a GPU.

    >>> import sensorium as sn
    >>> sn.linalg.svd(sn.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    check_matrix("linalg.svd", A)
    _check_driver("linalg.svd", A, driver)
    return SVD(*spectral._svd(A, bool(full_matrices)))


def _check_driver(name: str, A: Any, driver: str | None) -> None:
    if driver is not None and not A.is_cuda:
        raise OptionError(f"{name}: driver is an option of CUDA tensors, got {driver!r} on the CPU")


@with_out
def svdvals(A: Any, *, driver: str | None = None) -> Any:
    """Singular values, falling: (..., m, n) -> (..., min(m, n)).

    >>> import sensorium as sn
    >>> sn.linalg.svdvals(sn.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    check_matrix("linalg.svdvals", A)
    _check_driver("linalg.svdvals", A, driver)
    return spectral._svdvals(A)


def matrix_exp(A: Any) -> Any:
    """The sum of A^k / k! for every square matrix.

    >>> import sensorium as sn
    >>> sn.linalg.matrix_exp(sn.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    check_square("linalg.matrix_exp", A)
    return spectral._matrix_exp(A)
