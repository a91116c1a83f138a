"""Adagrad: steps that shrink with all the gradients seen."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_not_negative, variants
from ._formulas import descent, go_scaled
from .optimizer import Group, Optimizer, count, full_like, scalar


class Adagrad(Optimizer):
    """p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps), s the sum of all g^2.

    s begins at initial_accumulator_value. Source: Duchi et al. (2011).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> Adagrad([p], lr=0.1).step(); p.data
    tensor([0.9000])
    """

    _shaped = ("sum",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay)
        check_not_negative("Adagrad", initial_accumulator_value=initial_accumulator_value, eps=eps)
        chosen = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
            **variants("Adagrad", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)
        for p in self._all():
            self._begin(p)

    def _begin(self, p: Tensor) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state["step"] = scalar(0)
            state["sum"] = full_like(p, self.defaults["initial_accumulator_value"])
        return state

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            state = self._begin(p)
            rate = float(group["lr"]) / (1 + (count(state) - 1) * group["lr_decay"])
            self._run(partial(_adagrad, group, rate), p, state["sum"])


def _adagrad(group: Group, rate: float, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, s."""
    p, g, s = arrays
    d = descent(p, g, group["weight_decay"], group["maximize"], t)
    np.add(s, np.multiply(d, d, out=t[1]), out=s)
    np.add(np.sqrt(s, out=t[1]), group["eps"], out=t[1])
    go_scaled(p, rate, d, t[1], t[1])
