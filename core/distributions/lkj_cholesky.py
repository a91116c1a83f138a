"""The LKJ distribution of Cholesky factors of correlation matrices."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import ops
from ..autograd import no_grad
from ..create import arange
from ..errors import OptionError
from ..limits import finfo
from ..linalg import diagonal
from ..ops.special_gamma import lgamma, mvlgamma
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .beta import Beta
from .distribution import NONE, Distribution
from .utils import broadcast_all, standard_normal


class LKJCholesky(Distribution):
    """L of correlation matrices L L^T, whose density is det**(concentration - 1).

    Source: D. Lewandowski, D. Kurowicka and H. Joe, "Generating random correlation matrices based on
    vines and extended onion method", 2009; draws are made by the onion.

    >>> LKJCholesky(3, 1.0).sample().shape
    sensorium.Size([3, 3])
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise OptionError(f"LKJCholesky: dim must be at least 2, got {dim}")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        shape = Size(self.concentration.shape)
        super().__init__(shape, (dim, dim), validate_args=validate_args)

    def _row_squares(self) -> Beta:
        """The squared length of row i left of the diagonal: beta(i / 2, c + (D - 1 - i) / 2)."""
        kind = {"dtype": self.concentration.dtype, "device": self.concentration.device}
        i = arange(1, self.dim, **kind)
        right = self.concentration.unsqueeze(-1) + 0.5 * (self.dim - 1 - i)
        return Beta(ops.expand(0.5 * i, tuple(right.shape)), right)

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Row by row: a random direction, a beta length, and what is left of 1 on the diagonal."""
        with no_grad():
            square = self._row_squares().sample(sample_shape)  # (..., D - 1)
            square = ops.cat([square.new_zeros((*square.shape[:-1], 1)), square], -1)
            shape = self._extended_shape(sample_shape)
            normal = standard_normal(shape, self.concentration).tril(-1)
            length = ops.sqrt((normal * normal).sum(-1, keepdim=True))
            tiny = float(finfo(square.dtype).tiny)
            rows = ops.sqrt(square).unsqueeze(-1) * normal / ops.clamp(length, min=tiny)
            rest = ops.sqrt(ops.clamp(1 - (rows * rows).sum(-1), min=tiny))
            return rows + rest.unsqueeze(-1) * ops.ne(_unit(self.dim, rows), 0).to(rows.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum over rows i > 1 of (2 (c - 1) + D - i) log L_ii, less the normalizer."""
        if self._validate_args:
            self._validate_sample(value)
        c, less = self.concentration, self.dim - 1
        diag = diagonal(value)[..., 1:]
        i = arange(2, self.dim + 1, dtype=c.dtype, device=c.device)
        power = 2 * (c - 1).unsqueeze(-1) + self.dim - i
        top = c + 0.5 * less
        total = mvlgamma(top - 0.5, less) - lgamma(top) * less + 0.5 * less * math.log(math.pi)
        return (power * ops.log(diag)).sum(-1) - total


def _unit(n: int, like: Tensor) -> Tensor:
    from ..create import eye

    return eye(n, dtype=like.dtype, device=like.device)
