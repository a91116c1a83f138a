"""Clipping gradients, by their norm together or value by value; in place.

Follows ``torch.nn.utils.clip_grad``; ``foreach`` is taken and makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import OpError
from ...inplace import wrote
from ...tensor import Tensor, wrap


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    """The gradients that are there, as arrays."""
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in listed if p.grad is not None]


def _norm(array: Any, kind: float) -> float:
    """The kind-norm of all elements; sums in float64."""
    flat = array.reshape(-1)
    if math.isinf(kind) and flat.size:
        return float(abs(flat).max() if kind > 0 else abs(flat).min())
    if kind == 0 or not flat.size:
        return float((flat != 0).sum())
    if kind == 2 and flat.dtype.kind == "f" and flat.itemsize == 8:
        return math.sqrt(float(np.dot(flat, flat)))
    total = (abs(flat.astype(np.float64, copy=False)) ** kind).sum()
    return float(total) ** (1.0 / kind)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors together."""
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norms = [_norm(t.array, float(norm_type)) for t in listed]
    total = _norm(np.array(norms), float(norm_type)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise OpError(
            f"clip_grad_norm_: the {norm_type}-norm of the gradients is {total}; pass "
            "error_if_nonfinite=False to scale by it all the same"
        )
    return wrap(np.asarray(total, listed[0].dtype if listed else np.float32))


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients by min(1, max_norm / (total_norm + 1e-6)); in place.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.zeros(2)); p.grad = sn.tensor([3.0, 4.0])
    >>> clip_grads_with_norm_(p, 1.0, get_total_norm([p.grad])); p.grad
    tensor([0.6000, 0.8000])
    """
    factor = float(max_norm) / (float(total_norm) + 1e-6)
    if factor < 1 or math.isnan(factor):
        for g in _gradients(parameters):
            np.multiply(g.array, g.dtype.type(factor), out=g.array)
            wrote(g)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by one factor so that their norm together is at most max_norm; in place.

    Returns the norm before.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.zeros(2)); p.grad = sn.tensor([3.0, 4.0])
    >>> clip_grad_norm_(p, 1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(listed, max_norm, total)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Bring every element of every gradient into [-clip_value, clip_value]; in place."""
    for g in _gradients(parameters):
        limit = g.dtype.type(float(clip_value))
        np.clip(g.array, -limit, limit, out=g.array)
        wrote(g)
