"""Products and rearrangements of matrices and vectors: powers, chains, cross, Vandermonde, tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import FLOATING
from ..errors import DTypeError, OptionError, ShapeError
from ..tensor import wrap
from ._dims import one_dim
from ._out import with_out
from .arithmetic import mul
from .exponential import conjugate
from .join import stack
from .linalg import column, row
from .linalg_calls import inv, solve
from .matmul import matmul
from .reduce import sum
from .shape import broadcast_tensors, movedim, reshape


@with_out
def matrix_power(A: Any, n: int) -> Any:
    """A @ A @ ... @ A, n times; of the inverse for negative n, the identity for 0.

    >>> import sensorium as sn
    >>> sn.linalg.matrix_power(sn.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    _check_power(A)
    if n < 0:
        return matrix_power(inv(A), -n)
    if n == 0:
        one = wrap(np.eye(A.shape[-1], dtype=A.dtype, like=A.array))
        return one.expand(tuple(A.shape)).clone() + (A * 0 if A.requires_grad else 0)
    total = None
    while n:  # the binary digits of n
        if n & 1:
            total = A if total is None else matmul(total, A)
        n >>= 1
        A = matmul(A, A) if n else A
    return total.clone() if total is A else total


def _check_power(A: Any) -> None:
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"linalg.matrix_power: want square matrices, got shape {tuple(A.shape)}")


@with_out
def multi_dot(tensors: Sequence[Any]) -> Any:
    """The product of two or more matrices in the order of fewest multiplications.

    The first may be a row vector and the last a column vector. Order: Cormen et al., "Introduction to
    Algorithms", matrix-chain multiplication.

    >>> import sensorium as sn
    >>> sn.linalg.multi_dot([sn.ones(2, 3), sn.ones(3, 4), sn.ones(4)])
    tensor([12., 12.])
    """
    chain = list(tensors)
    if len(chain) < 2:
        raise ShapeError(f"linalg.multi_dot: want at least 2 matrices, got {len(chain)}")
    first, last = chain[0].ndim == 1, chain[-1].ndim == 1
    chain[0] = row(chain[0]) if first else chain[0]
    chain[-1] = column(chain[-1]) if last else chain[-1]
    for i, x in enumerate(chain):
        if x.ndim != 2 or (i and x.shape[0] != chain[i - 1].shape[1]):
            raise ShapeError(f"linalg.multi_dot: {[tuple(t.shape) for t in tensors]} do not chain")
    splits = _best_splits([chain[0].shape[0], *(x.shape[1] for x in chain)])
    y = _chained(chain, splits, 0, len(chain) - 1)
    y = y[0] if first else y
    return y[..., 0] if last else y


