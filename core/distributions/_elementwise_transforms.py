"""Transforms of numbers: exp, power, sigmoid, tanh, softplus, affine, abs."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..create import as_tensor
from ..limits import finfo
from ..ops.activation import softplus
from ..tensor import Tensor
from . import constraints
from ._transform import Transform
from .utils import sum_rightmost


class _Monotonic(Transform):
    """A rising map without parameters; two of a class are equal."""

    bijective = True
    domain: Any = constraints.real
    codomain: Any = constraints.real
    _sign = 1

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = object.__hash__


class ExpTransform(_Monotonic):
    """y = exp(x).

    >>> import sensorium as sn
    >>> sn.distributions.ExpTransform().inv(sn.ones(1))
    tensor([0.])
    """

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return ops.exp(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return ops.log(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """x."""
        return x


class PowerTransform(Transform):
    """y = x**exponent, of positive numbers.

    >>> import sensorium as sn
    >>> sn.distributions.PowerTransform(2.0)(sn.tensor([3.0]))
    tensor([9.])
    """

    bijective = True
    domain = constraints.positive
    codomain = constraints.positive

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.exponent = as_tensor(exponent)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and _same(self.exponent, other.exponent)

    __hash__ = object.__hash__

    @property
    def sign(self) -> Any:
        """The sign of the exponent."""
        return ops.sign(self.exponent)

    def _call(self, x: Tensor) -> Tensor:
        return ops.pow(x, self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return ops.pow(y, 1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |exponent y / x|."""
        return ops.log(ops.abs(self.exponent * y / x))

    def forward_shape(self, shape: Any) -> Any:
        return ops.broadcast_shapes(tuple(shape), tuple(self.exponent.shape))

    def inverse_shape(self, shape: Any) -> Any:
        return ops.broadcast_shapes(tuple(shape), tuple(self.exponent.shape))


class SigmoidTransform(_Monotonic):
    """y = 1 / (1 + exp(-x)); kept off 0 and 1 by the type's precision.

    >>> import sensorium as sn
    >>> sn.distributions.SigmoidTransform()(sn.zeros(1))
    tensor([0.5000])
    """

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        limits = finfo(x.dtype)
        return ops.clamp(ops.sigmoid(x), float(limits.tiny), 1.0 - float(limits.eps))

    def _inverse(self, y: Tensor) -> Tensor:
        limits = finfo(y.dtype)
        y = ops.clamp(y, float(limits.tiny), 1.0 - float(limits.eps))
        return ops.log(y) - ops.log1p(-y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """-softplus(-x) - softplus(x)."""
        return -softplus(-x) - softplus(x)


class SoftplusTransform(_Monotonic):
    """y = log(1 + exp(x)); x itself above 20.

    >>> import sensorium as sn
    >>> sn.distributions.SoftplusTransform()(sn.zeros(1))
    tensor([0.6931])
    """

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return ops.log(-ops.expm1(-y)) + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """-softplus(-x)."""
        return -softplus(-x)


class TanhTransform(_Monotonic):
    """y = tanh(x).

    Its inverse near 1 loses digits: a cache (cache_size=1) avoids it.

    >>> import sensorium as sn
    >>> sn.distributions.TanhTransform()(sn.zeros(1))
    tensor([0.])
    """

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return ops.tanh(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return ops.atanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log(1 - tanh(x)**2), as 2 (log 2 - x - softplus(-2 x)): exact in the tails."""
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class AbsTransform(Transform):
    """y = |x|; its inverse is one of the two.

    >>> import sensorium as sn
    >>> sn.distributions.AbsTransform()(sn.tensor([-2.0]))
    tensor([2.])
    """

    domain = constraints.real
    codomain = constraints.positive

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbsTransform)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Tensor:
        return ops.abs(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class AffineTransform(Transform):
    """y = loc + scale * x; event_dim rightmost dimensions count as one event.

    >>> import sensorium as sn
    >>> sn.distributions.AffineTransform(1.0, 2.0)(sn.tensor([3.0]))
    tensor([7.])
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        """As given."""
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:  # type: ignore[override]
        """All numbers."""
        dims = self.event_dim
        return constraints.independent(constraints.real, dims) if dims else constraints.real

    codomain = domain

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AffineTransform):
            return False
        return _same(self.loc, other.loc) and _same(self.scale, other.scale)

    __hash__ = object.__hash__

    @property
    def sign(self) -> Any:
        """The sign of scale."""
        if isinstance(self.scale, Tensor):
            return ops.sign(self.scale)
        return 1 if self.scale > 0 else -1 if self.scale < 0 else 0

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |scale|, as often as the event has elements."""
        if isinstance(self.scale, Tensor):
            size = ops.log(ops.abs(self.scale))
        else:
            size = x.new_full((), math.log(abs(self.scale)))
        term = ops.broadcast_to(size, ops.broadcast_shapes(tuple(x.shape), tuple(size.shape)))
        return sum_rightmost(term, self.event_dim)

    def forward_shape(self, shape: Any) -> Any:
        shapes = [tuple(getattr(v, "shape", ())) for v in (self.loc, self.scale)]
        return ops.broadcast_shapes(tuple(shape), *shapes)

    inverse_shape = forward_shape


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return a is b or bool(ops.eq(as_tensor(a), as_tensor(b)).all())
    return a == b
