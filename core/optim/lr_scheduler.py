"""Learning rates that change from step to step: StepLR, CosineAnnealingLR, OneCycleLR, ...

Call ``step()`` after the optimiser's. As in ``torch.optim.lr_scheduler`` most schedules derive the
next rate from the present one, so several can act on one optimiser, and a rate set by hand carries
on; the formulas below are written that way. Left out: the warning about an optimiser whose ``step``
was replaced, which is not needed here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ._chains import ChainedScheduler, SequentialLR
from ._cyclic import CosineAnnealingWarmRestarts, CyclicLR, attributes
from ._one_cycle import OneCycleLR
from ._plateau import ReduceLROnPlateau
from ._scheduler import ClosedForm, LRScheduler
from .optimizer import Group, Optimizer

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class _ByFunction(LRScheduler):
    """A schedule by one function for all groups, or a list of one for each."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        name, n = type(self).__name__, len(getattr(optimizer, "param_groups", ()))
        self.lr_lambdas = (
            list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * n
        )
        if len(self.lr_lambdas) != n and isinstance(optimizer, Optimizer):
            raise ValueError(f"{name}: {len(self.lr_lambdas)} functions for {n} groups")
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"{name}: want a function, got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; of the functions only the attributes of callable objects."""
        state = {k: v for k, v in super().state_dict().items() if k != "lr_lambdas"}
        return {**state, "lr_lambdas": [attributes(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where state_dict was taken; functions stay, callable objects get their attributes."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for function, found in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if found is not None:
                function.__dict__.update(found)


class LambdaLR(_ByFunction):
    """base_lr lr_lambda(step); one function for all groups or a list of one for each."""

    def _rates(self) -> list[Any]:
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs)]


class MultiplicativeLR(_ByFunction):
    """The rate times lr_lambda(step) every step; one function or a list of one for each group."""

    def _rates(self) -> list[Any]:
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if self._is_initial:
            return rates
        return [rate * f(self.last_epoch) for f, rate in zip(self.lr_lambdas, rates)]


class StepLR(ClosedForm):
    """The rate times gamma every step_size steps.

    >>> import sensorium as sn
    >>> sgd = sn.optim.SGD([sn.nn.Parameter(sn.ones(1))], lr=1.0)
    >>> schedule, rates = StepLR(sgd, step_size=2, gamma=0.5), []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr(); sgd.step(); schedule.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: Group, base_lr: Any) -> Any:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return group["lr"] * self.gamma if due else group["lr"]

    def _closed(self, base_lr: Any) -> Any:
        return base_lr * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(ClosedForm):
    """The rate times gamma at each of the milestones."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: Group, base_lr: Any) -> Any:
        return group["lr"] * self.gamma ** self.milestones.get(self.last_epoch, 0)

    def _closed(self, base_lr: Any) -> Any:
        milestones = sorted(self.milestones.elements())
        return base_lr * self.gamma ** bisect_right(milestones, self.last_epoch)


class ExponentialLR(ClosedForm):
    """The rate times gamma every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: Group, base_lr: Any) -> Any:
        return group["lr"] if self._is_initial else group["lr"] * self.gamma

    def _closed(self, base_lr: Any) -> Any:
        return base_lr * self.gamma**self.last_epoch


class ConstantLR(ClosedForm):
    """The rate times factor for the first total_iters steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must lie in [0, 1], got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: Group, base_lr: Any) -> Any:
        if self.last_epoch == 0:
            return group["lr"] * self.factor
        if self.last_epoch != self.total_iters:
            return group["lr"]
        if self.factor == 0:
            raise ValueError("ConstantLR: a rate that was multiplied by factor=0 cannot come back")
        return group["lr"] / self.factor

    def _closed(self, base_lr: Any) -> Any:
        return base_lr * (self.factor if self.last_epoch < self.total_iters else 1)


class LinearLR(ClosedForm):
    """The rate times a factor that goes from start_factor to end_factor in total_iters steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR: want start_factor in (0, 1] and end_factor in [0, 1], got {start_factor} "
                f"and {end_factor}"
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, step: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * step / self.total_iters

    def _rate(self, group: Group, base_lr: Any) -> Any:
        if self.last_epoch == 0:
            return group["lr"] * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return group["lr"]
        return group["lr"] * (self._factor(self.last_epoch) / self._factor(self.last_epoch - 1))

    def _closed(self, base_lr: Any) -> Any:
        return base_lr * self._factor(min(self.last_epoch, self.total_iters))


class PolynomialLR(ClosedForm):
    """base_lr (1 - step / total_iters)^power, and 0 afterwards."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _left(self, step: int) -> float:
        return 1 - step / self.total_iters

    def _rate(self, group: Group, base_lr: Any) -> Any:
        if self._is_initial or self.last_epoch > self.total_iters:
            return group["lr"]
        return group["lr"] * (self._left(self.last_epoch) / self._left(self.last_epoch - 1)) ** (
            self.power
        )

    def _closed(self, base_lr: Any) -> Any:
        return base_lr * self._left(min(self.last_epoch, self.total_iters)) ** self.power


class CosineAnnealingLR(ClosedForm):
    """eta_min + (base_lr - eta_min) (1 + cos(pi step / T_max)) / 2.

    Source: Loshchilov and Hutter, SGDR (2016), without its restarts: past T_max it rises again.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _rate(self, group: Group, base_lr: Any) -> Any:
        t, low = self.last_epoch, self.eta_min
        if self._is_initial:
            return group["lr"]
        if (
            self._step_count == 1 and t > 0
        ):  # taken up in the middle: no present rate to derive from
            return low + (base_lr - low) * self._height(t)
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # leaving the minimum, where all is lost
            return group["lr"] + (base_lr - low) * self._height(t)
        return low + (group["lr"] - low) * (self._height(t) / self._height(t - 1))

    def _closed(self, base_lr: Any) -> Any:
        return self.eta_min + (base_lr - self.eta_min) * self._height(self.last_epoch)

    def _height(self, t: int) -> float:
        return (1 + math.cos(math.pi * t / self.T_max)) / 2
