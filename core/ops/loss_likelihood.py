"""Negative log-likelihoods of normal and Poisson distributions: gaussian_nll_loss, poisson_nll_loss."""

from __future__ import annotations

import math
from typing import Any

from ..autograd.mode import no_grad
from ..errors import OptionError, ShapeError
from .cast import clone
from .exponential import exp, log
from .loss import reduced, reduction_of
from .select import where
from .shape import unsqueeze


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """(log(var) + (input - target)**2 / var) / 2, var at least eps; full adds log(2 pi) / 2.

    input is the mean. var has input's shape, or lacks its last dimension, or has a 1 there, or is a
    number. The limit eps does not enter the gradient. Source: Nix and Weigend (1994).

    >>> import sensorium as sn
    >>> sn.nn.functional.gaussian_nll_loss(sn.zeros(1), sn.tensor([2.0]), sn.ones(1))
    tensor(2.)
    """
    reduction = reduction_of("gaussian_nll_loss", reduction, None, None)
    spread = clone(_variance(input, var))
    with no_grad():
        spread.clamp_(min=eps)
    off = input - target
    loss = (log(spread) + off * off / spread) * 0.5
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def _variance(input: Any, var: Any) -> Any:
    """var, checked, in a shape that broadcasts with input."""
    if isinstance(var, (int, float)):
        if var < 0:
            raise OptionError(f"gaussian_nll_loss: var must not be negative, got {var}")
        from ..create_like import full_like

        return full_like(input, var)
    if (var.array < 0).any():
        raise OptionError(
            f"gaussian_nll_loss: var must not be negative, got values down to {float(var.min())}"
        )
    shape, own = tuple(input.shape), tuple(var.shape)
    if shape != own and shape[:-1] == own:
        return unsqueeze(var, -1)
    differ = [b for a, b in zip(shape, own) if a != b]
    if len(shape) != len(own) or differ not in ([], [1]):
        raise ShapeError(f"gaussian_nll_loss: var {own} does not fit input {shape}")
    return var


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """exp(input) - target input; with log_input=False input - target log(input + eps).

    full adds Stirling's approximation of log(target!) where target > 1.

    >>> import sensorium as sn
    >>> sn.nn.functional.poisson_nll_loss(sn.zeros(1), sn.tensor([3.0]))
    tensor(1.)
    """
    reduction = reduction_of("poisson_nll_loss", reduction, size_average, reduce)
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    return reduced(loss + _log_factorial(target) if full else loss, reduction)


def _log_factorial(target: Any) -> Any:
    """target log(target) - target + log(2 pi target) / 2, and 0 up to 1."""
    many = target > 1
    n = where(many, target, 1.0)
    return where(many, n * log(n) - n + 0.5 * log(2 * math.pi * n), 0.0)
