"""Linear algebra close to LAPACK, with the argument order of old: geqrf, orgqr, ormqr, lu, ...

Follows ``torch``; ``sensorium.linalg`` has newer forms of all but geqrf and ormqr. A deviation: LAPACK
computes on blocks of columns, here Householder matrices are applied one after another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..tensor import wrap
from . import linalg_factor as factor
from ._out import with_out
from .exponential import conjugate
from .linalg import adjoint, check_float, check_matrix, check_square, lower_part
from .linalg_calls import _check_rows
from .linalg_decompose import LUFactor, LUFactorEx, lu_factor, lu_factor_ex, lu_solve as _lu_solve
from .linalg_products import householder_product, reflected


class GEQRF(NamedTuple):
    """What ``geqrf`` returns."""

    a: Any
    tau: Any


class TriangularSolve(NamedTuple):
    """What ``triangular_solve`` returns."""

    solution: Any
    cloned_coefficient: Any


# -- Householder's QR ------------------------------------------------------------------------------
@with_out
def geqrf(input: Any) -> GEQRF:
    """R on and above the diagonal of a; below it, and in tau, the reflections that Q is made of.

    (..., m, n) -> a (..., m, n), tau (..., min(m, n)). ``orgqr`` makes Q of them. No gradients: use
    ``linalg.qr``.

    >>> import sensorium as sn
    >>> sn.geqrf(sn.tensor([[3.0], [4.0]])).a
    tensor([[-5.0000],
            [ 0.5000]])
    """
    check_matrix("geqrf", input)
    x = input.array
    shape = (*x.shape[:-2], min(x.shape[-2:]))
    if x.size == 0:
        return GEQRF(wrap(x.copy()), wrap(np.zeros(shape, x.dtype, like=x)))
    h, tau = np.linalg.qr(x, "raw")  # columns of a are rows of h
    return GEQRF(wrap(h.swapaxes(-1, -2).copy()), wrap(tau.reshape(shape)))


def orgqr(input: Any, tau: Any) -> Any:
    """``linalg.householder_product`` under LAPACK's name.

    >>> import sensorium as sn
    >>> sn.orgqr(*sn.geqrf(sn.tensor([[3.0], [4.0]])))
    tensor([[-0.6000],
            [-0.8000]])
    """
    return householder_product(input, tau)


@with_out
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """Q @ other (left) or other @ Q, with the whole Q of ``geqrf``; transpose: with Q^H.

    input (..., q, k) and tau (..., k) as geqrf returns them, other (..., m, n), q being m (left) or n.

    >>> import sensorium as sn
    >>> sn.ormqr(*sn.geqrf(sn.tensor([[3.0], [4.0]])), sn.eye(2))
    tensor([[-0.6000, -0.8000],
            [-0.8000,  0.6000]])
    """
    _check_ormqr(input, tau, other, left)
    k = tau.shape[-1]
    one = wrap(np.eye(input.shape[-2], k, dtype=input.dtype, like=input.array))
    v = lower_part(input[..., :k], -1) + one
    # other Q = (Q^H other^H)^H; Q = H_1 ... H_k, and Q^H = H_k^H ... H_1^H
    y = other if left else adjoint(other)
    forward = bool(transpose) is bool(left)
    factors = conjugate(tau) if forward else tau
    y = reflected(v, factors, y, range(k) if forward else reversed(range(k)))
    if k == 0:
        y = y.clone()
    return y if left else adjoint(y)


def _check_ormqr(input: Any, tau: Any, other: Any, left: bool) -> None:
    check_matrix("ormqr", input)
    check_matrix("ormqr", other)
    check_float("ormqr", input, tau, other)
    if tau.ndim != input.ndim - 1 or other.ndim != input.ndim:
        raise ShapeError(
            f"ormqr: tau must have one dimension less than input and other as many, got "
            f"{tuple(tau.shape)}, {tuple(input.shape)} and {tuple(other.shape)}"
        )
    if tau.shape[-1] > input.shape[-1] or tau.shape[-1] > input.shape[-2]:
        raise ShapeError(
            f"ormqr: tau {tuple(tau.shape)} has more factors than input {tuple(input.shape)} columns"
        )
    rows = other.shape[-2] if left else other.shape[-1]
    if rows != input.shape[-2]:
        raise ShapeError(
            f"ormqr: Q of input {tuple(input.shape)} has {input.shape[-2]} rows, other "
            f"{tuple(other.shape)} {rows}"
        )
    if not input.shape[:-2] == other.shape[:-2] == tau.shape[:-1]:
        raise ShapeError(
            f"ormqr: batches of input {tuple(input.shape)}, tau {tuple(tau.shape)} and other "
            f"{tuple(other.shape)} differ"
        )


# -- LU --------------------------------------------------------------------------------------------
@with_out
def lu(A: Any, pivot: bool = True, get_infos: bool = False) -> LUFactor | LUFactorEx:
    """``linalg.lu_factor``, or with get_infos ``linalg.lu_factor_ex``.

    >>> import sensorium as sn
    >>> sn.lu(sn.tensor([[1.0, 2.0], [2.0, 2.0]])).pivots
    tensor([2, 2], dtype=int32)
    """
    return lu_factor_ex(A, pivot=pivot) if get_infos else lu_factor(A, pivot=pivot)


@with_out
def lu_solve(b: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """``linalg.lu_solve`` with the right side first.

    >>> import sensorium as sn
    >>> sn.lu_solve(sn.ones(2, 1), *sn.lu(sn.eye(2) * 2))
    tensor([[0.5000],
            [0.5000]])
    """
    return _lu_solve(LU_data, LU_pivots, b)


# -- triangles -------------------------------------------------------------------------------------
@with_out
def triangular_solve(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> TriangularSolve:
    """X with T @ X = b, T being a triangle of A or with transpose its transpose; and a copy of A.

    b (..., n, k), A (..., n, n); batches broadcast. unitriangular: the diagonal counts as ones.

    >>> import sensorium as sn
    >>> sn.triangular_solve(sn.ones(2, 1), sn.tensor([[1.0, 1.0], [0.0, 2.0]])).solution
    tensor([[0.5000],
            [0.5000]])
    """
    check_square("triangular_solve", A)
    check_matrix("triangular_solve", A, b)
    _check_rows("triangular_solve", A, b)
    side = conjugate(adjoint(A)) if transpose else A
    x = factor._solve_triangular(side, b, bool(upper) is not bool(transpose), bool(unitriangular))
    return TriangularSolve(x, A.clone())
