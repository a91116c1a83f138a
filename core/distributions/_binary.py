"""What distributions of chances share: probs or logits, one given and the other computed on first use."""

from __future__ import annotations

from typing import Any

from ..errors import OptionError
from ..size import Size
from ..tensor import Tensor
from .distribution import NONE
from .utils import all_numbers, broadcast_all, lazy_property, logits_to_probs, probs_to_logits


def one_of(name: str, probs: Any, logits: Any) -> None:
    """Refuse both and none of probs and logits."""
    if (probs is None) == (logits is None):
        raise OptionError(f"{name}: give either probs or logits, not both")


class Chances:
    """The parameters of a distribution of yes and no, in two forms."""

    def _take(self, probs: Any, logits: Any) -> Size:
        """Keep the one that is given; the batch shape."""
        one_of(type(self).__name__, probs, logits)
        given = logits if probs is None else probs
        name = "logits" if probs is None else "probs"
        (self.__dict__[name],) = broadcast_all(given)
        return NONE if all_numbers(given) else self.__dict__[name].shape

    @lazy_property
    def logits(self) -> Tensor:
        """log(probs / (1 - probs))."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The chances."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs" if "probs" in self.__dict__ else "logits"]

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape
