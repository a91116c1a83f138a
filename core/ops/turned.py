"""Methods of Tensor whose function takes its arguments in another order."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .select import where as _where
from .special_gamma import polygamma as _polygamma


def polygamma(self: Tensor, n: int) -> Any:
    """The n-th slope of digamma, elementwise.

    >>> import sensorium as sn
    >>> sn.tensor([1.0]).polygamma(1)
    tensor([1.6449])
    """
    return _polygamma(n, self)


def where(self: Tensor, condition: Any, other: Any) -> Any:
    """self where condition is true, other elsewhere.

    >>> import sensorium as sn
    >>> sn.tensor([1, 2]).where(sn.tensor([True, False]), 0)
    tensor([1, 0])
    """
    return _where(condition, self, other)
