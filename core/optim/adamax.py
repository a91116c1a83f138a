"""Adamax: Adam with the largest instead of the mean square gradient."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_betas, check_not_negative, variants
from ._formulas import average, descent, go_scaled
from .optimizer import Group, Optimizer, count


class Adamax(Optimizer):
    """p -= lr / (1 - b1^t) m / u, with m = b1 m + (1 - b1) g and u = max(b2 u, |g| + eps).

    Source: Kingma and Ba (2014), section 7.1.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> Adamax([p], lr=0.1).step(); p.data
    tensor([0.9000])
    """

    _shaped = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_not_negative("Adamax", lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas("Adamax", betas)
        chosen = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, **variants("Adamax", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            state = self._state_of(p, *self._shaped)
            update = partial(_adamax, group, count(state))
            self._run(update, p, state["exp_avg"], state["exp_inf"])


def _adamax(group: Group, step: float, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, m, u."""
    p, g, m, u = arrays
    b1, b2 = group["betas"]
    d = descent(p, g, group["weight_decay"], group["maximize"], t)
    average(m, d, b1, t[1])
    np.add(np.abs(d, out=t[1]), group["eps"], out=t[1])
    np.maximum(np.multiply(u, b2, out=u), t[1], out=u)
    go_scaled(p, float(group["lr"]) / (1 - b1**step), m, u, t[1])
