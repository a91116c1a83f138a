"""Category numbers drawn by weight: what ``multinomial`` (random.py) does to rows of weights."""

from __future__ import annotations

import numpy as np

from .errors import OutOfBoundsError, ShapeError


def check_weights(rows: np.ndarray, count: int, replacement: bool) -> None:
    if count < 1:
        raise ShapeError(f"multinomial: num_samples must be at least 1, got {count}")
    if not (np.isfinite(rows).all() and (rows >= 0).all()):
        raise OutOfBoundsError("multinomial: weights must be finite and at least 0")
    usable = int((rows > 0).sum(1).min(initial=rows.shape[1]))
    if usable < (1 if replacement else count):
        raise OutOfBoundsError(
            f"multinomial: {count} samples {'with' if replacement else 'without'} replacement from "
            f"{usable} categories of positive weight"
        )


def with_replacement(rows: np.ndarray, count: int, source: np.random.Generator) -> np.ndarray:
    edges = np.cumsum(rows, axis=1)
    points = source.random((rows.shape[0], count)) * edges[:, -1:]
    found = [np.searchsorted(e, p, side="right") for e, p in zip(edges, points)]
    last = [np.flatnonzero(row)[-1] for row in rows]  # rounding must not reach a weight of 0
    return np.minimum(np.array(found).reshape(len(rows), count), np.array(last, int).reshape(-1, 1))


def without_replacement(rows: np.ndarray, count: int, source: np.random.Generator) -> np.ndarray:
    with np.errstate(divide="ignore"):
        arrival = source.standard_exponential(rows.shape) / rows
    return np.argsort(arrival, axis=1, kind="stable")[:, :count]
