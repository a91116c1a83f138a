"""Adadelta: steps whose size follows the sizes of earlier steps."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_not_negative, variants
from ._formulas import average_square, descent, go
from .optimizer import Group, Optimizer, count


class Adadelta(Optimizer):
    """p -= lr s, with s = g sqrt(a + eps) / sqrt(v + eps).

    v and a are running means, of rate rho, of g^2 and of s^2. Source: Zeiler (2012).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> Adadelta([p], lr=10).step(); p.data
    tensor([0.9684])
    """

    _shaped = ("square_avg", "acc_delta")
    _temporaries = 3

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Adadelta: rho must lie in [0, 1], got {rho}")
        chosen = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            **variants("Adadelta", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            state = self._state_of(p, *self._shaped)
            count(state)
            self._run(partial(_adadelta, group), p, state["square_avg"], state["acc_delta"])


def _adadelta(group: Group, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, v, a."""
    p, g, v, a = arrays
    rho, eps = group["rho"], group["eps"]
    d = descent(p, g, group["weight_decay"], group["maximize"], t)
    average_square(v, d, rho, t[1])
    np.sqrt(np.add(v, eps, out=t[1]), out=t[1])
    np.sqrt(np.add(a, eps, out=t[2]), out=t[2])
    s = np.multiply(np.divide(t[2], t[1], out=t[2]), d, out=t[2])
    average_square(a, s, rho, t[1])
    go(p, float(group["lr"]), s, t[1])
