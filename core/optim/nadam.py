"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_betas, check_not_negative, variants
from ._formulas import average, average_square, descent, go
from .optimizer import Group, Optimizer, count, scalar


class NAdam(Optimizer):
    """p -= lr (c1 d + c2 m) / (sqrt(v / (1 - b2^t)) + eps): the step that the next mean would take.

    u_t = b1 (1 - 0.96^(t momentum_decay) / 2), c1 = (1 - u_t) / (1 - u_1 ... u_t) and
    c2 = u_t+1 / (1 - u_1 ... u_t+1). Source: Dozat (2016).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> NAdam([p], lr=0.1).step(); p.data
    tensor([0.8944])
    """

    _shaped = ("exp_avg", "exp_avg_sq")
    _temporaries = 3

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative("NAdam", lr=lr, eps=eps, weight_decay=weight_decay)
        check_not_negative("NAdam", momentum_decay=momentum_decay)
        check_betas("NAdam", betas)
        chosen = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, **variants("NAdam", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        beta, decay = group["betas"][0], group["momentum_decay"]
        for p in params:
            state = self._state_of(p, *self._shaped)
            step = count(state)
            now, later = (beta * (1 - 0.5 * 0.96 ** (n * decay)) for n in (step, step + 1))
            done = np.float32(float(state.get("mu_product", 1.0))) * np.float32(now)
            state["mu_product"] = scalar(float(done))  # rounded to float32 at every step
            lr = float(group["lr"])
            rates = lr * (1 - now) / (1 - float(done)), lr * later / (1 - float(done) * later)
            update = partial(_nadam, group, step, rates)
            self._run(update, p, state["exp_avg"], state["exp_avg_sq"])


def _nadam(group: Group, step: float, rates: Any, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, m, v."""
    p, g, m, v = arrays
    (b1, b2), decay = group["betas"], group["weight_decay"]
    if decay and group["decoupled_weight_decay"]:
        np.multiply(p, 1 - float(group["lr"]) * decay, out=p)
        decay = 0
    d = descent(p, g, decay, group["maximize"], t)
    average(m, d, b1, t[1])
    average_square(v, d, b2, t[1])
    np.sqrt(np.divide(v, 1 - b2**step, out=t[1]), out=t[1])
    np.add(t[1], group["eps"], out=t[1])
    for rate, direction in zip(rates, (d, m)):
        go(p, rate, np.divide(direction, t[1], out=t[2]), t[2])
