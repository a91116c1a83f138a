"""Adam and AdamW: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..inplace import wrote
from ..tensor import Tensor, wrap
from ._blocks import Blocks
from .optimizer import Group, Optimizer, check_not_negative, descent, zeros_like


class Adam(Optimizer):
    """p -= lr m' / (sqrt(v') + eps), m' and v' the bias-corrected means of grad and grad^2.

    m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, m' = m / (1 - b1^t), v' = v / (1 - b2^t).
    weight_decay adds weight_decay p to the gradient, or with decoupled_weight_decay shrinks p as
    AdamW does. amsgrad divides by the largest v so far (Reddi et al., 2018). Source: Kingma and Ba
    (2014).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> Adam([p], lr=0.1).step(); p.data
    tensor([0.9000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        name = type(self).__name__
        check_not_negative(name, lr=lr, eps=eps, weight_decay=weight_decay)
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"{name}: betas[{i}] must lie in [0, 1), got {beta}")
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)
        self._blocks = Blocks(2)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = wrap(np.zeros((), np.float32))
                state["exp_avg"], state["exp_avg_sq"] = zeros_like(p), zeros_like(p)
            if group["amsgrad"] and "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = zeros_like(p)
            step = float(state["step"]) + 1
            state["step"] = wrap(np.asarray(step, np.float32))
            names = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * bool(group["amsgrad"])
            arrays = [p.array, p._grad.array, *(state[n].array for n in names)]  # type: ignore[union-attr]
            self._blocks.run(partial(_adam, group, step), arrays)
            wrote(p)


class AdamW(Adam):
    """Adam whose weight decay shrinks p by lr weight_decay p, apart from the gradient.

    Source: Loshchilov and Hutter (2017).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
            decoupled_weight_decay=True,
        )  # fmt: skip


def _adam(group: Group, step: float, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, m, v and, with amsgrad, the largest v."""
    p, g, m, v, *largest = arrays
    (b1, b2), lr, decay = group["betas"], float(group["lr"]), group["weight_decay"]
    if decay and group.get("decoupled_weight_decay"):
        np.multiply(p, 1 - lr * decay, out=p)
        decay = 0
    d = descent(p, g, decay, group["maximize"], t)
    np.multiply(np.subtract(d, m, out=t[1]), 1 - b1, out=t[1])
    np.add(m, t[1], out=m)
    np.multiply(np.multiply(d, d, out=t[1]), 1 - b2, out=t[1])
    np.add(np.multiply(v, b2, out=v), t[1], out=v)
    if largest:
        v = np.maximum(largest[0], v, out=largest[0])
    np.divide(np.sqrt(v, out=t[1]), math.sqrt(1 - b2**step), out=t[1])
    np.divide(m, np.add(t[1], group["eps"], out=t[1]), out=t[1])
    np.subtract(p, np.multiply(t[1], lr / (1 - b1**step), out=t[1]), out=p)
