"""What an optimiser asks of its options and parameters."""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import OpError, OptionError
from ..tensor import Tensor

Group = dict[str, Any]


def check_not_negative(name: str, **options: Any) -> None:
    """Raise ValueError for an option below 0 (or nan)."""
    for option, value in options.items():
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(
                f"{name}: {option} must be one number, got a tensor of shape {tuple(value.shape)}"
            )
        if not float(value) >= 0.0:
            raise ValueError(f"{name}: {option} must be at least 0, got {value}")


def check_betas(name: str, betas: Any) -> None:
    """Raise ValueError for a decay rate outside [0, 1)."""
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"{name}: betas[{i}] must lie in [0, 1), got {beta}")


def variants(name: str, chosen: Group) -> Group:
    """The options that choose between implementations in PyTorch, checked, for the defaults.

    foreach and fused change nothing here: there is one implementation. capturable and
    differentiable would, and are refused.
    """
    if chosen.get("capturable"):
        raise OptionError(
            f"{name}: capturable=True is refused: a step reads its count on the host and cannot be "
            "part of a captured graph; leave capturable=False"
        )
    if chosen.get("differentiable"):
        raise OptionError(
            f"{name}: differentiable=True is refused: a step changes its parameters in place and is "
            "not recorded; leave differentiable=False"
        )
    if chosen.get("fused") and chosen.get("foreach"):
        raise OpError(f"{name}: fused=True and foreach=True exclude each other")
    return chosen


def check_params(name: str, params: list[Any], groups: list[Group]) -> None:
    """Raise for a parameter that is no tensor, no leaf, or in another group; warn of one twice."""
    elsewhere = {id(p) for group in groups for p in group["params"]}
    known: set[int] = set()
    for i, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: parameter {i} must be a Tensor, got {type(p).__name__}")
        if p.node is not None and not p.retains_grad:
            raise ValueError(f"{name}: parameter {i} was computed by {p.node.op.name}; want a leaf")
        if id(p) in elsewhere:
            raise ValueError(
                f"{name}: parameter {i} (shape {tuple(p.shape)}) is in another group already"
            )
        if id(p) in known:  # as in PyTorch, where old programs rely on it
            warnings.warn(
                f"{name}: parameter {i} (shape {tuple(p.shape)}) is there twice; every step will "
                "change it twice",
                stacklevel=5,
            )
        known.add(id(p))


def split_names(name: str, params: list[Any]) -> tuple[list[Any], list[str]]:
    """Parameters, and their names where they came as (name, parameter) pairs."""
    names = [p[0] for p in params if isinstance(p, tuple)]
    if names and len(names) != len(params):
        raise ValueError(
            f"{name}: {len(names)} of {len(params)} parameters have names; want all or none"
        )
    return [p[1] if isinstance(p, tuple) else p for p in params], names


def check_named(name: str, group: Group, groups: list[Group]) -> None:
    """Raise unless this group and the others either all have names or none has."""
    if groups and ("param_names" in group) != ("param_names" in groups[0]):
        has, have = ("has", "have none") if "param_names" in group else ("has no", "have them")
        raise ValueError(f"{name}: the new group {has} parameter names, the others {have}")
