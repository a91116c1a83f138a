"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..errors import OptionError
from ..linalg import cholesky
from ..tensor import Tensor
from . import constraints
from ._matrices import log_diagonal, mahalanobis, precision_of, tril_of_precision
from .distribution import NONE, Distribution
from .utils import lazy_property, standard_normal


def one_matrix(name: str, *given: Any) -> None:
    """Refuse anything but one of the three forms of a covariance."""
    if sum(v is not None for v in given) != 1:
        raise OptionError(
            f"{name}: give exactly one of covariance_matrix, precision_matrix and scale_tril"
        )


class MultivariateNormal(Distribution):
    """Vectors loc + L z, z standard normal, L = scale_tril lower triangular.

    The covariance is L L^T, given as covariance_matrix, as its inverse precision_matrix, or as L.

    >>> import sensorium as sn
    >>> MultivariateNormal(sn.zeros(2), sn.eye(2)).log_prob(sn.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        one_matrix("MultivariateNormal", covariance_matrix, precision_matrix, scale_tril)
        if loc.ndim < 1:
            raise OptionError("MultivariateNormal: loc must have a dimension, got a number")
        names = ("covariance_matrix", "precision_matrix", "scale_tril")
        given = zip(names, (covariance_matrix, precision_matrix, scale_tril))
        name, matrix = next((n, m) for n, m in given if m is not None)
        if matrix.ndim < 2:
            raise OptionError(
                f"MultivariateNormal: {name} must have two dimensions, got {tuple(matrix.shape)}"
            )
        batch = ops.broadcast_shapes(tuple(matrix.shape[:-2]), tuple(loc.shape[:-1]))
        self.__dict__[name] = ops.expand(matrix, (*batch, -1, -1))
        self.loc = ops.expand(loc, (*batch, -1))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _factor(name, matrix)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """L."""
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """L L^T."""
        factor = self._unbroadcasted_scale_tril
        return self._matrix(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """(L L^T)**-1."""
        return self._matrix(precision_of(self._unbroadcasted_scale_tril))

    def _matrix(self, value: Tensor) -> Tensor:
        return ops.expand(value, (*self._batch_shape, *self._event_shape, *self._event_shape))

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance."""
        factor = self._unbroadcasted_scale_tril
        return ops.expand((factor * factor).sum(-1), (*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Any = NONE) -> Tensor:
        """loc + L z."""
        z = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + (self._unbroadcasted_scale_tril @ z.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """-|L**-1 (x - loc)|**2 / 2 - log det L - n log(2 pi) / 2."""
        if self._validate_args:
            self._validate_sample(value)
        factor = self._unbroadcasted_scale_tril
        square = mahalanobis(factor, value - self.loc)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + square) - log_diagonal(factor)

    def entropy(self) -> Tensor:
        """log det L + n (1 + log(2 pi)) / 2."""
        constant = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        value = constant + log_diagonal(self._unbroadcasted_scale_tril)
        return ops.expand(value, tuple(self._batch_shape))


def _factor(name: str, matrix: Tensor) -> Tensor:
    if name == "scale_tril":
        return matrix
    return cholesky(matrix) if name == "covariance_matrix" else tril_of_precision(matrix)
