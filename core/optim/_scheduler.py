"""LRScheduler: what every learning-rate schedule does."""

from __future__ import annotations

import warnings
from typing import Any

from ..tensor import Tensor
from .optimizer import Group, Optimizer


class LRScheduler:
    """The base: a subclass defines ``_rate(group, base_lr)``, the rate of the step last_epoch, or
    overrides ``get_lr()``.

    last_epoch: -1 to start, or the number of steps done when a run is taken up again; the groups
    must then have "initial_lr". A rate that is a tensor is changed in place.
    """

    _get_lr_called_within_step = _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(self, optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _own(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: group {i} of the optimiser has no 'initial_lr' to go on "
                    f"from at last_epoch={last_epoch}"
                )
        self.base_lrs = present(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        if not optimizer._scheduled:  # from now on steps must come before steps of the schedule
            optimizer._scheduled, optimizer._opt_called = True, False
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count, self._is_initial = 0, True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _rate(self, group: Group, base_lr: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no _rate()")

    def _rates(self) -> list[Any]:
        groups = self.optimizer.param_groups
        bases = [*self.base_lrs, *(g["lr"] for g in groups[len(self.base_lrs) :])]
        return [self._rate(g, b) for g, b in zip(groups, bases)]

    def get_lr(self) -> list[Any]:
        """The rate of the present step for every group; to read the rates, use get_last_lr()."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                f"{type(self).__name__}.get_lr() computes the next rates; get_last_lr() has the "
                "present ones",
                stacklevel=2,
            )
        return self._rates()

    def get_last_lr(self) -> list[Any]:
        """The rates that were set last."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next step. epoch, which is deprecated, goes to that step."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                f"{type(self).__name__}.step() was called before the optimiser's: the first rate of "
                "the schedule is never used",
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warn_epoch(self)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            rates = (closed or self.get_lr)()
        finally:
            self._get_lr_called_within_step = False
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(
                f"{type(self).__name__}.step: {len(rates)} rates for {len(groups)} groups; was one "
                "added after the schedule was made?"
            )
        for group, rate in zip(groups, rates):
            put(group, "lr", rate)
        self._last_lr = present(self.optimizer, "lr")

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; interchangeable with PyTorch's."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where state_dict was taken; load the optimiser's state as well."""
        self.__dict__.update(state_dict)


class ClosedForm(LRScheduler):
    """A schedule whose rate at any step is known: a subclass defines ``_closed(base_lr)``."""

    def _closed(self, base_lr: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no _closed()")

    def _get_closed_form_lr(self) -> list[Any]:
        return [self._closed(base) for base in self.base_lrs]


# -- the values of groups ------------------------------------------------------------------------
def _own(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def present(optimizer: Optimizer, key: str) -> list[Any]:
    """The value of every group, tensors as copies."""
    return [_own(group[key]) for group in optimizer.param_groups]


def put(group: Group, key: str, value: Any) -> None:
    """group[key] = value; a tensor stays the same tensor."""
    if isinstance(group[key], Tensor):
        group[key].fill_(float(value))
    else:
        group[key] = value


def each(schedule: Any, optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """value for every group: itself, or one of a list."""
    n = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * n
    if len(values) != n:
        raise ValueError(
            f"{type(schedule).__name__}: {len(values)} values of {name} for {n} groups"
        )
    return [_own(v) for v in values]


# -- momentum ------------------------------------------------------------------------------------
def uses_beta1(schedule: Any, optimizer: Optimizer) -> bool:
    """Whether the optimiser's momentum is its first beta; raises if it has neither."""
    if "betas" not in optimizer.defaults and "momentum" not in optimizer.defaults:
        raise ValueError(
            f"{type(schedule).__name__}: the optimiser has no momentum; pass cycle_momentum=False"
        )
    return "betas" in optimizer.defaults


def put_momentum(group: Group, beta1: bool, value: float) -> None:
    """Set the momentum of a group, or its first beta."""
    if beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def begin_momentum(optimizer: Optimizer, beta1: bool, lows: list[Any], highs: list[Any]) -> None:
    """Start every group at its highest momentum, and note the range in it."""
    for group, low, high in zip(optimizer.param_groups, lows, highs):
        put_momentum(group, beta1, high)
        group["max_momentum"], group["base_momentum"] = high, low


# -- checks --------------------------------------------------------------------------------------
def check_optimizer(schedule: Any, optimizer: Any) -> None:
    """Raise TypeError for what is no Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{type(schedule).__name__}: want an Optimizer, got {type(optimizer).__name__}"
        )


def warn_epoch(schedule: Any) -> None:
    """Say that step(epoch) is deprecated."""
    warnings.warn(
        f"{type(schedule).__name__}.step(epoch) is deprecated: call step() without an epoch",
        stacklevel=3,
    )
