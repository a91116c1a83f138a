"""ASGD: stochastic gradient descent that also keeps the mean of where it has been."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_not_negative, variants
from ._formulas import average, descent, go
from .optimizer import Group, Optimizer, count, scalar


class ASGD(Optimizer):
    """p = (1 - lambd eta) p - eta g, with eta = lr / (1 + lambd lr t)^alpha.

    state[p]["ax"] is the mean of p over the steps after t0 + 1, and p before. Source: Polyak and
    Juditsky (1992).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> ASGD([p], lr=0.1, lambd=0).step(); p.data
    tensor([0.5000])
    """

    _shaped = ("ax",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_not_negative("ASGD", lr=lr, weight_decay=weight_decay)
        chosen = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "maximize": maximize, **variants("ASGD", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        lr, lambd = float(group["lr"]), group["lambd"]
        for p in params:
            state = self._state_of(p, *self._shaped)
            step = count(state)
            eta, mu = (float(state.get(n, scalar(v))) for n, v in (("eta", lr), ("mu", 1)))
            self._run(partial(_asgd, group, eta, mu), p, state["ax"])
            state["eta"] = scalar(lr / (1 + lambd * lr * step) ** group["alpha"])
            state["mu"] = scalar(1 / max(1, step - group["t0"]))


def _asgd(group: Group, eta: float, mu: float, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g and the mean of p."""
    p, g, mean = arrays
    d = descent(p, g, group["weight_decay"], group["maximize"], t)
    np.multiply(p, 1 - group["lambd"] * eta, out=p)
    go(p, eta, d, t[1])
    if mu == 1:
        mean[...] = p
    else:
        average(mean, p, 1 - mu, t[1])