def _best_splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """For matrices i..j, sizes[i] by sizes[j + 1], the last one of the left factor."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            whole = sizes[i] * sizes[j + 1]
            options = {k: cost[i, k] + cost[k + 1, j] + whole * sizes[k + 1] for k in range(i, j)}
            splits[i, j] = min(options, key=options.__getitem__)
            cost[i, j] = options[splits[i, j]]
    return splits


def _chained(chain: list[Any], splits: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return chain[i]
    k = splits[i, j]
    return matmul(_chained(chain, splits, i, k), _chained(chain, splits, k + 1, j))


@with_out
def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """The sum of conj(x) * y along dim, the others broadcast.

    >>> import sensorium as sn
    >>> sn.linalg.vecdot(sn.tensor([1.0, 2.0]), sn.tensor([3.0, 4.0]))
    tensor(11.)
    """
    for v in (x, y):
        if v.dtype not in FLOATING:
            raise DTypeError(
                f"linalg.vecdot: want floating-point or complex tensors, got {v.dtype}"
            )
    x, y = broadcast_tensors(x, y)
    return sum(mul(conjugate(x), y), one_dim("linalg.vecdot", dim, x.ndim))


@with_out
def cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """The vector product along dim, which has 3 elements; the other dimensions broadcast.

    >>> import sensorium as sn
    >>> sn.linalg.cross(sn.tensor([1.0, 0.0, 0.0]), sn.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if input.ndim != other.ndim:
        raise ShapeError(
            f"linalg.cross: want one number of dimensions, got {tuple(input.shape)} and "
            f"{tuple(other.shape)}"
        )
    d = one_dim("linalg.cross", dim, input.ndim)
    if input.ndim == 0 or input.shape[d] != 3 or other.shape[d] != 3:
        raise ShapeError(
            f"linalg.cross: dim {dim} must have 3 elements, got {tuple(input.shape)} and "
            f"{tuple(other.shape)}"
        )
    a, b = ([v.select(d, i) for i in range(3)] for v in broadcast_tensors(input, other))
    return stack([a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)], d)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The elements (i, i + offset) of the matrices in dim1 and dim2, as a new last dimension.

    >>> import sensorium as sn
    >>> sn.linalg.diagonal(sn.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    a, b = (one_dim("linalg.diagonal", d, A.ndim) for d in (dim1, dim2))
    if A.ndim < 2 or a == b:
        raise ShapeError(f"linalg.diagonal: dims {dim1} and {dim2} are no matrix of {A.ndim}")
    x = movedim(A, (a, b), (-2, -1))
    m, n = x.shape[-2:]
    count = max(0, min(m, n - offset) if offset >= 0 else min(m + offset, n))
    i = np.arange(count, like=A.array)
    return x[..., i + max(-offset, 0), i + max(offset, 0)]


def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix; integers as int64.

    >>> import sensorium as sn
    >>> sn.trace(sn.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    if input.ndim != 2:
        raise ShapeError(f"trace: want a matrix, got shape {tuple(input.shape)}")
    return sum(diagonal(input))


def vander(x: Any, N: int | None = None) -> Any:
    """Powers x**0 ... x**(N-1) of every element: (..., n) -> (..., n, N); N is n if None.

    >>> import sensorium as sn
    >>> sn.linalg.vander(sn.tensor([2, 3]), 3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    if N is not None and N < 2:
        raise OptionError(f"linalg.vander: N must be at least 2, got {N}")
    x = x if x.ndim else reshape(x, (1,))
    n = x.shape[-1]
    one = x * 0 + 1 if x.dtype.kind != "b" else x.long() * 0 + 1
    powers = [one]
    for _ in range((n if N is None else N) - 1):
        powers.append(powers[-1] * x)
    return stack(powers, -1) if n or N else reshape(one, (*x.shape, 0))


@with_out
def tensorinv(A: Any, ind: int = 2) -> Any:
    """The inverse of A as a map from its last dimensions to its first ind ones.

    >>> import sensorium as sn
    >>> sn.linalg.tensorinv(sn.eye(6).reshape(2, 3, 6), 2).shape
    sensorium.Size([6, 2, 3])
    """
    if ind < 1:
        raise OptionError(f"linalg.tensorinv: ind must be at least 1, got {ind}")
    first, rest = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n = math.prod(rest)
    if math.prod(first) != n:
        raise ShapeError(
            f"linalg.tensorinv: {first} and {rest} have {math.prod(first)} and {n} elements"
        )
    return reshape(inv(reshape(A, (n, n))), rest + first)


@with_out
def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """X with the products of A and X over A's last dimensions equal to B.

    dims: dimensions of A moved to the end first.

    >>> import sensorium as sn
    >>> sn.linalg.tensorsolve(sn.eye(6).reshape(2, 3, 6), sn.ones(2, 3)).shape
    sensorium.Size([6])
    """
    if dims is not None:
        A = movedim(A, dims, tuple(range(A.ndim - len(dims), A.ndim)))
    shape = tuple(A.shape[B.ndim :])
    n = math.prod(shape)
    if math.prod(A.shape[: B.ndim]) != n or B.numel() != n:
        raise ShapeError(
            f"linalg.tensorsolve: A {tuple(A.shape)} is no map from {shape} to {tuple(B.shape)}"
        )
    return reshape(solve(reshape(A, (n, n)), reshape(B, (-1,))), shape)


@with_out
def householder_product(A: Any, tau: Any) -> Any:
    """The first n columns of H_1 @ ... @ H_k, H_i = I - tau_i v_i v_i^H, v_i from below A's diagonal.

    A (..., m, n) with m >= n, tau (..., k) with k <= n; v_i is 1 on the diagonal and 0 above.

    >>> import sensorium as sn
    >>> sn.linalg.householder_product(sn.ones(3, 2), sn.zeros(2)).shape
    sensorium.Size([3, 2])
    """
    from .linalg import check_matrix, lower_part

    check_matrix("linalg.householder_product", A)
    m, n = A.shape[-2:]
    k = tau.shape[-1]
    if n > m or k > n or tau.dtype != A.dtype or tau.shape[:-1] != A.shape[:-2]:
        raise ShapeError(
            f"linalg.householder_product: A {tuple(A.shape)} must be at least as tall as wide and "
            f"tau {tuple(tau.shape)} hold a factor for a column of each"
        )
    one = wrap(np.eye(m, n, dtype=A.dtype, like=A.array))
    v = lower_part(A, -1) + one
    y = one + matmul(v[..., :0], one[:0])  # with the batch of A, and its gradient where k is 0
    return reflected(v, tau, y, reversed(range(k)))


def reflected(v: Any, tau: Any, y: Any, order: Any) -> Any:
    """y multiplied from the left by I - tau_i v_i v_i^H for every i of order, one after another."""
    for i in order:
        u = v[..., i]
        scaled = column(u * tau[..., i : i + 1])
        y = y - matmul(scaled, matmul(row(conjugate(u)), y))
    return y


@with_out
def chain_matmul(*matrices: Any) -> Any:
    """``multi_dot`` of its arguments.

    >>> import sensorium as sn
    >>> sn.chain_matmul(sn.ones(2, 3), sn.ones(3, 4)).shape
    sensorium.Size([2, 4])
    """
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)
