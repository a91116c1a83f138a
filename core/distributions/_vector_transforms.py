"""Transforms onto simplices and triangular matrices: softmax, stick breaking, Cholesky factors."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..create import eye
from ..errors import ShapeError
from ..limits import finfo
from ..ops.activation import softplus
from ..tensor import Tensor
from . import constraints
from ._transform import Transform
from .utils import tril_matrix_to_vec, vec_to_tril_matrix


class _Alike(Transform):
    """A transform without parameters; two of a class are equal."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = object.__hash__


class SoftmaxTransform(_Alike):
    """y = softmax(x) over the last dimension; many x give one y, so no density passes through.

    >>> import sensorium as sn
    >>> sn.distributions.SoftmaxTransform()(sn.zeros(2))
    tensor([0.5000, 0.5000])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return ops.softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return ops.log(y)

    def forward_shape(self, shape: Any) -> Any:
        return _with_vector("SoftmaxTransform", shape)

    inverse_shape = forward_shape


def _with_vector(name: str, shape: Any) -> Any:
    if len(shape) < 1:
        raise ShapeError(f"{name}: wants at least one dimension, got {tuple(shape)}")
    return shape


class StickBreakingTransform(_Alike):
    """K numbers as K + 1 shares of a stick: each breaks its share off what is left.

    The share of number k is sigmoid(x_k - log(K - k)) of the rest, k = 0 ... K - 1, so that zeros
    give equal shares.

    >>> import sensorium as sn
    >>> sn.distributions.StickBreakingTransform()(sn.zeros(3))
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    bijective = True
    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        z = _kept(ops.sigmoid(x - _log_left(x)))
        rest = ops.cumprod(1 - z, -1)
        one = x.new_ones((*x.shape[:-1], 1))
        return ops.cat([z, one], -1) * ops.cat([one, rest], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        cut = y[..., :-1]
        rest = ops.clamp(1 - ops.cumsum(cut, -1), min=float(finfo(y.dtype).tiny))
        return ops.log(cut) - ops.log(rest) + _log_left(cut)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum over k of log y_k + log(1 - share of k)."""
        off = x - _log_left(x)
        return (ops.log(y[..., :-1]) - softplus(off)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return (*_with_vector("StickBreakingTransform", shape)[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> Any:
        return (*_with_vector("StickBreakingTransform", shape)[:-1], shape[-1] - 1)


def _log_left(x: Tensor) -> Tensor:
    """log K, log(K - 1), ..., log 1."""
    k = x.shape[-1]
    return x.new_tensor([math.log(k - i) for i in range(k)])


def _kept(z: Tensor) -> Tensor:
    limits = finfo(z.dtype)
    return ops.clamp(z, float(limits.tiny), 1.0 - float(limits.eps))


# -- triangular matrices ---------------------------------------------------------------------------
def _diagonal(x: Tensor) -> Tensor:
    from ..linalg import diagonal

    return diagonal(x)


class LowerCholeskyTransform(_Alike):
    """A matrix as a lower triangle with a positive diagonal: the exponential of its own.

    >>> import sensorium as sn
    >>> sn.distributions.LowerCholeskyTransform()(sn.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain: Any = constraints.independent(constraints.real, 2)
    codomain: Any = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + _on_diagonal(ops.exp(_diagonal(x)))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + _on_diagonal(ops.log(_diagonal(y)))


def _on_diagonal(v: Tensor) -> Tensor:
    return v.unsqueeze(-1) * eye(v.shape[-1], dtype=v.dtype, device=v.device)


class PositiveDefiniteTransform(_Alike):
    """A matrix as L L^T, with L its lower triangle and the exponential of its diagonal.

    >>> import sensorium as sn
    >>> sn.distributions.PositiveDefiniteTransform()(sn.zeros(1, 1))
    tensor([[1.]])
    """

    domain: Any = constraints.independent(constraints.real, 2)
    codomain: Any = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Tensor) -> Tensor:
        from ..linalg import cholesky

        return LowerCholeskyTransform().inv(cholesky(y))


class CorrCholeskyTransform(Transform):
    """D (D - 1) / 2 numbers as the Cholesky factor of a D x D correlation matrix.

    z = tanh(x) fills the lower triangle; row i is z_ij times the root of what its earlier squares left
    of 1, and what is left in the end stands on the diagonal (Lewandowski, Kurowicka and Joe, 2009).

    >>> import sensorium as sn
    >>> sn.distributions.CorrCholeskyTransform()(sn.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        eps = float(finfo(x.dtype).eps)
        z = vec_to_tril_matrix(ops.clamp(ops.tanh(x), -1 + eps, 1 - eps), -1)
        left = ops.cumprod(ops.sqrt(1 - z * z), -1)  # of columns up to j
        z = z + eye(z.shape[-1], dtype=z.dtype, device=z.device)
        first = left.new_ones((*left.shape[:-1], 1))
        return z * ops.cat([first, left[..., :-1]], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        before = _left(y)
        r = tril_matrix_to_vec(y, -1)
        size = tril_matrix_to_vec(ops.sqrt(before), -1)
        t = r / size
        return (ops.log1p(t) - ops.log1p(-t)) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor, intermediates: Any = None) -> Tensor:
        """The sums of log(1 - tanh(x)**2) and of half the logarithms of what earlier squares left."""
        rest = 1 - ops.cumsum(y * y, -1)
        stretch = 0.5 * ops.log(tril_matrix_to_vec(rest, -2)).sum(-1)
        slope = -2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)
        return stretch + slope

    def forward_shape(self, shape: Any) -> Any:
        _with_vector("CorrCholeskyTransform", shape)
        n = shape[-1]
        d = round((0.25 + 2 * n) ** 0.5 + 0.5)
        if d * (d - 1) // 2 != n:
            raise ShapeError(f"CorrCholeskyTransform: {n} numbers make no triangle")
        return (*shape[:-1], d, d)

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 2 or shape[-2] != shape[-1]:
            raise ShapeError(f"CorrCholeskyTransform: wants square matrices, got {tuple(shape)}")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


def _left(y: Tensor) -> Tensor:
    """What the squares of earlier columns leave of 1, for every element."""
    used = ops.cumsum(y * y, -1)[..., :-1]
    return 1 - ops.cat([used.new_zeros((*used.shape[:-1], 1)), used], -1)
