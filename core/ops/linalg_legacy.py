"""The names linear algebra has at the top of the package, with their older arguments.

Follows ``torch``; ``sensorium.linalg`` has the newer forms. Left out: ormqr and triangular_solve.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import DTypeError, ShapeError
from ..tensor import wrap
from . import linalg_factor as factor
from ._out import with_out
from .exponential import conjugate, log
from .linalg import adjoint, check_matrix, check_square, lower_part, upper_part
from .linalg_calls import _check_rows, inv, slogdet
from .linalg_decompose import PLU, QR, cholesky as _cholesky, qr as _qr, svd as _svd, svdvals
from .linalg_norms import pinv
from .linalg_products import cross as _cross
from .matmul import matmul


def inverse(input: Any) -> Any:
    """``linalg.inv`` under its older name.

    >>> import sensorium as sn
    >>> sn.inverse(sn.tensor([[2.0]]))
    tensor([[0.5000]])
    """
    return inv(input)


def logdet(input: Any) -> Any:
    """log(det(input)): nan where the determinant is negative, -inf where it is 0.

    >>> import sensorium as sn
    >>> sn.logdet(sn.eye(2))
    tensor(0.)
    """
    check_square("logdet", input)
    sign, size = slogdet(input)
    return log(sign) + size


@with_out
def cholesky(input: Any, upper: bool = False) -> Any:
    """``linalg.cholesky``.

    >>> import sensorium as sn
    >>> sn.cholesky(sn.tensor([[4.0]]))
    tensor([[2.]])
    """
    return _cholesky(input, upper=upper)


@with_out
def cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:
    """X with A @ X = B from A's Cholesky factor L (upper: from L^H).

    >>> import sensorium as sn
    >>> sn.cholesky_solve(sn.tensor([[8.0]]), sn.tensor([[2.0]]))
    tensor([[2.]])
    """
    check_square("cholesky_solve", L)
    check_matrix("cholesky_solve", L, B)
    _check_rows("cholesky_solve", L, B)
    low = adjoint(L) if upper else L
    y = factor._solve_triangular(low, B, False, False)
    return factor._solve_triangular(adjoint(low), y, True, False)


@with_out
def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """The inverse of A from its Cholesky factor L (upper: from L^H).

    >>> import sensorium as sn
    >>> sn.cholesky_inverse(sn.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    check_square("cholesky_inverse", L)
    from ..create import eye

    return cholesky_solve(eye(L.shape[-1], dtype=L.dtype, device=L.device), L, upper)


@with_out
def qr(input: Any, some: bool = True) -> QR:
    """``linalg.qr``: reduced (some) or complete.

    >>> import sensorium as sn
    >>> sn.qr(sn.ones(3, 2)).Q.shape
    sensorium.Size([3, 2])
    """
    return _qr(input, "reduced" if some else "complete")


class SVD(NamedTuple):
    """What ``svd`` returns; V, not its adjoint."""

    U: Any
    S: Any
    V: Any


@with_out
def svd(input: Any, some: bool = True, compute_uv: bool = True) -> SVD:
    """U, S, V with U @ diag(S) @ V^H = input; some: of the reduced form. U and V are 0 without uv.

    >>> import sensorium as sn
    >>> sn.svd(sn.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    if compute_uv:
        u, s, vh = _svd(input, not some)
        return SVD(u, s, adjoint(vh))
    from ..create import zeros

    batch, (m, n) = tuple(input.shape[:-2]), input.shape[-2:]
    sides = [zeros((*batch, k, k), dtype=input.dtype, device=input.device) for k in (m, n)]
    return SVD(sides[0], svdvals(input), sides[1])


def pinverse(input: Any, rcond: Any = 1e-15) -> Any:
    """``linalg.pinv`` with singular values up to rcond times the largest as 0.

    >>> import sensorium as sn
    >>> sn.pinverse(sn.tensor([[2.0]]))
    tensor([[0.5000]])
    """
    return pinv(input, rtol=rcond)


@with_out
def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """``linalg.cross``; without dim along the first dimension of 3 elements.

    >>> import sensorium as sn
    >>> sn.cross(sn.tensor([1, 0, 0]), sn.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise ShapeError(f"cross: no dimension of 3 elements in {tuple(input.shape)}")
    return _cross(input, other, dim=dim)


@with_out
def vdot(input: Any, other: Any) -> Any:
    """The sum of conj(input) * other of two vectors.

    >>> import sensorium as sn
    >>> sn.vdot(sn.tensor([1j]), sn.tensor([1j]))
    tensor(1.+0.j)
    """
    if input.ndim != 1 or other.ndim != 1 or input.shape != other.shape:
        raise ShapeError(
            f"vdot: want two vectors of one length, got {tuple(input.shape)} and "
            f"{tuple(other.shape)}"
        )
    return matmul(conjugate(input), other)


@with_out
def lu_unpack(
    LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True
) -> PLU:
    """P, L, U from ``linalg.lu_factor``; what is not asked for is empty.

    >>> import sensorium as sn
    >>> sn.lu_unpack(*sn.linalg.lu_factor(sn.eye(2))).L
    tensor([[1., 0.],
            [0., 1.]])
    """
    from ..create import eye, zeros

    check_matrix("lu_unpack", LU_data)
    if LU_pivots.dtype.kind != "i" or LU_pivots.dtype.itemsize != 4:
        raise DTypeError(f"lu_unpack: pivots must be int32, got {LU_pivots.dtype}")
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    none = zeros(0, dtype=LU_data.dtype, device=LU_data.device)
    p = factor.permutation_matrix(LU_pivots.array, m, LU_data.dtype) if unpack_pivots else None
    if not unpack_data:
        return PLU(none if p is None else wrap(p), none, none)
    one = eye(m, k, dtype=LU_data.dtype, device=LU_data.device)
    low, up = lower_part(LU_data[..., :k], -1) + one, upper_part(LU_data[..., :k, :])
    return PLU(none if p is None else wrap(p), low, up)
