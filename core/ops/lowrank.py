"""Singular values and principal components of matrices that are nearly of low rank.

N. Halko, P. G. Martinsson and J. A. Tropp, "Finding structure with randomness" (2011), algorithms
4.4 and 5.1: the range of the matrix is found from its product with random vectors. Follows
``torch.svd_lowrank`` and ``torch.pca_lowrank``. Left out: sparse matrices.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..errors import OptionError
from .linalg import adjoint, check_matrix
from .linalg_decompose import qr, svd
from .matmul import matmul
from .reduce import mean


class LowRankSVD(NamedTuple):
    """What ``svd_lowrank`` and ``pca_lowrank`` return."""

    U: Any
    S: Any
    V: Any


def _basis(A: Any, q: int, niter: int) -> Any:
    """Q (m, q) with orthonormal columns and A nearly Q @ Q^H @ A."""
    from ..random import randn

    wanted = randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    found = qr(matmul(A, wanted)).Q
    for _ in range(niter):
        found = qr(matmul(adjoint(A), found)).Q
        found = qr(matmul(A, found)).Q
    return found


def svd_lowrank(
    A: Any, q: int | None = 6, niter: int | None = 2, M: Any | None = None
) -> LowRankSVD:
    """U (..., m, q), S (..., q), V (..., n, q) with U @ diag(S) @ V^H nearly A, or A - M.

    q: somewhat more than the rank expected. niter: subspace iterations, which sharpen the result where
    singular values fall slowly. Draws random numbers.

    >>> import sensorium as sn
    >>> sn.svd_lowrank(sn.ones(4, 3), q=1).S
    tensor([3.4641])
    """
    check_matrix("svd_lowrank", A)
    x = A if M is None else A - M.expand(tuple(A.shape))
    q = 6 if q is None else q
    niter = 2 if niter is None else niter
    m, n = x.shape[-2:]
    _check_rank("svd_lowrank", q, math.inf, niter)
    tall = x if m >= n else adjoint(x)
    basis = _basis(tall, q, niter)
    u, s, vh = svd(matmul(adjoint(basis), tall), full_matrices=False)
    left, right = matmul(basis, u), adjoint(vh)
    return LowRankSVD(left, s, right) if m >= n else LowRankSVD(right, s, left)


def _check_rank(name: str, q: int, most: float, niter: int) -> None:
    if not 0 <= q <= most:
        raise OptionError(f"{name}: q must be from 0 to {most}, got {q}")
    if niter < 0:
        raise OptionError(f"{name}: niter must not be negative, got {niter}")


def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> LowRankSVD:
    """``svd_lowrank`` of A less the mean of its rows: V holds principal directions of the columns.

    A (..., m, n): m samples of n features. S**2 / (m - 1) are the variances along V's columns, and
    A @ V[:, :k] the first k components. q: min(6, m, n) if None. center: False takes A as it is.

    >>> import sensorium as sn
    >>> sn.pca_lowrank(sn.tensor([[1.0, 1.0], [3.0, 3.0]]), q=1).S
    tensor([2.])
    """
    check_matrix("pca_lowrank", A)
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    _check_rank("pca_lowrank", q, min(m, n), niter)
    return svd_lowrank(A - mean(A, -2, True) if center else A, q, niter)
