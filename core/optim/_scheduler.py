"""LRScheduler: what every learning-rate schedule does."""

from __future__ import annotations

import warnings
from typing import Any

from .optimizer import Group, Optimizer


class LRScheduler:
    """The base: a subclass defines ``_rate(group, base_lr)``, the rate of the step last_epoch.

    last_epoch: -1 to start, or the number of steps done when a run is taken up again; the groups
    must then have "initial_lr".
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: want an Optimizer, got {type(optimizer).__name__}"
            )
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: group {i} of the optimiser has no 'initial_lr' to go on "
                    f"from at last_epoch={last_epoch}"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]
        self.step()

    def _rate(self, group: Group, base_lr: float) -> float:
        raise TypeError(f"{type(self).__name__} defines no _rate()")

    def get_lr(self) -> list[float]:
        """The rate of the present step for every group."""
        return [self._rate(g, b) for g, b in zip(self.optimizer.param_groups, self.base_lrs)]

    def get_last_lr(self) -> list[float]:
        """The rates that were set last."""
        return self._last_lr

    def step(self) -> None:
        """Set the rates of the next step."""
        if self._step_count == 1 and self.optimizer._step_count == 0:
            warnings.warn(
                f"{type(self).__name__}.step() was called before the optimiser's: the first rate of "
                "the schedule is never used",
                stacklevel=2,
            )
        self._step_count += 1
        self.last_epoch += 1
        for group, rate in zip(self.optimizer.param_groups, self.get_lr()):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where state_dict was taken; load the optimiser's state as well."""
        self.__dict__.update(state_dict)
