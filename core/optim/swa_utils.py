"""Averages of weights over training: AveragedModel, SWALR, update_bn and the averaging functions.

Stochastic weight averaging (Izmailov et al., 2018) takes the plain mean of the weights of several
steps; an exponential moving average (EMA) forgets old ones. Follows ``torch.optim.swa_utils``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any

from ..autograd import no_grad
from ..create import tensor
from ..nn.module import Module
from ..nn.norm import _BatchNorm
from ..tensor import Tensor
from ._scheduler import LRScheduler, each
from .optimizer import Group, Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Tensor, Tensor, Any], Tensor]
MultiAverage = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


# -- how to average ------------------------------------------------------------------------------
def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """A function that gives decay average + (1 - decay) current.

    >>> import sensorium as sn
    >>> get_ema_avg_fn(0.9)(sn.tensor([1.0]), sn.tensor([2.0]), 1)
    tensor([1.1000])
    """
    _check_decay("get_ema_avg_fn", decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """A function that gives average + (current - average) / (num_averaged + 1), the plain mean.

    >>> import sensorium as sn
    >>> get_swa_avg_fn()(sn.tensor([1.0]), sn.tensor([2.0]), 1)
    tensor([1.5000])
    """

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (int(num_averaged) + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """A function that does what ``get_ema_avg_fn``'s does, in place, for lists of tensors."""
    _check_decay("get_ema_multi_avg_fn", decay)

    @no_grad()
    def ema_update(
        ema_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], _: Any
    ) -> None:
        for average, current in zip(ema_param_list, current_param_list):
            _approach(average, current, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> MultiAverage:
    """A function that does what ``get_swa_avg_fn``'s does, in place, for lists of tensors."""

    @no_grad()
    def swa_update(
        averaged_param_list: Sequence[Tensor],
        current_param_list: Sequence[Tensor],
        num_averaged: Any,
    ) -> None:
        for average, current in zip(averaged_param_list, current_param_list):
            _approach(average, current, 1 / (int(num_averaged) + 1))

    return swa_update


def _approach(average: Tensor, current: Tensor, share: float) -> None:
    """average += share (current - average)."""
    average.copy_(average + (current - average) * share)


def _check_decay(name: str, decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"{name}: decay must lie in [0, 1], got {decay}")


# -- models --------------------------------------------------------------------------------------
class AveragedModel(Module):
    """A copy of model whose parameters are the average of those that update_parameters() saw.

    The first call copies; later ones average, with avg_fn(average, current, n), or in place with
    multi_avg_fn(averages, currents, n); without either it is the plain mean. Buffers are copied, or
    with use_buffers averaged as well.

    >>> import sensorium as sn
    >>> model = sn.nn.Linear(1, 1, bias=False)
    >>> average = AveragedModel(model)
    >>> for weight in (1.0, 2.0, 6.0):
    ...     _ = sn.nn.init.constant_(model.weight, weight); average.update_parameters(model)
    >>> average.module.weight.item(), average.n_averaged.item()
    (3.0, 3)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: takes avg_fn or multi_avg_fn, got both")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype="int64", device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model computes."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of model into the average."""
        averages, currents = (_values(m, self.use_buffers) for m in (self.module, model))
        currents = [c.to(a.device) for a, c in zip(averages, currents)]
        if int(self.n_averaged) == 0:
            for average, current in zip(averages, currents):
                average.copy_(current)
        elif self.avg_fn is not None:
            for average, current in zip(averages, currents):
                average.copy_(self.avg_fn(average, current, self.n_averaged))
        else:
            multi = self.multi_avg_fn or get_swa_multi_avg_fn()
            for some in _alike(averages):
                multi([averages[i] for i in some], [currents[i] for i in some], self.n_averaged)
        if not self.use_buffers:
            for own, current in zip(self.module.buffers(), model.buffers()):
                own.detach().copy_(current.detach().to(own.device))
        self.n_averaged.add_(1)


def _values(model: Module, with_buffers: bool) -> list[Tensor]:
    found = chain(model.parameters(), model.buffers()) if with_buffers else model.parameters()
    return [value.detach() for value in found]


def _alike(tensors: list[Tensor]) -> list[list[int]]:
    """The numbers of tensors, those of one device and type together."""
    groups: dict[Any, list[int]] = {}
    for i, value in enumerate(tensors):
        groups.setdefault((str(value.device), value.dtype), []).append(i)
    return list(groups.values())


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Set the running statistics of every batch norm in model to the means over loader's batches.

    A batch is the input of model, or a tuple or list that begins with it. Averaged weights need
    statistics of their own, which no training step has computed.
    """
    momenta = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    try:
        for module in momenta:
            module.momentum = None  # the plain mean of all batches
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        model.train(was_training)


# -- the rate ------------------------------------------------------------------------------------
class SWALR(LRScheduler):
    """From the present rate to swa_lr in anneal_epochs steps, along a cosine or a line; then constant.

    >>> import sensorium as sn
    >>> sgd = sn.optim.SGD([sn.nn.Parameter(sn.ones(1))], lr=1.0)
    >>> schedule, rates = SWALR(sgd, 0.5, anneal_epochs=2, anneal_strategy="linear"), []
    >>> for _ in range(4):
    ...     rates += schedule.get_last_lr(); sgd.step(); schedule.step()
    >>> rates
    [1.0, 0.75, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"SWALR: anneal_strategy must be cos or linear, got {anneal_strategy!r}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"SWALR: anneal_epochs must be an integer from 0, got {anneal_epochs!r}"
            )
        for group, rate in zip(optimizer.param_groups, each(self, optimizer, "swa_lr", swa_lr)):
            group["swa_lr"] = rate
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way is done at a step."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def _rate(self, group: Group, base_lr: Any) -> Any:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now, last = self._share(step - 1), self._share(step), group["swa_lr"]
        # the rate that annealing began at, as the present one shows it
        first = last if before == 1 else (group["lr"] - before * last) / (1 - before)
        return last * now + first * (1 - now)
