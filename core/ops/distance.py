"""Distances and angles between vectors: pairwise_distance, cosine_similarity, cdist, pdist, normalize."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.mode import no_grad
from ..dtypes import FLOATING, result_type
from ..errors import DTypeError, OpError, OptionError, ShapeError
from .cast import clone, to_dtype
from .exponential import abs, sign, sqrt
from .gather import index_select
from .join import cat
from .matmul import matmul
from .reduce import norm, sum
from .select import clamp, where
from .shape import broadcast_tensors, transpose, unsqueeze


def _refuse_negative(name: str, p: float) -> None:
    if p < 0:
        raise OpError(f"{name}: p must be at least 0, got {p}")


# -- row by row ----------------------------------------------------------------------------------
def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """The p-norm of x1 - x2 + eps over the last dimension: (..., E) and (..., E) -> (...).

    >>> import sensorium as sn
    >>> sn.pairwise_distance(sn.tensor([[3.0, 4.0]]), sn.zeros(1, 2))
    tensor([5.0000])
    """
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """sum(x1 x2) / (norm(x1) norm(x2)) along dim, each norm at least eps; x1 and x2 broadcast.

    >>> import sensorium as sn
    >>> sn.cosine_similarity(sn.tensor([1.0, 0.0]), sn.tensor([2.0, 0.0]), dim=0)
    tensor(1.)
    """
    kind = result_type(x1, x2)
    if kind not in FLOATING:
        raise DTypeError(f"cosine_similarity: want floating-point vectors, got {kind}")
    a, b = (to_dtype(x, kind) for x in broadcast_tensors(x1, x2))
    return sum(_unit(a, dim, eps) * _unit(b, dim, eps), dim)


def _unit(x: Any, dim: int, eps: float) -> Any:
    """x / max(norm(x), eps); the limit does not enter the gradient, as in PyTorch."""
    size = clone(norm(x, 2, dim, True))
    with no_grad():
        size.clamp_(min=eps)
    return x / size


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """input / max(norm(input, p), eps), the p-norm along dim.

    >>> import sensorium as sn
    >>> sn.nn.functional.normalize(sn.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    y = input / clamp(norm(input, p, dim, True), eps)
    return y if out is None else out.copy_(y)


# -- every pair ----------------------------------------------------------------------------------
_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = _MODES[0]) -> Any:
    """The p-norm between every row of x1 and every row of x2: (..., P, M), (..., R, M) -> (..., P, R).

    compute_mode says when the Euclidean distance comes from a matrix product, which loses digits of
    small distances: by default for more than 25 rows.

    >>> import sensorium as sn
    >>> sn.cdist(sn.tensor([[0.0, 0.0]]), sn.tensor([[3.0, 4.0], [0.0, 2.0]]))
    tensor([[5., 2.]])
    """
    _check_rows(x1, x2)
    _refuse_negative("cdist", p)
    if compute_mode not in _MODES:
        raise OptionError(f"cdist: compute_mode must be one of {_MODES}, got {compute_mode!r}")
    large = max(x1.shape[-2], x2.shape[-2]) > 25
    if p == 2 and (compute_mode == _MODES[1] or (compute_mode == _MODES[0] and large)):
        return _euclidean(x1, x2)
    off = unsqueeze(x1, -2) - unsqueeze(x2, -3)
    return _length(off, p)


def _length(off: Any, p: float) -> Any:
    """The p-norm over the last dimension, which may be empty; for p 0 the count of what is not 0."""
    if p == 0 or not off.shape[-1]:
        return sum(abs(sign(off)), -1)  # has the gradient 0
    return norm(off, p, -1)


def _check_rows(x1: Any, x2: Any) -> None:
    for x in (x1, x2):
        if x.dtype not in FLOATING:
            raise DTypeError(f"cdist: want floating-point vectors, got {x.dtype}")
        if x.ndim < 2:
            raise ShapeError(f"cdist: want (..., rows, columns), got shape {tuple(x.shape)}")
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: x1 {tuple(x1.shape)} and x2 {tuple(x2.shape)} must have equally many columns"
        )


def _euclidean(x1: Any, x2: Any) -> Any:
    """sqrt(|a|**2 - 2 a.b + |b|**2) as one matrix product; its gradient at distance 0 is 0."""
    left = cat([x1 * -2, sum(x1 * x1, -1, True), x1[..., :1] * 0 + 1], -1)
    right = cat([x2, x2[..., :1] * 0 + 1, sum(x2 * x2, -1, True)], -1)
    squared = matmul(left, transpose(right, -1, -2))
    positive = squared > 0
    return where(positive, sqrt(where(positive, squared, 1.0)), 0.0)


def pdist(input: Any, p: float = 2) -> Any:
    """The p-norm between every two rows i < j of input: (N, M) -> (N (N - 1) / 2).

    >>> import sensorium as sn
    >>> sn.pdist(sn.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    if input.ndim != 2:
        raise ShapeError(f"pdist: want (N, M), got shape {tuple(input.shape)}")
    if input.dtype not in FLOATING:
        raise DTypeError(f"pdist: want a floating-point tensor, got {input.dtype}")
    _refuse_negative("pdist", p)
    first, second = (
        index_select(input, 0, np.asarray(i, like=input.array))
        for i in np.triu_indices(input.shape[0], 1)
    )
    return _length(first - second, p)
