"""ReduceLROnPlateau: a rate that drops when a measured quantity stops getting better."""

from __future__ import annotations

import math
from typing import Any

from ._scheduler import LRScheduler, check_optimizer, each, present, put, warn_epoch
from .optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """The rate times factor when more than patience steps in a row brought nothing better.

    Better is below best (1 - threshold), or above best (1 + threshold) with mode="max";
    threshold_mode="abs" adds or subtracts the threshold instead. After a drop, cooldown steps do
    not count. No rate falls below min_lr or by less than eps.

    >>> import sensorium as sn
    >>> sgd = sn.optim.SGD([sn.nn.Parameter(sn.ones(1))], lr=1.0)
    >>> schedule = ReduceLROnPlateau(sgd, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
    ) -> None:
        if not factor < 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                "ReduceLROnPlateau: want mode min or max and threshold_mode rel or abs, got "
                f"{mode!r} and {threshold_mode!r}"
            )
        check_optimizer(self, optimizer)
        self.factor, self.optimizer = factor, optimizer
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = each(self, optimizer, "min_lr", min_lr)
        self.patience, self.cooldown, self.eps = patience, cooldown, eps
        self.last_epoch = 0
        self._last_lr = present(optimizer, "lr")
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.mode_worse = self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of a new value of the quantity, a number or a tensor of one element."""
        current = float(metrics)
        if epoch is not None:
            warn_epoch(self)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = present(self.optimizer, "lr")

    @property
    def in_cooldown(self) -> bool:
        """Whether a drop was so recent that steps do not count."""
        return self.cooldown_counter > 0

    def _is_better(self, a: float, best: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            bound = best * (1 + sign * self.threshold)
        else:
            bound = best + sign * self.threshold
        return a < bound if self.mode == "min" else a > bound

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"ReduceLROnPlateau: {len(self.min_lrs)} values of min_lr for {len(groups)} "
                    "groups; was one added after the schedule was made?"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self.min_lrs):
            old = float(group["lr"])
            new = max(old * self.factor, least)
            if old - new > self.eps:
                put(group, "lr", new)
