"""SGD: stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_not_negative, variants
from ._formulas import descent, go
from .optimizer import Group, Optimizer, zeros_like


class SGD(Optimizer):
    """p -= lr v, where v = momentum v + (1 - dampening) d and d = grad + weight_decay p.

    The first v is d. nesterov: p -= lr (d + momentum v). maximize: go up instead. Source of the
    Nesterov form: Sutskever et al. (2013), in PyTorch's arrangement.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([2.0])
    >>> SGD([p], lr=0.1).step(); p.data
    tensor([0.8000])
    """

    _shaped = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"SGD: nesterov wants a positive momentum and no dampening, got momentum={momentum} "
                f"and dampening={dampening}"
            )
        chosen = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, **variants("SGD", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            if not group["momentum"]:
                self._run(partial(_sgd, group, False), p)
                continue
            state = self.state[p]
            first = state.get("momentum_buffer") is None
            if first:
                state["momentum_buffer"] = zeros_like(p)
            self._run(partial(_sgd, group, first), p, state["momentum_buffer"])


def _sgd(group: Group, first: bool, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g and, with momentum, v."""
    p, g, *velocity = arrays
    momentum = group["momentum"]
    d = descent(p, g, group["weight_decay"], group["maximize"], t)
    if velocity:
        v = velocity[0]
        if first:
            v[...] = d
        else:
            np.multiply(v, momentum, out=v)
            kept = 1 - group["dampening"]
            np.add(v, d if kept == 1 else np.multiply(d, kept, out=t[1]), out=v)
        nesterov = group["nesterov"]
        d = np.add(d, np.multiply(v, momentum, out=t[1]), out=t[0]) if nesterov else v
    go(p, float(group["lr"]), d, t[1])
