"""Determinants, inverses and systems of equations, as users call them in sensorium.linalg.

Signatures and result fields are ``torch.linalg``'s. Left out: ``out=``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..tensor import wrap
from . import linalg_factor as factor
from ._out import with_out
from .linalg import (
    _det,
    _inv,
    _slogdet,
    _solve,
    adjoint,
    check_float,
    check_matrix,
    check_square,
    column,
)
from .select import where


class SLogDet(NamedTuple):
    """What ``slogdet`` returns."""

    sign: Any
    logabsdet: Any


class InvEx(NamedTuple):
    """What ``inv_ex`` returns."""

    inverse: Any
    info: Any


class SolveEx(NamedTuple):
    """What ``solve_ex`` returns."""

    result: Any
    info: Any


# -- determinants and systems ----------------------------------------------------------------------
@with_out
def det(A: Any) -> Any:
    """The determinant of every square matrix: (..., n, n) -> (...).

    >>> import sensorium as sn
    >>> sn.linalg.det(sn.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    check_square("linalg.det", A)
    return _det(A)


@with_out
def slogdet(A: Any) -> SLogDet:
    """sign and log |det|: det = sign exp(logabsdet), without overflow; (0, -inf) where it is 0.

    >>> import sensorium as sn
    >>> sn.linalg.slogdet(sn.eye(2) * -3).logabsdet
    tensor(2.1972)
    """
    check_square("linalg.slogdet", A)
    return SLogDet(*_slogdet(A))


@with_out
def inv(A: Any) -> Any:
    """The inverse of every square matrix; a singular one raises LinAlgError.

    >>> import sensorium as sn
    >>> sn.linalg.inv(sn.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    check_square("linalg.inv", A)
    return _inv(A)


def _zero_pivot(A: Any) -> Any:
    """For every matrix the place, from 1, of the first zero on U's diagonal; 0 if there is none."""
    lu = factor._lu(A.detach(), True)[0].array
    k = min(lu.shape[-2:])
    zero = np.diagonal(lu, 0, -2, -1) == 0
    first = np.argmax(zero, axis=-1) + 1 if k else np.zeros(zero.shape[:-1])
    return np.where(zero.any(axis=-1), first, 0).astype(np.int32)


def _where_regular(A: Any, info: Any) -> Any:
    """A with the identity in place of matrices that info marks."""
    marked = (info != 0)[..., None, None]
    return where(marked, np.eye(A.shape[-1], dtype=A.dtype, like=A.array), A)


@with_out
def inv_ex(A: Any, *, check_errors: bool = False) -> InvEx:
    """``inv`` and, for every matrix, 0 or the place of the zero pivot that makes it singular.

    Singular matrices give nan, or with check_errors an error.

    >>> import sensorium as sn
    >>> sn.linalg.inv_ex(sn.zeros(2, 2)).info
    tensor(1, dtype=int32)
    """
    check_square("linalg.inv_ex", A)
    info = _zero_pivot(A)
    if check_errors or not info.any():
        return InvEx(_inv(A), wrap(info))
    good = _inv(_where_regular(A, info))
    return InvEx(_unless(info, good), wrap(info))


def _unless(info: Any, good: Any) -> Any:
    return where((info != 0)[..., None, None], float("nan"), good)


def _is_vector(A: Any, B: Any) -> bool:
    """Whether B counts as a batch of vectors: one dimension, or the shape of A without its last."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])


@with_out
def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """X with A @ X = B (left) or X @ A = B; B is a batch of matrices or of vectors.

    >>> import sensorium as sn
    >>> sn.linalg.solve(sn.tensor([[2.0, 0.0], [0.0, 4.0]]), sn.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    check_square("linalg.solve", A)
    check_float("linalg.solve", A, B)
    if _is_vector(A, B):
        _check_rows("linalg.solve", A, column(B))
        if not left:
            raise ShapeError("linalg.solve: left=False wants matrices B, got vectors")
        return _solve(A, column(B))[..., 0]
    _check_rows("linalg.solve", A, B if left else adjoint(B))
    return _solve(A, B) if left else adjoint(_solve(adjoint(A), adjoint(B)))


def _check_rows(name: str, A: Any, B: Any) -> None:
    if B.ndim < 2 or A.shape[-1] != B.shape[-2]:
        raise ShapeError(
            f"{name}: A {tuple(A.shape)} has {A.shape[-1]} unknowns a system, B {tuple(B.shape)} "
            "does not"
        )
    try:
        np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"{name}: batches of A {tuple(A.shape)} and B {tuple(B.shape)} do not broadcast"
        ) from None


@with_out
def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> SolveEx:
    """``solve`` and, for every matrix, 0 or the place of its zero pivot; nan where singular.

    >>> import sensorium as sn
    >>> sn.linalg.solve_ex(sn.eye(2), sn.ones(2)).info
    tensor(0, dtype=int32)
    """
    check_square("linalg.solve_ex", A)
    info = _zero_pivot(A)
    if check_errors or not info.any():
        return SolveEx(solve(A, B, left=left), wrap(info))
    good = solve(_where_regular(A, info), B, left=left)
    vector = _is_vector(A, B)
    marked = _unless(info, column(good) if vector else good)
    return SolveEx(marked[..., 0] if vector else marked, wrap(info))


@with_out
def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    """``solve`` reading only a triangle of A; a zero on the diagonal gives inf or nan.

    unitriangular: the diagonal is not read and counts as ones.

    >>> import sensorium as sn
    >>> sn.linalg.solve_triangular(sn.tensor([[1.0, 1.0], [0.0, 2.0]]), sn.ones(2, 1), upper=True)
    tensor([[0.5000],
            [0.5000]])
    """
    name = "linalg.solve_triangular"
    check_square(name, A)
    check_matrix(name, A, B)
    _check_rows(name, A, B if left else adjoint(B))
    if left:
        return factor._solve_triangular(A, B, upper, unitriangular)
    return adjoint(factor._solve_triangular(adjoint(A), adjoint(B), not upper, unitriangular))
