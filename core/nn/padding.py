"""Padding layers: zeros, a constant, the mirrored inside, the repeated edge, or the other end.

``padding`` is one number for every side or pairs (before, after), the last dimension first.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor
from . import functional as F
from .module import Module


class _Pad(Module):
    _dims = 0
    _mode = "constant"
    _value = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        n = 2 * self._dims
        self.padding = (padding,) * n if hasattr(padding, "__index__") else tuple(padding)
        if len(self.padding) != n:
            raise ShapeError(
                f"{type(self).__name__}: padding wants 1 or {n} numbers, got {self.padding}"
            )

    def forward(self, input: Tensor) -> Tensor:
        if self._mode != "constant" and input.ndim not in (self._dims + 1, self._dims + 2):
            raise ShapeError(
                f"{type(self).__name__}: want {self._dims + 1} or {self._dims + 2} dimensions, got "
                f"input {tuple(input.shape)}"
            )
        return F.pad(input, self.padding, self._mode, self._value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """value around (..., T).

    >>> import sensorium as sn
    >>> sn.nn.ConstantPad1d(1, 9.0)(sn.ones(1, 2))
    tensor([[9., 1., 1., 9.]])
    """

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """value around (..., H, W)."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """value around (..., D, H, W)."""

    _dims = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Zeros around (..., T)."""

    _dims = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around (..., H, W)."""

    _dims = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around (..., D, H, W)."""

    _dims = 3


class _ReflectionPad(_Pad):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """The inside mirrored at the edge, which is not repeated: (N, C, T).

    >>> import sensorium as sn
    >>> sn.nn.ReflectionPad1d(2)(sn.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPad):
    """The inside mirrored at the edges of (N, C, H, W)."""

    _dims = 2


class ReflectionPad3d(_ReflectionPad):
    """The inside mirrored at the edges of (N, C, D, H, W)."""

    _dims = 3


class _ReplicationPad(_Pad):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """The edge value repeated: (N, C, T)."""

    _dims = 1


class ReplicationPad2d(_ReplicationPad):
    """The edge values of (N, C, H, W) repeated."""

    _dims = 2


class ReplicationPad3d(_ReplicationPad):
    """The edge values of (N, C, D, H, W) repeated."""

    _dims = 3


class _CircularPad(_Pad):
    _mode = "circular"


class CircularPad1d(_CircularPad):
    """The values of the other end: (N, C, T)."""

    _dims = 1


class CircularPad2d(_CircularPad):
    """The values of the other ends of (N, C, H, W)."""

    _dims = 2


class CircularPad3d(_CircularPad):
    """The values of the other ends of (N, C, D, H, W)."""

    _dims = 3
