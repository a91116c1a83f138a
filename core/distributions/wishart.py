"""The Wishart distribution of positive-definite matrices."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..create import arange, as_tensor
from ..errors import OptionError
from ..linalg import cholesky, diagonal
from ..ops.draws import standard_gamma
from ..ops.special_gamma import digamma, mvlgamma
from ..tensor import Tensor
from . import constraints
from ._matrices import (
    identity,
    log_diagonal,
    precision_of,
    solve_lower,
    squared_norm,
    tril_of_precision,
)
from .distribution import NONE
from .exp_family import ExponentialFamily
from .multivariate_normal import one_matrix
from .utils import lazy_property, standard_normal


class Wishart(ExponentialFamily):
    """The sum of df outer products x x^T, x normal of mean 0 and this covariance (p x p).

    df may be any number above p - 1. The covariance V = L L^T is given as covariance_matrix, as its
    inverse precision_matrix, or as L = scale_tril.

    >>> import sensorium as sn
    >>> Wishart(sn.tensor(3.0), sn.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]
        """df above p - 1."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        one_matrix("Wishart", covariance_matrix, precision_matrix, scale_tril)
        names = ("covariance_matrix", "precision_matrix", "scale_tril")
        given = zip(names, (covariance_matrix, precision_matrix, scale_tril))
        name, matrix = next((n, m) for n, m in given if m is not None)
        if matrix.ndim < 2:
            raise OptionError(
                f"Wishart: {name} must have two dimensions, got {tuple(matrix.shape)}"
            )
        df = as_tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch = ops.broadcast_shapes(tuple(matrix.shape[:-2]), tuple(df.shape))
        self.df = ops.expand(df, tuple(batch))
        self.__dict__[name] = ops.expand(matrix, (*batch, -1, -1))
        least = matrix.shape[-1] - 1
        if bool((df <= least).any()):
            raise OptionError(f"Wishart: df must be above p - 1 = {least}, got {df.min().item()}")
        super().__init__(batch, matrix.shape[-2:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _factor(name, matrix)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """L."""
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """V = L L^T."""
        factor = self._unbroadcasted_scale_tril
        return self._matrix(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """V**-1."""
        return self._matrix(precision_of(self._unbroadcasted_scale_tril))

    def _matrix(self, value: Tensor) -> Tensor:
        return ops.expand(value, (*self._batch_shape, *self._event_shape))

    @property
    def mean(self) -> Tensor:
        """df V."""
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """(df - p - 1) V, nan for df <= p + 1."""
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = ops.where(factor <= 0, math.nan, factor)
        return factor[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        """df (V_ij**2 + V_ii V_jj)."""
        v = self.covariance_matrix
        d = diagonal(v)
        return self.df[..., None, None] * (v * v + d.unsqueeze(-1) * d.unsqueeze(-2))

    def rsample(self, sample_shape: Any = NONE, max_try_correction: int | None = None) -> Tensor:
        """L A A^T L^T, A Bartlett's triangle: roots of chi-squared variables, normals below.

        max_try_correction is accepted and changes nothing: the product has no eigenvalue below 0.
        """
        p = self._event_shape[-1]
        shape = (*sample_shape, *self._batch_shape)
        steps = arange(p, dtype=self.df.dtype, device=self.df.device)
        half = (self.df.unsqueeze(-1) - steps) / 2
        chi = ops.sqrt(2 * standard_gamma(ops.expand(half, (*shape, p))))
        below = standard_normal((*shape, p, p), self.df).tril(-1)
        triangle = below + chi.unsqueeze(-1) * identity(below)
        root = self._unbroadcasted_scale_tril @ triangle
        return root @ root.mT

    def log_prob(self, value: Tensor) -> Tensor:
        """(df - p - 1) / 2 log det x - tr(V**-1 x) / 2 less the normalizer."""
        if self._validate_args:
            self._validate_sample(value)
        p, factor = self._event_shape[-1], self._unbroadcasted_scale_tril
        root = cholesky(value)
        trace = squared_norm(solve_lower(factor, root))
        power = (self.df - p - 1) * log_diagonal(root)
        return power - trace / 2 - self._log_total(self.df / 2, log_diagonal(factor))

    def _log_total(self, half: Tensor, log_root: Tensor) -> Tensor:
        """df (p log 2 / 2 + log det L) + the log of the p-variate gamma function of df / 2."""
        p = self._event_shape[-1]
        return 2 * half * (p * math.log(2) / 2 + log_root) + mvlgamma(half, p)

    def _mean_log_det(self) -> Tensor:
        """The mean of log det x."""
        p = self._event_shape[-1]
        steps = arange(p, dtype=self.df.dtype, device=self.df.device)
        psi = digamma((self.df.unsqueeze(-1) - steps) / 2).sum(-1)
        return psi + p * math.log(2) + 2 * log_diagonal(self._unbroadcasted_scale_tril)

    def entropy(self) -> Tensor:
        """The normalizer - (df - p - 1) / 2 E[log det x] + df p / 2."""
        p = self._event_shape[-1]
        total = self._log_total(self.df / 2, log_diagonal(self._unbroadcasted_scale_tril))
        return total - (self.df - p - 1) / 2 * self._mean_log_det() + self.df * p / 2

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        p = self._event_shape[-1]
        root = cholesky(-2 * x)  # of the precision
        half = y + (p + 1) / 2
        return 2 * half * (p * math.log(2) / 2 - log_diagonal(root)) + mvlgamma(half, p)


def _factor(name: str, matrix: Tensor) -> Tensor:
    if name == "scale_tril":
        return matrix
    return cholesky(matrix) if name == "covariance_matrix" else tril_of_precision(matrix)
