"""Adafactor: Adam's second moment kept as one row and one column of every matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..dtypes import bfloat16, float16, float32
from ..errors import DTypeError
from ..inplace import wrote
from ..tensor import Tensor, wrap
from ._checks import check_not_negative, variants
from .optimizer import Group, Optimizer, count, scalar, zeros_like


class Adafactor(Optimizer):
    """p -= a u / max(1, rms(u) / d), u = g / sqrt(v) and a = max(eps[1], rms(p)) min(lr, 1 / sqrt(t)).

    v is the running mean of g^2 with the rate 1 - t^beta2_decay. For a matrix (the last two
    dimensions) it is rows columns / mean(rows), of which only the means over rows and columns are
    kept. eps[0] keeps v from 0; None is the machine epsilon. weight_decay shrinks p by lr
    weight_decay p. Source: Shazeer and Stern (2018), with a learning rate as PyTorch has it.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.ones(1)); p.grad = sn.tensor([5.0])
    >>> Adafactor([p], lr=0.1).step(); p.data
    tensor([0.9000])
    """

    _shaped = ("variance",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_not_negative("Adafactor", lr=lr, weight_decay=weight_decay)
        if eps[0] is not None:
            check_not_negative("Adafactor", epsilon1=eps[0])
        check_not_negative("Adafactor", epsilon2=eps[1])
        if not beta2_decay <= 0:
            raise ValueError(f"Adafactor: beta2_decay must be at most 0, got {beta2_decay}")
        if not d >= 1:
            raise ValueError(f"Adafactor: d must be at least 1, got {d}")
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
            "maximize": maximize, **variants("Adafactor", {"foreach": foreach}),
        }  # fmt: skip
        super().__init__(params, defaults)

    def _wanted_shape(self, key: str, p: Tensor) -> tuple[int, ...] | None:
        shape = tuple(p.array.shape)
        if key == "row_var" and len(shape) > 1:
            return (*shape[:-1], 1)
        if key == "col_var" and len(shape) > 1:
            return (*shape[:-2], 1, shape[-1])
        return super()._wanted_shape(key, p)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            if p.array.dtype.kind == "c":
                raise DTypeError(f"Adafactor: complex parameters are not supported, got {p.dtype}")
            state = self.state[p]
            if not state:
                state["step"] = scalar(0)
                names = ("variance",) if p.ndim < 2 else ("row_var", "col_var")
                for name in names:
                    shape = self._wanted_shape(name, p)
                    like = p.array
                    state[name] = (
                        zeros_like(p) if p.ndim < 2 else wrap(np.zeros_like(like, shape=shape))
                    )
            _adafactor(group, count(state), p, state)
            wrote(p)


def _adafactor(group: Group, step: float, p: Tensor, state: dict[str, Any]) -> None:
    """One step of one parameter; half precision is computed with in float32."""
    narrow = p.array.dtype in (float16, bfloat16)
    own, g = (a.astype(float32) if narrow else a for a in (p.array, p._grad.array))  # type: ignore[union-attr]
    lr, (least, smallest) = float(group["lr"]), group["eps"]
    least = _epsilon(p.array.dtype) if least is None else least
    rate = max(smallest, _rms(own)) * min(lr, step**-0.5)
    if group["weight_decay"]:
        np.multiply(own, 1 - lr * group["weight_decay"], out=own)
    u = _mean_square(g, step ** group["beta2_decay"], least, state)
    np.sqrt(np.maximum(u, least * least, out=u), out=u)
    np.divide(g, u, out=u)
    rate = rate / max(1.0, _rms(u) / group["d"])
    np.subtract(own, np.multiply(u, -rate if group["maximize"] else rate, out=u), out=own)
    if narrow:
        p.array[...] = own.astype(p.array.dtype)


def _mean_square(g: Any, weight: float, least: float, state: dict[str, Any]) -> Any:
    """The running mean of g^2, brought up to date, as an array of g's shape of its own."""
    square = np.multiply(g, g)
    if "variance" in state:
        return np.array(_towards(state["variance"], square, weight))
    rows = _towards(state["row_var"], square.mean(-1, keepdims=True), weight)  # (..., R, 1)
    columns = _towards(state["col_var"], square.mean(-2, keepdims=True), weight)  # (..., 1, C)
    np.multiply(rows, columns, out=square)
    return np.divide(square, np.maximum(rows.mean(-2, keepdims=True), least), out=square)


def _towards(mean: Tensor, value: Any, weight: float) -> Any:
    """mean += weight (value - mean), kept in mean's type and returned in value's."""
    new = mean.array.astype(value.dtype)
    new += weight * (value - new)
    mean.array[...] = new.astype(mean.array.dtype)
    return new


def _rms(a: Any) -> float:
    return float(np.sqrt(np.mean(np.square(a)))) if a.size else 0.0


def _epsilon(dtype: Any) -> float:
    return 2.0**-7 if dtype == bfloat16 else float(np.finfo(dtype).eps)
