"""The multivariate normal distribution with a covariance of low rank plus a diagonal."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..errors import OptionError, ShapeError
from ..linalg import cholesky
from ..tensor import Tensor
from . import constraints
from ._matrices import identity, log_diagonal, mahalanobis, solve_lower
from .distribution import NONE, Distribution
from .utils import lazy_property, standard_normal


def capacitance_tril(factor: Tensor, diag: Tensor) -> Tensor:
    """The Cholesky factor of I + W^T D**-1 W, W (..., n, r) and D the diagonal (..., n)."""
    scaled = factor.mT / diag.unsqueeze(-2)
    inner = scaled @ factor
    return cholesky(inner + identity(inner))


def lowrank_log_det(diag: Tensor, capacitance: Tensor) -> Tensor:
    """log det(W W^T + D), by the matrix determinant lemma."""
    return 2 * log_diagonal(capacitance) + ops.log(diag).sum(-1)


def lowrank_mahalanobis(factor: Tensor, diag: Tensor, off: Tensor, capacitance: Tensor) -> Tensor:
    """off^T (W W^T + D)**-1 off, by Woodbury's identity."""
    scaled = factor.mT / diag.unsqueeze(-2)
    inner = (scaled @ off.unsqueeze(-1)).squeeze(-1)
    return (off * off / diag).sum(-1) - mahalanobis(capacitance, inner)


class LowRankMultivariateNormal(Distribution):
    """Vectors of covariance W W^T + D: cov_factor W (..., n, r), cov_diag the diagonal D (..., n).

    Densities and draws cost n r**2 instead of n**3.

    >>> import sensorium as sn
    >>> LowRankMultivariateNormal(sn.zeros(2), sn.ones(2, 1), sn.ones(2)).variance
    tensor([2., 2.])
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        cov_factor: Tensor,
        cov_diag: Tensor,
        validate_args: bool | None = None,
    ) -> None:
        n = _checked_size(loc, cov_factor, cov_diag)
        shapes = loc.shape[:-1], cov_diag.shape[:-1], cov_factor.shape[:-2]
        batch = ops.broadcast_shapes(*(tuple(s) for s in shapes))
        self.loc = ops.expand(loc, (*batch, n))
        self.cov_diag = ops.expand(cov_diag, (*batch, n))
        self.cov_factor = ops.expand(cov_factor, (*batch, -1, -1))
        super().__init__(batch, (n,), validate_args=validate_args)
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        self._capacitance_tril = capacitance_tril(cov_factor, cov_diag)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The diagonal of the covariance."""
        factor = self._unbroadcasted_cov_factor
        value = (factor * factor).sum(-1) + self._unbroadcasted_cov_diag
        return ops.expand(value, (*self._batch_shape, *self._event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """This distribution with its parameters expanded to a larger batch shape."""
        new = super().expand(batch_shape, _instance)
        for name in ("variance", "scale_tril", "covariance_matrix", "precision_matrix"):
            new.__dict__.pop(name, None)
        return new

    def _matrix(self, value: Tensor) -> Tensor:
        return ops.expand(value, (*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance: D**(1/2) chol(I + V V^T), V = D**(-1/2) W."""
        root = ops.sqrt(self._unbroadcasted_cov_diag).unsqueeze(-1)
        v = self._unbroadcasted_cov_factor / root
        inner = v @ v.mT
        return self._matrix(root * cholesky(inner + identity(inner)))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """W W^T + D."""
        factor, diag = self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag
        outer = factor @ factor.mT
        return self._matrix(outer + diag.unsqueeze(-1) * identity(outer))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """D**-1 - A^T A, A = C**-1 W^T D**-1, C the capacitance's factor (Woodbury)."""
        factor, diag = self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag
        a = solve_lower(self._capacitance_tril, factor.mT / diag.unsqueeze(-2))
        outer = a.mT @ a
        return self._matrix((1 / diag).unsqueeze(-1) * identity(outer) - outer)

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """loc + W z1 + D**(1/2) z2."""
        shape = self._extended_shape(sample_shape)
        rank = self.cov_factor.shape[-1]
        z1 = standard_normal((*shape[:-1], rank), self.loc)
        z2 = standard_normal(shape, self.loc)
        along = (self._unbroadcasted_cov_factor @ z1.unsqueeze(-1)).squeeze(-1)
        return self.loc + along + ops.sqrt(self._unbroadcasted_cov_diag) * z2

    def log_prob(self, value: Tensor) -> Tensor:
        """That of the normal distribution of this covariance."""
        if self._validate_args:
            self._validate_sample(value)
        factor, diag = self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag
        square = lowrank_mahalanobis(factor, diag, value - self.loc, self._capacitance_tril)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + lowrank_log_det(diag, self._capacitance_tril) + square)

    def entropy(self) -> Tensor:
        """(n (1 + log(2 pi)) + log det) / 2."""
        log_det = lowrank_log_det(self._unbroadcasted_cov_diag, self._capacitance_tril)
        value = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + log_det)
        return ops.expand(value, tuple(self._batch_shape))


def _checked_size(loc: Tensor, cov_factor: Tensor, cov_diag: Tensor) -> int:
    """n, after checking that the three shapes have it."""
    if loc.ndim < 1:
        raise OptionError("LowRankMultivariateNormal: loc must have a dimension, got a number")
    n = loc.shape[-1]
    if cov_factor.ndim < 2 or cov_factor.shape[-2] != n:
        raise ShapeError(
            f"LowRankMultivariateNormal: cov_factor must be a batch of {n} x r matrices, got "
            f"{tuple(cov_factor.shape)}"
        )
    if cov_diag.ndim < 1 or cov_diag.shape[-1] != n:
        raise ShapeError(
            f"LowRankMultivariateNormal: cov_diag must be a batch of vectors of {n}, got "
            f"{tuple(cov_diag.shape)}"
        )
    return n
