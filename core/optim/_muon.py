"""Muon: momentum whose matrix is made nearly orthogonal before every step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..dtypes import bfloat16, float32
from ..errors import DTypeError
from ..inplace import wrote
from ..tensor import Tensor
from ._checks import check_not_negative
from .optimizer import Group, Optimizer, zeros_like


class Muon(Optimizer):
    """p = (1 - lr weight_decay) p - lr' orthogonal(u), for matrices.

    m = momentum m + (1 - momentum) g; u = m, or with nesterov (1 - momentum) g + momentum m.
    orthogonal(u) replaces the singular values of u by about 1: ns_steps steps of the Newton-Schulz
    iteration x = a x + (b s + c s s) x, s = x x^T, in bfloat16. lr' is lr sqrt(max(1, rows /
    columns)), or with adjust_lr_fn="match_rms_adamw" 0.2 lr sqrt(max(rows, columns)). Sources:
    Jordan et al. (2024); the second rate, Liu et al. (2025).

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.zeros(1, 1)); p.grad = sn.tensor([[5.0]])
    >>> Muon([p], lr=0.1).step(); bool(-0.13 < p.item() < -0.06)
    True
    """

    _shaped = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_not_negative("Muon", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Muon: adjust_lr_fn must be original, match_rms_adamw or None, got {adjust_lr_fn!r}"
            )
        if ns_steps >= 100 or len(ns_coefficients) != 3:
            raise ValueError(
                "Muon: want fewer than 100 ns_steps and 3 ns_coefficients, got "
                f"{ns_steps} and {len(ns_coefficients)}"
            )
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for i, p in enumerate(self._all()):
            if p.ndim != 2:
                raise ValueError(f"Muon: parameter {i} must be a matrix, got {tuple(p.shape)}")

    def _update(self, group: Group, params: list[Tensor]) -> None:
        lr, momentum = float(group["lr"]), group["momentum"]
        for p in params:
            if p.array.dtype.kind == "c":
                raise DTypeError(f"Muon: complex parameters are not supported, got {p.dtype}")
            g, state = p._grad.array, self.state[p]  # type: ignore[union-attr]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = zeros_like(p)
            m = state["momentum_buffer"].array
            m += ((1 - momentum) * (g - m)).astype(m.dtype)
            u = g + momentum * (m - g) if group["nesterov"] else m
            u = _orthogonal(u, group["ns_coefficients"], group["ns_steps"], group["eps"])
            rate = _adjusted(lr, group["adjust_lr_fn"], p.array.shape)
            own = p.array
            own[...] = (own * (1 - lr * group["weight_decay"]) - rate * u).astype(own.dtype)
            wrote(p)


def _orthogonal(u: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """About U V^T where u = U S V^T: every value rounded to bfloat16, every sum in float32."""
    a, b, c = coefficients
    x = _rounded(u.T if u.shape[0] > u.shape[1] else u)
    x = _rounded(x / max(_rounded(np.sqrt(np.sum(x * x))), eps))
    for _ in range(steps):
        s = _rounded(x @ x.T)
        x = _rounded(a * x + _rounded(b * s + c * (s @ s)) @ x)
    return x.T if u.shape[0] > u.shape[1] else x


def _rounded(x: Any) -> Any:
    """x with the precision of bfloat16, as float32."""
    return x.astype(bfloat16).astype(float32)


def _adjusted(lr: float, how: str | None, shape: tuple[int, ...]) -> float:
    rows, columns = shape
    if how == "match_rms_adamw":
        return lr * 0.2 * math.sqrt(max(rows, columns))
    return lr * math.sqrt(max(1, rows / columns))
