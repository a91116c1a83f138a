"""OneCycleLR: a rate that goes up once and down once, with the momentum going the other way."""

from __future__ import annotations

import math
from typing import Any

from ._scheduler import (
    LRScheduler,
    begin_momentum,
    check_optimizer,
    each,
    put_momentum,
    uses_beta1,
)
from .optimizer import Group, Optimizer


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to max_lr, down again, and on to a final_div_factor-th of the start.

    pct_start of the steps go up. three_phase: first symmetrically up and down, then the rest.
    cycle_momentum moves momentum (or Adam's first beta) the other way. Source: Smith and Topin (2017).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(self, optimizer)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must lie in [0, 1], got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy must be cos or linear, got {anneal_strategy!r}"
            )
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if last_epoch == -1:
            peaks = each(self, optimizer, "max_lr", max_lr)
            for group, peak in zip(optimizer.param_groups, peaks):
                group["initial_lr"] = peak / div_factor
                group["max_lr"] = peak
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            self.use_beta1 = uses_beta1(self, optimizer)
            highs = each(self, optimizer, "max_momentum", max_momentum)
            lows = each(self, optimizer, "base_momentum", base_momentum)
            if last_epoch == -1:
                begin_momentum(optimizer, self.use_beta1, lows, highs)
        super().__init__(optimizer, last_epoch)

    def _rates(self) -> list[Any]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} of a schedule of {self.total_steps} steps"
            )
        return [self._cycled(group) for group in self.optimizer.param_groups]

    def _cycled(self, group: Group) -> float:
        start = 0.0
        for i, phase in enumerate(self._schedule_phases):
            end = phase["end_step"]
            if self.last_epoch <= end or i == len(self._schedule_phases) - 1:
                share = (self.last_epoch - start) / (end - start)
                break
            start = end
        if self.cycle_momentum:
            low, high = group[phase["start_momentum"]], group[phase["end_momentum"]]
            put_momentum(group, self.use_beta1, self._between(low, high, share))
        return self._between(group[phase["start_lr"]], group[phase["end_lr"]], share)

    def _between(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def _total_steps(total: int | None, epochs: int | None, each: int | None) -> int:
    if total is None and (epochs is None or each is None):
        raise ValueError("OneCycleLR: say total_steps, or epochs and steps_per_epoch")
    total = total if total is not None else epochs * each  # type: ignore[operator]
    if not isinstance(total, int) or total <= 0:
        raise ValueError(
            f"OneCycleLR: the number of steps must be a positive integer, got {total!r}"
        )
    return total


def _phases(total: int, pct: float, three: bool) -> list[dict[str, Any]]:
    up = {
        "end_step": float(pct * total) - 1, "start_lr": "initial_lr", "end_lr": "max_lr",
        "start_momentum": "max_momentum", "end_momentum": "base_momentum",
    }  # fmt: skip
    down = {
        "end_step": total - 1, "start_lr": "max_lr", "end_lr": "min_lr",
        "start_momentum": "base_momentum", "end_momentum": "max_momentum",
    }  # fmt: skip
    if not three:
        return [up, down]
    back = {**down, "end_step": float(2 * pct * total) - 2, "end_lr": "initial_lr"}
    rest = {
        "end_step": total - 1, "start_lr": "initial_lr", "end_lr": "min_lr",
        "start_momentum": "max_momentum", "end_momentum": "max_momentum",
    }  # fmt: skip
    return [up, back, rest]
