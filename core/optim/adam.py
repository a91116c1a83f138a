"""Adam and AdamW: steps scaled by running means of the gradient and of its square."""

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

    _shaped = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        name = type(self).__name__
        check_not_negative(name, lr=lr, eps=eps, weight_decay=weight_decay)
        betas = _numbers(name, lr, betas, foreach)
        check_betas(name, betas)
        chosen = {
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused,
        }  # fmt: skip
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay, **variants(name, chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        names = self._shaped if group["amsgrad"] else self._shaped[:2]
        for p in params:
            state = self._state_of(p, *names)
            self._run(partial(_adam, group, count(state)), p, *[state[n] for n in names])


class AdamW(Adam):
    """Adam whose weight decay shrinks p by lr weight_decay p, apart from the gradient.

    Source: Loshchilov and Hutter (2017).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=True,
        )  # fmt: skip


def _numbers(name: str, lr: Any, betas: Any, foreach: bool | None) -> tuple[float, float]:
    """betas as numbers; what PyTorch refuses of tensors in their place is refused here too."""
    tensors = [isinstance(b, Tensor) for b in betas]
    if len(tensors) != 2 or tensors[0] != tensors[1]:
        raise ValueError(f"{name}: betas must be two numbers or two tensors, got {betas}")
    if foreach and (tensors[0] or isinstance(lr, Tensor)):
        what = "betas" if tensors[0] else "lr"
        raise ValueError(f"{name}: foreach=True takes numbers, got {what} as a tensor")
    return float(betas[0]), float(betas[1])


def _adam(group: Group, step: float, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, m, v and, with amsgrad, the largest v."""
    p, g, m, v, *largest = arrays
    (b1, b2), lr, decay = group["betas"], float(group["lr"]), group["weight_decay"]
    if decay and group["decoupled_weight_decay"]:
        np.multiply(p, 1 - lr * decay, out=p)
        decay = 0
    d = descent(p, g, decay, group["maximize"], t)
    average(m, d, b1, t[1])
    average_square(v, d, b2, t[1])
    if largest:
        v = np.maximum(largest[0], v, out=largest[0])
    np.divide(np.sqrt(v, out=t[1]), math.sqrt(1 - b2**step), out=t[1])
    np.divide(m, np.add(t[1], group["eps"], out=t[1]), out=t[1])
    go(p, lr / (1 - b1**step), t[1], t[1])
