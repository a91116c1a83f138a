"""SequentialLR and ChainedScheduler: schedules after one another, and all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ..errors import OptionError
from ._plateau import ReduceLROnPlateau
from ._scheduler import LRScheduler, present, put
from .optimizer import Optimizer


class _Several(LRScheduler):
    """A schedule made of others."""

    _schedulers: Any

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser, the schedules as their state dicts."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "_schedulers")}
        return {**state, "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where state_dict was taken; load the optimiser's state as well."""
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for schedule, state in zip(self._schedulers, state_dict["_schedulers"]):
            schedule.load_state_dict(state)

    def _check(self, schedulers: Sequence[Any], optimizer: Any) -> None:
        name = type(self).__name__
        for i, schedule in enumerate(schedulers):
            if not hasattr(schedule, "optimizer"):
                raise TypeError(f"{name}: schedule {i} is a {type(schedule).__name__}")
            if isinstance(schedule, ReduceLROnPlateau):
                raise OptionError(
                    f"{name}: schedule {i} is a ReduceLROnPlateau, whose step() wants a measured value"
                )
            if schedule.optimizer is not optimizer:
                raise ValueError(f"{name}: schedule {i} belongs to another optimiser")


class SequentialLR(_Several):
    """Schedules one after the other, the next one from each of the milestones on.

    >>> import sensorium as sn
    >>> sgd = sn.optim.SGD([sn.nn.Parameter(sn.ones(1))], lr=1.0)
    >>> warm = sn.optim.lr_scheduler.ConstantLR(sgd, 0.5, 10)
    >>> after = sn.optim.lr_scheduler.ExponentialLR(sgd, 0.5)
    >>> schedule, rates = SequentialLR(sgd, [warm, after], [2]), []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr(); sgd.step(); schedule.step()
    >>> rates
    [0.5, 0.5, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[Any],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if not schedulers:
            raise ValueError("SequentialLR: wants at least one schedule, got none")
        self._check(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules want {len(schedulers) - 1} milestones, "
                f"got {len(milestones)}"
            )
        self._schedulers, self._milestones = schedulers, milestones
        self.optimizer, self.last_epoch = optimizer, last_epoch + 1
        for group in optimizer.param_groups:
            put(group, "lr", group["initial_lr"])
        _undo(schedulers)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Set the rates of the next step."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:  # its first step
            schedule._update_lr(0)
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()

    def _update_lr(self, epoch: int | None = None) -> None:
        """Go to the step epoch = 0, as part of another sequence."""
        self.last_epoch = epoch or 0
        first = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        first._update_lr(0)
        self._last_lr = first.get_last_lr()


def _undo(schedulers: Sequence[Any]) -> None:
    """Take back the first step that every schedule did when it was made."""
    for schedule in schedulers:
        if hasattr(schedule, "_schedulers"):
            _undo(schedule._schedulers)
        else:
            schedule.last_epoch -= 1


class ChainedScheduler(_Several):
    """Several schedules that all act at every step, in this order.

    >>> import sensorium as sn
    >>> sgd = sn.optim.SGD([sn.nn.Parameter(sn.ones(1))], lr=1.0)
    >>> a = sn.optim.lr_scheduler.ExponentialLR(sgd, 0.5)
    >>> b = sn.optim.lr_scheduler.ConstantLR(sgd, 0.5, 2)
    >>> schedule, rates = ChainedScheduler([a, b]), []
    >>> for _ in range(4):
    ...     rates += schedule.get_last_lr(); sgd.step(); schedule.step()
    >>> rates
    [0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, schedulers: Sequence[Any], optimizer: Optimizer | None = None) -> None:
        if not schedulers:
            raise ValueError("ChainedScheduler: wants at least one schedule, got none")
        if optimizer is None and hasattr(schedulers[0], "optimizer"):
            optimizer = schedulers[0].optimizer
        self._check(schedulers, optimizer)
        self._schedulers, self.optimizer = schedulers, optimizer  # type: ignore[assignment]
        self._last_lr = present(self.optimizer, "lr")

    def step(self) -> None:  # type: ignore[override]
        """Set the rates of the next step."""
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = present(self.optimizer, "lr")

    def _initial_step(self) -> None:
        for schedule in self._schedulers:
            schedule._initial_step()
        self._last_lr = present(self.optimizer, "lr")

    def _update_lr(self, epoch: int | None = None) -> None:
        for schedule in self._schedulers:
            schedule._update_lr(epoch)
        self._last_lr = present(self.optimizer, "lr")
