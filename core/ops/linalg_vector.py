"""The norm of vectors, with PyTorch's choice of a gradient where there is none.

The gradient at 0 is 0 for every order, as for the root of a sum of squares; where several elements are
the largest they share it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from .exponential import abs, sgn
from .linalg import raw, wide
from .reduce import _dims, _loop, _sum
from .select import where
from .shape import _reshape_view


@op
def _vector_norm(input: Array, p: float, axes: tuple[int, ...], keepdim: bool) -> Array:
    """(sum of |input|**p) ** (1/p) over axes; p may be 0 (how many are not 0), inf, -inf."""
    size = np.abs(input)
    kind = size.dtype
    if math.isinf(p):
        return size.max(axes, keepdims=keepdim) if p > 0 else size.min(axes, keepdims=keepdim)
    with np.errstate(all="ignore"):
        power = (size != 0).astype(kind) if p == 0 else _power(wide(size), p)
        total = power.sum(axes, keepdims=keepdim)
        y = total if p in (0, 1) else np.sqrt(total) if p == 2 else total ** (1 / p)
    return np.asarray(y, kind, like=input)


def _power(size: Any, p: float) -> Any:
    return size if p == 1 else size * size if p == 2 else size**p


@_vector_norm.grad
def _(g, input, y, p, axes, keepdim):
    if not keepdim:
        kept = tuple(1 if i in axes else n for i, n in enumerate(input.shape))
        g, y = _reshape_view(g, kept), _reshape_view(y, kept)
    with np.errstate(all="ignore"):  # 0 / 0 and the like, which are replaced
        return g * np.zeros_like(raw(input)) if p == 0 else _by_order(g, input, y, p, axes)


def _by_order(g: Any, x: Any, y: Any, p: float, axes: tuple[int, ...]) -> Any:
    if math.isinf(p):
        return _shared(g, x, y, axes)
    if p == 1:
        return sgn(x) * g
    if p == 2:
        return g * where(y == 0, 0.0, x / y)
    if p < 1:
        return sgn(x) * where(x == 0, 0.0, abs(x) ** (p - 1)) * g * y ** (1 - p)
    scale = where(y == 0, 0.0, g / y ** (p - 1))
    return (sgn(x) * abs(x) ** (p - 1) if p < 2 else x * abs(x) ** (p - 2)) * scale


def _shared(g: Any, x: Any, y: Any, axes: tuple[int, ...]) -> Any:
    """The elements of the extreme size, or nan, share the gradient."""
    size, extreme = abs(raw(x)), raw(y)
    chosen = ((size == extreme) | np.isnan(size)).astype(extreme.dtype)
    return sgn(x) * (g / _sum(chosen, axes, True) * chosen)


def _slow_norm(values: Any) -> Any:
    return math.sqrt(math.fsum(v * v for v in values))


@_vector_norm.samples(reference=lambda x, p, axes, keepdim: _loop(_slow_norm)(x, axes, keepdim),
                      tolerance=1e-11)  # fmt: skip
def _(rng):
    for x, axes, keepdim in _dims(rng):
        yield x, 2.0, axes, keepdim
