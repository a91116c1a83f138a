"""Elementwise functions and same-shape arithmetic on dense arrays, on every core.

A dense array (C-contiguous or any permutation of it, such as channels-last) is one row of memory
to these primitives, and the result keeps its layout. ``constants.ELTWISE`` has the names. The
gradients of tanh, sqrt, sigmoid and exp read the result, the others the input.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import constants as c, memory
from .library import EngineError
from .memory import DATA_TYPES, Desc, Primitive, PrimitiveDesc, plans, pointer


def is_dense(x: np.ndarray) -> bool:
    """Whether the elements of x fill one stretch of memory, in whatever order of axes."""
    return x.flags.c_contiguous or without_gaps(x)


def without_gaps(x: Any) -> bool:
    """The same by the strides alone."""
    step = x.dtype.itemsize
    for stride, length in sorted((s, n) for s, n in zip(x.strides, x.shape) if n > 1):
        if stride != step:
            return False
        step *= length
    return True


def same_layout(a: Any, b: Any) -> bool:
    """Whether dense arrays have their elements in the same places; axes of size 1 may differ."""
    if a.shape != b.shape:
        return False
    return a.strides == b.strides or all(
        n == 1 or s == t for n, s, t in zip(a.shape, a.strides, b.strides)
    )


def _row(size: int, data_type: int) -> Desc:
    return memory.describe((size,), (1,), data_type)


# -- relu, relu6 and clip, NaN kept --------------------------------------------------------------
_BLOCK = 1 << 18  # elements at a time: 1 MiB, so that the second pass finds them in the cache
_runs: dict[tuple, np.ndarray] = {}  # (value, dtype) -> a block of that value


def _run_of(value: float, dtype: np.dtype) -> np.ndarray:
    found = _runs.get((value, dtype))
    if found is None:
        while len(_runs) >= 8:
            _runs.pop(next(iter(_runs)), None)
        found = _runs[value, dtype] = np.full(_BLOCK, value, dtype)
    return found


def _bounded(x: np.ndarray, low: float, high: float | None, out: np.ndarray) -> None:
    """out = min(max(x, low), high): max(limit, NaN) is NaN, where max(NaN, limit) is the limit."""
    size, step, start, end = x.size, x.itemsize, pointer(x), pointer(out)
    floor, ceiling = _run_of(low, x.dtype), None if high is None else _run_of(high, x.dtype)
    for first in range(0, size, _BLOCK):
        count, offset = min(_BLOCK, size - first), first * step
        _binary_plan("max", count, x.dtype)(pointer(floor), start + offset, end + offset)
        if ceiling is not None:
            _binary_plan("min", count, x.dtype)(pointer(ceiling), end + offset, end + offset)


_LIMITS: dict[str, tuple[float, float | None]] = {"relu": (0.0, None), "relu6": (0.0, 6.0)}


# -- functions of one argument -------------------------------------------------------------------
def _options(kind: str, alpha: float | None, beta: float | None) -> tuple[int, float, float]:
    algorithm, a, b = c.ELTWISE[kind]
    return algorithm, a if alpha is None else alpha, b if beta is None else beta


def _forward(kind, size, dtype, alpha, beta):
    row = _row(size, DATA_TYPES[dtype.name])
    algorithm, a, b = _options(kind, alpha, beta)
    desc = PrimitiveDesc(
        "eltwise_forward", f"{kind} of {size} {dtype}", c.INFERENCE, algorithm, row, row, a, b
    )
    return Primitive(desc, ((c.ARG_SRC, row), (c.ARG_DST, row)))


def eltwise(
    kind: str,
    x: np.ndarray,
    alpha: float | None = None,
    beta: float | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """f(x) element by element, for a dense x; ``out`` may be x itself.

    ``kind`` is a name of ``constants.ELTWISE``, whose alpha and beta hold where none are given.
    ``out`` must have the layout of x; clip's limits are alpha and beta. NaN stays NaN, except in
    exp and hardsigmoid (``constants.LOSES_NAN``).
    """
    if out is None:
        out = np.empty_like(x)
    limits = _LIMITS.get(kind) if kind != "clip" else (alpha or 0.0, beta)
    if limits is not None:
        _bounded(x, *limits, out)
        return out
    key = ("eltwise", kind, x.size, x.dtype, alpha, beta)
    run = plans.get(key) or memory.plan(key, _forward, kind, x.size, x.dtype, alpha, beta)
    run(pointer(x), pointer(out))
    return out


def _backward(kind, size, dtype, alpha, beta):
    row = _row(size, DATA_TYPES[dtype.name])
    algorithm, a, b = _options(kind, alpha, beta)
    detail = f"{kind} of {size} {dtype}"
    algorithm = c.FROM_RESULT.get(kind, algorithm)
    hint = PrimitiveDesc("eltwise_forward", detail, c.TRAINING, algorithm, row, row, a, b)
    desc = PrimitiveDesc("eltwise_backward", detail, algorithm, row, row, row, a, b, hint)
    data = c.ARG_DST if kind in c.FROM_RESULT else c.ARG_SRC
    return Primitive(desc, ((c.ARG_DIFF_DST, row), (data, row), (c.ARG_DIFF_SRC, row)))


def eltwise_backward(
    kind: str,
    g: np.ndarray,
    x_or_y: np.ndarray,
    alpha: float | None = None,
    beta: float | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """g f'(x), from the result y for the names in ``constants.FROM_RESULT``, else from x.

    g and x_or_y must share one dense layout; ``out`` may be g itself.
    """
    key = ("eltwise g", kind, g.size, g.dtype, alpha, beta)
    run = plans.get(key) or memory.plan(key, _backward, kind, g.size, g.dtype, alpha, beta)
    if out is None:
        out = np.empty_like(g)
    run(pointer(g), pointer(x_or_y), pointer(out))
    return out


# -- arithmetic ----------------------------------------------------------------------------------
def _binary(kind, size, dtype):
    row = _row(size, DATA_TYPES[dtype.name])
    desc = PrimitiveDesc("binary", f"{kind} of {size} {dtype}", c.BINARY[kind], row, row, row)
    return Primitive(desc, ((c.ARG_SRC, row), (c.ARG_SRC_1, row), (c.ARG_DST, row)))


def _binary_plan(kind: str, size: int, dtype: np.dtype) -> Primitive:
    key = ("binary", kind, size, dtype)
    return plans.get(key) or memory.plan(key, _binary, kind, size, dtype)


def binary(kind: str, a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """a + b, a - b, a b, a / b, max(a, b) or min(a, b) of two arrays of one dense layout.

    ``kind`` is add, sub, mul, div, max or min; ``out`` may be a or b.
    """
    if a.dtype != b.dtype or a.shape != b.shape:
        raise EngineError(f"{kind}: {a.dtype} {a.shape} and {b.dtype} {b.shape} must be the same")
    run = _binary_plan(kind, a.size, a.dtype)
    if out is None:
        out = np.empty_like(a)
    run(pointer(a), pointer(b), pointer(out))
    return out
