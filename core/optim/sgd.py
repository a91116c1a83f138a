"""SGD: stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..tensor import Tensor
from ._checks import check_not_negative, variants
from ._formulas import direction
from ._passes import D, G, P, Passes, S, Step, to
from .optimizer import Group, Optimizer, zeros_like


class SGD(Optimizer):
    """p -= lr v, where v = momentum v + (1 - dampening) d and d = grad + weight_decay p.

    The first v is d. nesterov: p -= lr (d + momentum v). maximize: go up instead. Source of the
    Nesterov form: Sutskever et al. (2013), in PyTorch's arrangement.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([2.0])
    >>> SGD([p], lr=0.1).step(); p.data
    tensor([0.8000])
    """

    _shaped = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"SGD: nesterov wants a positive momentum and no dampening, got momentum={momentum} "
                f"and dampening={dampening}"
            )
        chosen = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, **variants("SGD", chosen),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        if not group["momentum"]:
            self._run_all(_step(group, False), [(p,) for p in params])
            return
        begun: list[tuple[Tensor, ...]] = []
        first: list[tuple[Tensor, ...]] = []
        for p in params:
            state = self.state[p]
            chosen = begun
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = zeros_like(p)
                chosen = first
            chosen.append((p, state["momentum_buffer"]))
        for chosen in (first, begun):
            if chosen:
                self._run_all(_step(group, chosen is first), chosen)


def _step(group: Group, first: bool) -> Step:
    """A step of parameters whose v is 0 still (first), or not."""
    momentum, dampening = float(group["momentum"]), float(group["dampening"])
    decay, nesterov = float(group["weight_decay"]), bool(group["nesterov"])
    damped = bool(dampening and momentum and not first)
    at_once = 0 < decay <= 100 * momentum and not damped and not nesterov
    passes = _sgd(momentum != 0, decay != 0, at_once, bool(group["maximize"]), damped, nesterov)
    numbers = {
        "-1": -1.0, "kept": 1 - dampening, "momentum": momentum, "decay": decay,
        "-lr": -float(group["lr"]), "decay / momentum": decay / momentum if at_once else 0.0,
    }  # fmt: skip
    return passes.at(numbers)


@cache
def _sgd(
    momentum: bool, decay: bool, at_once: bool, maximize: bool, damped: bool, nesterov: bool
) -> Passes:
    """The passes of one step; with momentum, v is the row S.

    at_once: v = momentum (v + decay / momentum p) + grad is one pass, without a row for d.
    """
    if at_once:
        links = ("add", S), ("mul", "momentum"), ("sub" if maximize else "add", G)
        v = to(S, "mul", P, "decay / momentum", *links)
        return Passes(3, v, to(P, "mul", S, "-lr", ("sum", 1.0)))
    d, passes = direction(decay, maximize)
    if not momentum:
        return Passes(2, *passes, to(P, "mul", d, "-lr", ("sum", 1.0)))
    if damped:
        passes, d = [*passes, to(D, "mul", d, "kept")], D
    passes.append(to(S, "mul", S, "momentum", ("add", d)))
    if nesterov:
        go = to(P, "mul", S, "momentum", ("add", d), ("mul", "-lr"), ("sum", 1.0))
    else:
        go = to(P, "mul", S, "-lr", ("sum", 1.0))
    return Passes(3, *passes, go)
