"""Orthogonal matrices from matrices without constraints: what ``parametrizations.orthogonal`` uses.

Formulas, keys and what may be assigned follow ``torch.nn.utils.parametrizations``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import create
from ...autograd import no_grad
from ...errors import OptionError, ShapeError, UndefinedError
from ...linalg import householder_product, matrix_exp, solve
from ...ops.join import cat
from ...ops.linalg import adjoint, lower_part
from ...ops.linalg_lapack import geqrf
from ...tensor import Tensor, wrap
from ..module import Module


class _Orthogonal(Module):
    """Q with orthonormal columns (rows, if wide) from a matrix X without constraints.

    With A = tril(X) - tril(X)^H: exp(A), or Cayley's (I + A/2) (I - A/2)^-1, or the product of the
    Householder matrices that X holds below its diagonal. With a base B, Q is B times that, and X starts
    where it is the identity (M. Lezcano-Casado, "Trivializations for gradient-based optimization on
    manifolds", 2019).
    """

    base: Any

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise OptionError("orthogonal: the householder map is for real weights only")
        self.shape, self.orthogonal_map = tuple(weight.shape), orthogonal_map
        self.trivialized = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        X = X.transpose(-1, -2) if wide else X
        Q = _reflections(X) if self.orthogonal_map == "householder" else self._exponential(X)
        Q = self.base @ Q if self.trivialized else Q
        return Q.transpose(-1, -2) if wide else Q

    def _exponential(self, X: Tensor) -> Tensor:
        """The first columns of the image of the skew-Hermitian matrix."""
        n, k = X.shape[-2:]
        low = lower_part(X)
        if n != k:
            nothing = create.zeros((*X.shape[:-1], n - k), dtype=X.dtype, device=X.device)
            low = cat([low, nothing], -1)
        A = low - adjoint(low)
        if self.orthogonal_map == "matrix_exp":
            return matrix_exp(A)[..., :k]
        one = create.eye(n, dtype=A.dtype, device=A.device)
        return solve(one - A * 0.5, one + A * 0.5)[..., :k]

    def right_inverse(self, Q: Tensor) -> Tensor:
        with no_grad():
            if tuple(Q.shape) != self.shape:
                raise ShapeError(
                    f"orthogonal: want a tensor of shape {self.shape}, got {tuple(Q.shape)}"
                )
            wide = Q.shape[-2] < Q.shape[-1]
            tall = Q.transpose(-1, -2) if wide else Q
            if not self.trivialized:
                found = self._held(tall)
                return found.transpose(-1, -2) if wide else found
            self.base = _completed(tall)
            start = np.zeros(self.shape, Q.dtype, like=Q.array)
            diagonal = np.arange(tall.shape[-1])
            start[..., diagonal, diagonal] = -1  # where every map gives the identity
            return wrap(start)

    def _held(self, Q: Tensor) -> Tensor:
        """The Householder vectors of Q, and on the diagonal the signs of R's."""
        if self.orthogonal_map != "householder":
            raise UndefinedError(
                f"orthogonal: with the map {self.orthogonal_map} and use_trivialization=False the "
                "tensor cannot be assigned"
            )
        a, tau = (t.array for t in geqrf(Q))
        i = np.arange(a.shape[-1])
        a[..., i, i] = np.sign(a[..., i, i]) * np.where(tau == 0, -1, 1)
        return wrap(a)


def _reflections(X: Tensor) -> Tensor:
    """The product of the Householder matrices below X's diagonal, columns by the signs on it."""
    A = lower_part(X, -1)
    Q = householder_product(A, 2 / (1 + (A * A).sum(-2)))
    signs = np.diagonal(X.array, 0, -2, -1).astype(np.int64)
    return Q * wrap(signs[..., None, :].astype(X.dtype))


def _made_orthogonal(A: Tensor) -> Tensor:
    """The Q of A = QR with R's diagonal positive."""
    a, tau = geqrf(A)
    return householder_product(a, tau) * wrap(
        np.sign(np.diagonal(a.array, 0, -2, -1))[..., None, :]
    )


def _completed(Q: Tensor) -> Tensor:
    """A square matrix with orthonormal columns that begins with Q, made orthogonal if it is not."""
    n, k = Q.shape[-2:]
    if n != k:
        drawn = create.empty((*Q.shape[:-1], n - k), dtype=Q.dtype, device=Q.device).normal_()
        return _made_orthogonal(cat([Q, drawn], -1))
    off = np.abs((adjoint(Q) @ Q).array - np.eye(n, like=Q.array))
    return Q.clone() if (off <= 10 * n * np.finfo(Q.dtype).eps).all() else _made_orthogonal(Q)
