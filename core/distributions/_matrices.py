"""Small matrix algebra of the multivariate distributions, over batches that broadcast."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..create import eye
from ..linalg import cholesky, diagonal, solve_triangular
from ..tensor import Tensor


def solve_lower(factor: Tensor, right: Tensor) -> Tensor:
    """x of L x = b for lower triangular L (..., n, n) and b (..., n, k); batches broadcast."""
    batch = ops.broadcast_shapes(tuple(factor.shape[:-2]), tuple(right.shape[:-2]))
    factor = ops.expand(factor, (*batch, *factor.shape[-2:]))
    right = ops.expand(right, (*batch, *right.shape[-2:]))
    return solve_triangular(factor, right, upper=False)


def mahalanobis(factor: Tensor, off: Tensor) -> Tensor:
    """off^T (L L^T)**-1 off for vectors (..., n): the squared length of L**-1 off."""
    x = solve_lower(factor, off.unsqueeze(-1)).squeeze(-1)
    return (x * x).sum(-1)


def log_diagonal(factor: Tensor) -> Tensor:
    """log det of a triangular matrix: half that of L L^T."""
    return ops.log(diagonal(factor)).sum(-1)


def identity(like: Tensor) -> Tensor:
    """The unit matrix of the size, type and device of like."""
    return eye(like.shape[-1], dtype=like.dtype, device=like.device)


def tril_of_precision(precision: Tensor) -> Tensor:
    """The lower L with L L^T = precision**-1.

    With J the exchange of order, J precision J = C C^T makes the upper U = J C J with
    precision = U U^T, so that L = U**-T.
    """
    flipped = cholesky(ops.flip(precision, (-2, -1)))
    upper_t = ops.flip(flipped, (-2, -1)).mT  # U^T, lower triangular
    return solve_lower(upper_t, identity(precision))


def precision_of(factor: Tensor) -> Tensor:
    """(L L^T)**-1."""
    inverse = solve_lower(factor, identity(factor))
    return inverse.mT @ inverse


def squared_norm(x: Tensor) -> Any:
    """The sum of squares of a matrix."""
    return (x * x).sum((-2, -1))
