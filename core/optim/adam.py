"""Adam and AdamW: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ..tensor import Tensor
from ._checks import check_betas, check_not_negative, variants
from ._formulas import direction, mean, mean_square
from ._passes import D, P, Passes, S, Step, to
from .optimizer import Group, Optimizer


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
        for step, chosen in self._by_step(params, names).items():
            self._run_all(_step(group, step), chosen)


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


def _step(group: Group, step: float) -> Step:
    """The update of the parameters whose step this is."""
    (b1, b2), lr, decay = group["betas"], float(group["lr"]), float(group["weight_decay"])
    root, apart = math.sqrt(1 - b2**step), group["decoupled_weight_decay"]
    kept = 1 - lr * decay if apart else 1.0
    how = "no" if not decay else "grad" if not apart else "early" if kept < 0.5 else "late"
    rate = lr * root / (1 - b1**step)
    numbers = {
        "-1": -1.0, "decay": decay, "kept": kept, "eps": float(group["eps"]) * root,
        "1 - b1": 1 - b1, "1 - b2": 1 - b2, "-rate": -rate / kept if how == "late" else -rate,
    }  # fmt: skip
    return _adam(b2, how, bool(group["maximize"]), bool(group["amsgrad"])).at(numbers)


@lru_cache(64)
def _adam(b2: float, decay: str, maximize: bool, amsgrad: bool) -> Passes:
    """The passes of one step; m is the row S, v S + 1 and, with amsgrad, the largest v S + 2.

    The root of 1 - b2^t is taken out of the fraction: sqrt(v') + eps = (sqrt(v) + eps root) / root.
    Decay "late" is kept (p - rate / kept ...), which saves a pass but wants kept not near 0.
    """
    d, passes = direction(decay == "grad", maximize)
    if decay == "early":
        passes.append(to(P, "mul", P, "kept"))
    passes += [mean(S, d, "1 - b1"), mean_square(S + 1, d, b2, "1 - b2")]
    if amsgrad:
        passes.append(to(S + 2, "max", S + 2, S + 1))
    links = [("add", "eps"), ("under", S), ("mul", "-rate"), ("sum", 1.0)]
    links += [("mul", "kept")] * (decay == "late")
    return Passes(4 + amsgrad, *passes, to(P, "sqrt", S + 1 + amsgrad, D, *links))
