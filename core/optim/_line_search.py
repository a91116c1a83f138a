"""A line search for the strong Wolfe conditions: how far to go along a direction.

Brackets a step that satisfies both conditions, then narrows the bracket with cubic interpolation
(Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6). Constants, order of
evaluations and safeguards are those of PyTorch's L-BFGS, so that both take the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

ARMIJO, CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """A step t along the direction: the loss there, its gradient, and the slope along it."""

    t: float
    loss: float
    gradient: Any
    slope: float


Evaluate = Callable[[float], tuple[float, Any]]


def strong_wolfe(
    evaluate: Evaluate, t: float, direction: Any, start: Point, tolerance: float, most: int
) -> tuple[Point, int]:
    """The point found from the first trial t, and how often the loss was evaluated.

    evaluate(t): loss and gradient at t. Gives up after most evaluations, or when the bracket is
    shorter than tolerance, with the best point so far.
    """

    def at(t: float) -> Point:
        loss, gradient = evaluate(t)
        return Point(t, loss, gradient, float(gradient.dot(direction)))

    low, high, tried = _bracket(at, at(t), start, most)
    if high is None:
        return low, tried + 1
    low, tried = _zoom(at, low, high, start, float(np.abs(direction).max()), tolerance, tried, most)
    return low, tried + 1


def _bracket(
    at: Callable[[float], Point], new: Point, start: Point, most: int
) -> tuple[Point, Point | None, int]:
    """Two points around an acceptable one (or that one and None), and the evaluations made."""
    last, tried = start, 0
    while tried < most:
        if _too_high(new, start) or (tried > 1 and new.loss >= last.loss):
            return last, new, tried
        if abs(new.slope) <= -CURVATURE * start.slope:
            return new, None, tried
        if new.slope >= 0:
            return last, new, tried
        t = cubic_minimum(last, new, (new.t + 0.01 * (new.t - last.t), new.t * 10))
        last, new = new, at(t)
        tried += 1
    return start, new, tried


def _too_high(new: Point, start: Point) -> bool:
    return new.loss > start.loss + ARMIJO * new.t * start.slope


def _zoom(
    at: Callable[[float], Point], first: Point, second: Point, start: Point, reach: float,
    tolerance: float, tried: int, most: int,
) -> tuple[Point, int]:  # fmt: skip
    """The acceptable point between two, or the better end when the search must stop."""
    ends = [first, second]
    low = 0 if first.loss <= second.loss else 1
    slow = False
    while tried < most and abs(ends[1].t - ends[0].t) * reach >= tolerance:
        t, slow = _trial(ends, slow)
        new = at(t)
        tried += 1
        if _too_high(new, start) or new.loss >= ends[low].loss:
            ends[1 - low] = new
            low = 0 if ends[0].loss <= ends[1].loss else 1
            continue
        done = abs(new.slope) <= -CURVATURE * start.slope
        if not done and new.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = new
        if done:
            break
    return ends[low], tried


def _trial(ends: list[Point], slow: bool) -> tuple[float, bool]:
    """The next step, kept a tenth of the bracket from its ends when progress is slow."""
    t = cubic_minimum(ends[0], ends[1])
    left, right = min(e.t for e in ends), max(e.t for e in ends)
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if slow or t >= right or t <= left:
        return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
    return t, True


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic with the losses and slopes of a and b is least, within bounds (or a to b)."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    if a.t == b.t:
        return a.t
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    if a.t > b.t:
        a, b = b, a
    divisor = b.slope - a.slope + 2 * d2
    if not divisor:
        return (low + high) / 2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / divisor)
    return min(max(t, low), high)
