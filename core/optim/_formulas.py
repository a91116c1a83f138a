"""Pieces of update formulas that several optimisers share; they write into what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._passes import D, G, P, Pass, to


def descent(p: Any, g: Any, weight_decay: float, maximize: bool, t: list[Any]) -> Any:
    """The direction to go against: g (negated to maximise) + weight_decay p, in t[0] if not g."""
    if maximize:
        g = np.negative(g, out=t[0])
    if weight_decay:
        np.multiply(p, float(weight_decay), out=t[1])
        g = np.add(g, t[1], out=t[0])
    return g


def average(mean: Any, value: Any, beta: float, t: Any) -> None:
    """mean = beta mean + (1 - beta) value."""
    np.multiply(np.subtract(value, mean, out=t), 1 - beta, out=t)
    np.add(mean, t, out=mean)


def average_square(mean: Any, value: Any, beta: float, t: Any) -> None:
    """mean = beta mean + (1 - beta) value^2."""
    np.multiply(np.multiply(value, value, out=t), 1 - beta, out=t)
    np.add(np.multiply(mean, beta, out=mean), t, out=mean)


def go(p: Any, rate: float, direction: Any, t: Any) -> None:
    """p -= rate direction."""
    np.subtract(p, np.multiply(direction, rate, out=t), out=p)


def go_scaled(p: Any, rate: float, direction: Any, scale: Any, t: Any) -> None:
    """p -= rate direction / scale."""
    np.multiply(np.divide(direction, scale, out=t), rate, out=t)
    np.subtract(p, t, out=p)


# -- the same as passes --------------------------------------------------------------------------
def direction(decay: bool, maximize: bool) -> tuple[int, list[Pass]]:
    """The row to go against, and the passes that make it: ``descent``."""
    if decay:
        return D, [to(D, "mul", P, "decay", ("sub" if maximize else "add", G))]
    return (D, [to(D, "mul", G, "-1")]) if maximize else (G, [])


def mean(row: int, value: int, share: str) -> Pass:
    """row += share (value - row)."""
    return to(row, "sub", value, row, ("mul", share), ("sum", 1.0))


def mean_square(row: int, value: int, beta: float, share: str) -> Pass:
    """row = beta row + share value^2, where share is 1 - beta."""
    return to(row, "mul", value, value, ("mul", share), ("sum", beta))


def as_real(array: Any) -> Any:
    """A view of complex numbers as pairs of real ones, (...) -> (..., 2)."""
    real = np.dtype(f"f{array.dtype.itemsize // 2}")
    return array[..., None].view(real)
