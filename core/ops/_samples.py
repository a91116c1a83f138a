"""Samples and references that many elementwise ops share."""

from __future__ import annotations

from typing import Any

import numpy as np


def any_sign(rng: Any) -> Any:
    yield (rng.normal(size=(3, 4)),)
    yield (rng.normal(size=()),)
    yield (rng.normal(size=(0, 2)),)
    yield (rng.normal(size=(4, 6))[::2, ::-1],)


def positive(rng: Any) -> Any:
    for (x,) in any_sign(rng):
        yield (np.abs(x) + 0.5,)


def inside_one(rng: Any) -> Any:
    for (x,) in any_sign(rng):
        yield (np.tanh(x) * 0.9,)


def each(function: Any) -> Any:
    """A reference that applies a function of Python's math module to every element."""
    return np.vectorize(function, otypes="d")
