"""Exponential families: densities exp(t(x) . eta - A(eta) + k(x)), with entropy by differentiating A.

Source: F. Nielsen and R. Nock, "Entropies and cross-entropies of exponential families", 2010.
"""

from __future__ import annotations

from typing import Any

from ..autograd import enable_grad
from ..autograd.engine import grad
from ..tensor import Tensor
from .distribution import Distribution


class ExponentialFamily(Distribution):
    """A distribution that says its natural parameters eta and log normalizer A(eta).

    Its ``entropy`` is A - eta . grad A - the mean of k.
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise self._undefined("natural parameters")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise self._undefined("log normalizer")

    @property
    def _mean_carrier_measure(self) -> Any:
        raise self._undefined("mean carrier measure")

    def entropy(self) -> Tensor:
        """A(eta) - eta . grad A(eta) - the mean carrier measure."""
        given = self._natural_params
        eta = tuple(p if p.requires_grad else p.detach().requires_grad_() for p in given)
        with enable_grad():
            normalizer = self._log_normalizer(*eta)
            slopes = grad(normalizer.sum(), eta, create_graph=True)
        total = normalizer - self._mean_carrier_measure
        for p, slope in zip(eta, slopes):
            total = total - (p * slope).reshape(*self._batch_shape, -1).sum(-1)
        return total
