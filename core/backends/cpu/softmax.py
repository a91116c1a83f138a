"""Softmax and its logarithm along one axis: y_i = exp(x_i) / sum_j exp(x_j), and the gradients.

The largest element is taken off first, so nothing overflows. The axis is read where it is innermost
in memory (the last one, or channels of channels-last); other layouts are copied once.
"""

from __future__ import annotations

import numpy as np

from . import constants as c, memory
from .memory import DATA_TYPES, Desc, Primitive, PrimitiveDesc, plans, pointer


def _innermost(x: np.ndarray, axis: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """x with `axis` last, C-contiguous, and the order of axes that brings it back."""
    order = [*range(axis), *range(axis + 1, x.ndim), axis]
    moved = x.transpose(order)
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    return moved if moved.flags.c_contiguous else np.ascontiguousarray(moved), back


def _rows(rows: int, length: int, dtype: np.dtype) -> Desc:
    return memory.describe((rows, length), (length, 1), DATA_TYPES[dtype.name])


def _algorithm(log: bool) -> int:
    return c.SOFTMAX_LOG if log else c.SOFTMAX


def _forward(rows, length, dtype, log):
    row, detail = _rows(rows, length, dtype), f"{rows} rows of {length}"
    args = (c.INFERENCE, _algorithm(log), row, row, 1)
    return Primitive(
        PrimitiveDesc("softmax_forward", detail, *args), ((c.ARG_SRC, row), (c.ARG_DST, row))
    )


def softmax(x: np.ndarray, axis: int, log: bool = False) -> np.ndarray:
    """exp(x) / sum(exp(x)) along an axis, or its logarithm; that axis is innermost in memory.

    A row with NaN or inf in it gets at least one NaN, not NaN throughout.
    """
    x, back = _innermost(x, axis % x.ndim)
    length, dtype = x.shape[-1], x.dtype
    rows = x.size // length
    key = ("softmax", rows, length, dtype, log)
    run = plans.get(key) or memory.plan(key, _forward, rows, length, dtype, log)
    y = np.empty(x.shape, dtype)
    run(pointer(x), pointer(y))
    return y.transpose(back)


def _backward(rows, length, dtype, log):
    row, detail, algorithm = _rows(rows, length, dtype), f"{rows} rows of {length}", _algorithm(log)
    hint = PrimitiveDesc("softmax_forward", detail, c.TRAINING, algorithm, row, row, 1)
    made = PrimitiveDesc("softmax_backward", detail, algorithm, row, row, row, 1, hint)
    return Primitive(made, ((c.ARG_DIFF_DST, row), (c.ARG_DST, row), (c.ARG_DIFF_SRC, row)))


def softmax_backward(g: np.ndarray, y: np.ndarray, axis: int, log: bool = False) -> np.ndarray:
    """y (g - sum(g y)) along an axis; g - exp(y) sum(g) for the logarithm. y is the result."""
    g, back = _innermost(g, axis % y.ndim)
    y, _ = _innermost(y, axis % y.ndim)
    length, dtype = y.shape[-1], y.dtype
    rows = y.size // length
    key = ("softmax g", rows, length, dtype, log)
    run = plans.get(key) or memory.plan(key, _backward, rows, length, dtype, log)
    dx = np.empty(y.shape, dtype)
    run(pointer(g), pointer(y), pointer(dx))
    return dx.transpose(back)
