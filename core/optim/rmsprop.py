"""RMSprop: steps scaled by the root of the mean square gradient."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_not_negative, variants
from ._formulas import average, average_square, descent, go
from .optimizer import Group, Optimizer, count


class RMSprop(Optimizer):
    """p -= lr g / (sqrt(v) + eps), v the running mean of g^2 at the rate alpha.

    momentum: p -= lr b with b = momentum b + g / (sqrt(v) + eps). centered: v less the square of
    the mean of g. Sources: Hinton's lectures (2012); centered, Graves (2013).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> RMSprop([p], lr=0.01).step(); p.data
    tensor([0.9000])
    """

    _shaped = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative("RMSprop", lr=lr, eps=eps, momentum=momentum, alpha=alpha)
        check_not_negative("RMSprop", weight_decay=weight_decay)
        chosen = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "maximize": maximize, **variants("RMSprop", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        names = ["square_avg"]
        names += ["momentum_buffer"] * (group["momentum"] > 0) + ["grad_avg"] * group["centered"]
        for p in params:
            state = self._state_of(p, *names)
            count(state)
            self._run(partial(_rmsprop, group), p, *[state[n] for n in names])


def _rmsprop(group: Group, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, v and, with momentum, b and, if centered, the mean of g."""
    p, g, v, *more = arrays
    alpha, lr = group["alpha"], float(group["lr"])
    d = descent(p, g, group["weight_decay"], group["maximize"], t)
    average_square(v, d, alpha, t[1])
    if group["centered"]:
        mean = more[-1]
        average(mean, d, alpha, t[1])
        v = np.subtract(v, np.multiply(mean, mean, out=t[1]), out=t[1])
    np.add(np.sqrt(v, out=t[1]), group["eps"], out=t[1])
    s = np.divide(d, t[1], out=t[1])
    if group["momentum"] > 0:
        np.multiply(more[0], group["momentum"], out=more[0])
        s = np.add(more[0], s, out=more[0])
    go(p, lr, s, t[1])
