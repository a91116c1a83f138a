"""A module called with other parameters and buffers than its own: ``func.functional_call``."""

from __future__ import annotations

from typing import Any

from ...func.modules import functional_call as _call
from ...tensor import Tensor
from ..module import Module


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``func.functional_call`` under its older name.

    >>> import sensorium as sn
    >>> layer = sn.nn.Linear(1, 1)
    >>> functional_call(layer, {"weight": sn.ones(1, 1), "bias": sn.ones(1)}, sn.ones(2, 1))
    tensor([[2.],
            [2.]])
    """
    return _call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
