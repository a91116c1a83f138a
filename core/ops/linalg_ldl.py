"""A = L D L^T of symmetric, and L D L^H of Hermitian matrices that need not be positive-definite.

J. R. Bunch and L. Kaufman, "Some stable methods for calculating inertia and solving symmetric linear
systems" (1977), with the pivots and the compact form of LAPACK's sytf2 and hetf2 (lower triangle):
pivot k > 0 says that rows and columns of that number (from 1) were exchanged for a 1 by 1 block of D,
two equal negative pivots -k that those of the second row of a 2 by 2 block were. There are no
gradients, as in PyTorch.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..errors import DTypeError, LinAlgError, ShapeError
from ..tensor import wrap
from ._out import with_out
from .linalg import check_matrix, check_square

_ALPHA = (1 + math.sqrt(17)) / 8
"""Where the growth of a 1 by 1 step and of half a 2 by 2 step are equal."""


class LDLFactor(NamedTuple):
    """What ``ldl_factor`` returns."""

    LD: Any
    pivots: Any


class LDLFactorEx(NamedTuple):
    """What ``ldl_factor_ex`` returns."""

    LD: Any
    pivots: Any
    info: Any


# -- one matrix ----------------------------------------------------------------------------------
def _size(x: Any) -> Any:
    """What LAPACK compares by: |re| + |im|."""
    return np.abs(x) if x.dtype.kind != "c" else np.abs(x.real) + np.abs(x.imag)


def _choose(rest: Any, diagonal: Any) -> tuple[int, int]:
    """(row to bring forward, order of the block) for the leading step of rest; (0, 0) at a zero."""
    own, sizes = diagonal[0], _size(rest[1:, 0])
    top = int(np.argmax(sizes)) + 1 if sizes.size else 0
    largest = sizes[top - 1] if top else 0
    if not max(own, largest) > 0:
        return 0, 0
    if own >= _ALPHA * largest:
        return 0, 1
    across = _size(rest[top])
    across[top] = 0
    widest = across.max()
    if own >= _ALPHA * largest * (largest / widest):
        return 0, 1
    return (top, 1) if diagonal[top] >= _ALPHA * widest else (top, 2)


def _exchange(rest: Any, i: int, j: int) -> None:
    """Rows and columns i and j change places."""
    if i != j:
        rest[[i, j]] = rest[[j, i]]
        rest[:, [i, j]] = rest[:, [j, i]]


def _transposed(x: Any, hermitian: bool) -> Any:
    return x.T.conj() if hermitian else x.T


def _factor(a: Any, hermitian: bool) -> tuple[Any, int]:
    """The compact form in the lower triangle of a, which is whole and changes; pivots and info."""
    n, k, info = a.shape[-1], 0, 0
    pivots = np.zeros(n, np.int32)
    while k < n:
        rest = a[k:, k:]
        diagonal = rest.diagonal()
        row, order = _choose(rest, np.abs(diagonal.real) if hermitian else _size(diagonal))
        if order == 0:
            info = info or k + 1
        _exchange(rest, max(order - 1, 0), row)
        pivots[k : k + 2 if order == 2 else k + 1] = (-1 if order == 2 else 1) * (k + row + 1)
        if order:
            _step(rest, order, hermitian)
        k += max(order, 1)
    return pivots, info


def _step(rest: Any, order: int, hermitian: bool) -> None:
    """Eliminate with the leading block of that order."""
    below = rest[order:, :order]
    if hermitian:
        rest[range(order), range(order)] = rest.diagonal()[:order].real
    low = _by_block(below, rest[:order, :order], hermitian)
    rest[order:, order:] -= low @ _transposed(below, hermitian)
    rest[order:, :order] = low


def _by_block(x: Any, block: Any, hermitian: bool) -> Any:
    """x times the inverse of a symmetric block of order 1 or 2 (its lower triangle), scaled."""
    if len(block) == 1:
        return x / block[0, 0]
    c = block[1, 0]
    scale = np.abs(c) if hermitian else c
    p, q = block[1, 1] / scale, block[0, 0] / scale
    turn = c / scale
    back = np.conj(turn) if hermitian else turn
    t = 1 / (p * q - turn * back) / scale
    return np.stack([t * (p * x[:, 0] - turn * x[:, 1]), t * (q * x[:, 1] - back * x[:, 0])], 1)


# -- the factorisation ---------------------------------------------------------------------------
def _whole(a: Any, hermitian: bool) -> Any:
    """Matrices whose upper triangle mirrors their lower one."""
    low = np.tril(a)
    mirrored = np.tril(a, -1).swapaxes(-1, -2)
    return low + (mirrored.conj() if hermitian else mirrored)


@with_out
def ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False) -> LDLFactorEx:
    """``ldl_factor`` and, for every matrix, 0 or the place from 1 of the first zero in D.

    >>> import sensorium as sn
    >>> sn.linalg.ldl_factor_ex(sn.zeros(2, 2)).info
    tensor(1, dtype=int32)
    """
    check_square("linalg.ldl_factor_ex", A)
    by_conjugate = bool(hermitian) and A.dtype.kind == "c"
    found = _whole(A.array, by_conjugate)
    pivots = np.zeros(A.shape[:-1], np.int32, like=found)
    info = np.zeros(A.shape[:-2], np.int32, like=found)
    for index in np.ndindex(*A.shape[:-2]):
        pivots[index], info[index] = _factor(found[index], by_conjugate)
    if check_errors and info.any():
        raise LinAlgError(f"linalg.ldl_factor: D is singular, info {info.tolist()}")
    return LDLFactorEx(wrap(np.tril(found)), wrap(pivots), wrap(info))


@with_out
def ldl_factor(A: Any, *, hermitian: bool = False) -> LDLFactor:
    """L and the blocks of D in one lower triangle, and the exchanges: see the file's head.

    A is symmetric, or with hermitian Hermitian; only its lower triangle is read.

    >>> import sensorium as sn
    >>> sn.linalg.ldl_factor(sn.tensor([[2.0, 1.0], [1.0, 3.0]])).LD
    tensor([[2.0000, 0.0000],
            [0.5000, 2.5000]])
    """
    check_square("linalg.ldl_factor", A)
    found = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return LDLFactor(found.LD, found.pivots)


# -- the solution --------------------------------------------------------------------------------
def _blocks(pivots: Any) -> list[tuple[int, int, int]]:
    """(first row, order, row exchanged with the last of the block) for every block of D."""
    found, k = [], 0
    while k < len(pivots):
        order = 2 if pivots[k] < 0 else 1
        found.append((k, order, abs(int(pivots[k])) - 1))
        k += order
    return found


def _swap_rows(x: Any, i: int, j: int) -> None:
    if i != j:
        x[[i, j]] = x[[j, i]]


def _solve(ld: Any, pivots: Any, x: Any, hermitian: bool) -> None:
    """x becomes the solution: L, D and the transpose of L, block by block."""
    blocks = _blocks(pivots)
    for k, order, other in blocks:
        _swap_rows(x, k + order - 1, other)
        x[k + order :] -= ld[k + order :, k : k + order] @ x[k : k + order]
        block = ld[k : k + order, k : k + order]
        turned = block.conj() if hermitian else block  # x^T D^-T
        x[k : k + order] = _by_block(x[k : k + order].T, turned, hermitian).T
    for k, order, other in reversed(blocks):
        below = ld[k + order :, k : k + order]
        x[k : k + order] -= _transposed(below, hermitian) @ x[k + order :]
        _swap_rows(x, k + order - 1, other)


@with_out
def ldl_solve(LD: Any, pivots: Any, B: Any, *, hermitian: bool = False) -> Any:
    """X with A @ X = B from A's ``ldl_factor``: (..., n, k); batches broadcast.

    >>> import sensorium as sn
    >>> A = sn.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> sn.linalg.ldl_solve(*sn.linalg.ldl_factor(A), sn.tensor([[3.0], [4.0]]))
    tensor([[1.],
            [1.]])
    """
    from .linalg_calls import _check_rows

    check_square("linalg.ldl_solve", LD)
    check_matrix("linalg.ldl_solve", LD, B)
    _check_rows("linalg.ldl_solve", LD, B)
    _check_pivots(LD, pivots)
    batch = np.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    ld = np.broadcast_to(LD.array, (*batch, *LD.shape[-2:]))
    turns = np.broadcast_to(pivots.array, (*batch, pivots.shape[-1]))
    x = np.broadcast_to(B.array, (*batch, *B.shape[-2:])).copy()
    for index in np.ndindex(*batch):
        _solve(ld[index], turns[index], x[index], bool(hermitian) and LD.dtype.kind == "c")
    return wrap(x)


def _check_pivots(LD: Any, pivots: Any) -> None:
    if pivots.dtype.kind not in "iu":
        raise DTypeError(f"linalg.ldl_solve: pivots must be integers, got {pivots.dtype}")
    if pivots.shape != LD.shape[:-1]:
        raise ShapeError(
            f"linalg.ldl_solve: pivots {tuple(pivots.shape)} are not one for every row of LD "
            f"{tuple(LD.shape)}"
        )
