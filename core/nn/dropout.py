"""Dropout of single values and of whole channels, in training only. Source: Srivastava et al. (2014)."""

from __future__ import annotations

from ..errors import OutOfBoundsError
from ..tensor import Tensor
from . import functional as F
from .module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise OutOfBoundsError(f"{type(self).__name__}: p must lie in [0, 1], got {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training every value is 0 with chance p, the others are scaled by 1 / (1 - p).

    >>> import sensorium as sn
    >>> sn.nn.Dropout(0.5).eval()(sn.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """In training every channel of (N, C, T) is 0 with chance p. Source: Tompson et al. (2014)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training every channel of (N, C, H, W) is 0 with chance p. Source: Tompson et al. (2014)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """In training every channel of (N, C, D, H, W) is 0 with chance p."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """In training every value is SELU's limit with chance p; mean 0 and variance 1 are kept.

    Source: Klambauer et al. (2017).
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """``AlphaDropout`` of whole channels of (N, C, ...)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
