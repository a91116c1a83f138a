"""RAdam: Adam that trusts the mean square of the gradient only once it has seen enough."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_betas, check_not_negative, variants
from ._formulas import average, average_square, descent, go
from .optimizer import Group, Optimizer, count


class RAdam(Optimizer):
    """p -= lr r m' / (sqrt(v) + eps) from the step on at which the rectification r is defined.

    Before that p -= lr m'. m and v are Adam's means, m' = m / (1 - b1^t). r comes from the length
    of the mean of squares, n_t = n - 2 t b2^t / (1 - b2^t) with n = 2 / (1 - b2) - 1, and is
    defined for n_t > 5. Source: Liu et al. (2019).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> RAdam([p], lr=0.1).step(); p.data
    tensor([0.5000])
    """

    _shaped = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative("RAdam", lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas("RAdam", betas)
        chosen = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
            **variants("RAdam", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            state = self._state_of(p, *self._shaped)
            step = count(state)
            update = partial(_radam, group, step, _rectification(step, group["betas"][1]))
            self._run(update, p, state["exp_avg"], state["exp_avg_sq"])


def _rectification(step: float, b2: float) -> float | None:
    """r of a step times the bias correction of v, or None where r is not defined."""
    most = 2 / (1 - b2) - 1
    correction = 1 - b2**step
    length = most - 2 * step * b2**step / correction
    if length <= 5:
        return None
    r = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
    return math.sqrt(r) * math.sqrt(correction)


def _radam(group: Group, step: float, r: float | None, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, m, v."""
    p, g, m, v = arrays
    (b1, b2), lr, decay = group["betas"], float(group["lr"]), group["weight_decay"]
    if decay and group["decoupled_weight_decay"]:
        np.multiply(p, 1 - lr * decay, out=p)
        decay = 0
    d = descent(p, g, decay, group["maximize"], t)
    average(m, d, b1, t[1])
    average_square(v, d, b2, t[1])
    rate = lr / (1 - b1**step)
    if r is None:
        go(p, rate, m, t[1])
        return
    np.add(np.sqrt(v, out=t[1]), group["eps"], out=t[1])
    go(p, rate * r, np.divide(m, t[1], out=t[1]), t[1])
