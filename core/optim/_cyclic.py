"""CyclicLR: a rate that goes up and down for ever; CosineAnnealingWarmRestarts, down and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..errors import OptionError
from ._scheduler import (
    LRScheduler,
    begin_momentum,
    check_optimizer,
    each,
    put,
    put_momentum,
    uses_beta1,
)
from .optimizer import Group, Optimizer


class CyclicLR(LRScheduler):
    """base_lr + (max_lr - base_lr) h s: h goes from 0 up to 1 and down again, s scales the cycle.

    mode: triangular (s = 1), triangular2 (s halves every cycle) or exp_range (s = gamma^step).
    scale_fn, if given, is s as a function of the cycle, from 1, or of the step, by scale_mode.
    cycle_momentum moves momentum (or Adam's first beta) the other way. Source: Smith (2017).

    >>> import sensorium as sn
    >>> sgd = sn.optim.SGD([sn.nn.Parameter(sn.ones(1))], lr=1.0)
    >>> schedule, rates = CyclicLR(sgd, 0.5, 1.0, step_size_up=2), []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr(); sgd.step(); schedule.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.75, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(self, optimizer)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"CyclicLR: mode must be triangular, triangular2 or exp_range, got {mode!r}"
            )
        bases = each(self, optimizer, "base_lr", base_lr)
        if last_epoch == -1:
            for group, base in zip(optimizer.param_groups, bases):
                put(group, "lr", base)
        self.max_lrs = each(self, optimizer, "max_lr", max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = uses_beta1(self, optimizer)
            self.base_momentums = each(self, optimizer, "base_momentum", base_momentum)
            self.max_momentums = each(self, optimizer, "max_momentum", max_momentum)
            if last_epoch == -1:
                lows, highs = self.base_momentums, self.max_momentums
                begin_momentum(optimizer, self.use_beta1, lows, highs)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def scale_fn(self, x: float) -> float:
        """What the cycle, or the step, is scaled by."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return self.gamma**x
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else 1.0

    def _rates(self) -> list[Any]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            ranges = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums)
            for group, low, high in ranges:
                put_momentum(group, self.use_beta1, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; of scale_fn only the attributes of a callable object."""
        return {**super().state_dict(), "_scale_fn_custom": attributes(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where state_dict was taken; scale_fn stays, an object gets its attributes."""
        kept = {k: v for k, v in state_dict.items() if k != "_scale_fn_custom"}
        super().load_state_dict(kept)
        found = state_dict.get("_scale_fn_custom")
        if found is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(found)


def attributes(function: Any) -> dict[str, Any] | None:
    """The attributes of a callable object; None for a function, which has nothing to save."""
    is_plain = isinstance(function, type(attributes)) or not hasattr(function, "__dict__")
    return None if is_plain else function.__dict__.copy()


class CosineAnnealingWarmRestarts(LRScheduler):
    """eta_min + (base_lr - eta_min) (1 + cos(pi t / T)) / 2, t the steps since the last restart.

    T is T_0 at first and T_mult times as long after every restart. step(epoch) goes to any, also
    fractional, epoch. Source: Loshchilov and Hutter, SGDR (2016).

    >>> import sensorium as sn
    >>> sgd = sn.optim.SGD([sn.nn.Parameter(sn.ones(1))], lr=1.0)
    >>> schedule, rates = CosineAnnealingWarmRestarts(sgd, 2), []
    >>> for _ in range(4):
    ...     rates += [round(schedule.get_last_lr()[0], 4)]; sgd.step(); schedule.step()
    >>> rates
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"CosineAnnealingWarmRestarts: {name} must be a positive integer, got {value!r}"
                )
        if not isinstance(eta_min, (int, float)):
            raise OptionError(
                f"CosineAnnealingWarmRestarts: eta_min must be a number, got {eta_min!r}"
            )
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min, self.T_cur = T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: Group, base_lr: Any) -> Any:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return self.eta_min + (base_lr - self.eta_min) * height

    def step(self, epoch: float | None = None) -> None:  # type: ignore[override]
        """Set the rates of the next step, or of epoch."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._go_to(epoch)
        self._update_lr(math.floor(epoch))

    def _go_to(self, epoch: float) -> None:
        if epoch < 0:
            raise ValueError(
                f"CosineAnnealingWarmRestarts.step: epoch must be at least 0, got {epoch}"
            )
        if epoch < self.T_0 or self.T_mult == 1:
            self.T_i = self.T_0
            self.T_cur = epoch % self.T_0  # type: ignore[assignment]
            return
        m = self.T_mult
        n = int(math.log(epoch / self.T_0 * (m - 1) + 1, m))  # restarts so far
        self.T_cur = epoch - self.T_0 * (m**n - 1) / (m - 1)  # type: ignore[assignment]
        self.T_i = self.T_0 * m**n
