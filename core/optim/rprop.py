"""Rprop: steps by the sign of the gradient, each element with a step size of its own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._checks import check_not_negative, variants
from ._formulas import descent
from .optimizer import Group, Optimizer, count, full_like


class Rprop(Optimizer):
    """p -= sign(g) s; s grows by etas[1] where g kept its sign and shrinks by etas[0] where not.

    s begins at lr and stays within step_sizes. Where the sign changed, this step is left out and
    the next one keeps its size. Source: Riedmiller and Braun (1993).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> Rprop([p], lr=0.1).step(); p.data
    tensor([0.9000])
    """

    _shaped = ("prev", "step_size")

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative("Rprop", lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Rprop: want 0 < etas[0] < 1 < etas[1], got {etas[0]} and {etas[1]}")
        chosen = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize,
            **variants("Rprop", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            state = self._state_of(p, "prev")
            if "step_size" not in state:
                state["step_size"] = full_like(p, float(group["lr"]))
            count(state)
            self._run(partial(_rprop, group), p, state["prev"], state["step_size"])


def _rprop(group: Group, arrays: list[Any], t: list[Any]) -> None:
    """One block of one parameter: p, g, the last g and the step sizes."""
    p, g, last, size = arrays
    (shrink, grow), (least, most) = group["etas"], group["step_sizes"]
    d = descent(p, g, 0, group["maximize"], t)
    kept = np.multiply(d, last, out=t[1])
    np.multiply(size, np.where(kept > 0, grow, np.where(kept < 0, shrink, 1.0)), out=size)
    np.clip(size, least, most, out=size)
    last[...] = np.where(kept < 0, 0, d)
    np.subtract(p, np.multiply(np.sign(last, out=t[1]), size, out=t[1]), out=p)
