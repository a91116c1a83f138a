"""SGD: stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..inplace import wrote
from ..tensor import Tensor
from ._blocks import Blocks
from .optimizer import Group, Optimizer, check_not_negative, descent, zeros_like


class SGD(Optimizer):
    """p -= lr v, where v = momentum v + (1 - dampening) d and d = grad + weight_decay p.

    The first v is d. nesterov: p -= lr (d + momentum v). maximize: go up instead. Source of the
    Nesterov form: Sutskever et al. (2013), in PyTorch's arrangement.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([2.0])
    >>> SGD([p], lr=0.1).step(); p.data
    tensor([0.8000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_not_negative("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"SGD: nesterov wants a positive momentum and no dampening, got momentum={momentum} "
                f"and dampening={dampening}"
            )
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)
        self._blocks = Blocks(2)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            arrays = [p.array, p._grad.array]  # type: ignore[union-attr]
            first = False
            if group["momentum"]:
                state = self.state[p]
                first = state.get("momentum_buffer") is None
                if first:
                    state["momentum_buffer"] = zeros_like(p)
                arrays.append(state["momentum_buffer"].array)
            self._blocks.run(partial(_sgd, group, first), arrays)
            wrote(p)


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
    np.subtract(p, np.multiply(d, float(group["lr"]), out=t[1]), out=p)
