"""Clipping gradients, by their norm together or value by value; in place.

Follows ``torch.nn.utils.clip_grad``; ``foreach`` is taken and makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...backends.quiet import loud, quiet
from ...errors import OpError
from ...inplace import wrote
from ...tensor import Tensor, wrap


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    """The gradients that are there, as arrays."""
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in listed if p.grad is not None]


def _norm(array: Any, kind: float) -> float:
    """The kind-norm of all elements; sums in float64."""
    flat = array.ravel(order="K")
    if math.isinf(kind) and flat.size:
        return float(abs(flat).max() if kind > 0 else abs(flat).min())
    if kind == 0 or not flat.size:
        return float((flat != 0).sum())
    if kind == 2 and flat.dtype.kind == "f" and flat.itemsize == 8:
        return math.sqrt(float(np.dot(flat, flat)))
    if kind == 2 and flat.dtype == np.float32 and isinstance(flat, np.ndarray):
        total = _sum_of_squares(flat)
        if 1e-24 < total < math.inf:  # else squares may have left the range of float32
            return math.sqrt(total)
        if total == 0 and not flat.any():
            return 0.0
    total = (abs(flat.astype(np.float64, copy=False)) ** kind).sum()
    return float(total) ** (1.0 / kind)


_ROW = 1 << 13  # elements: so few that BLAS uses one thread and float32 is exact enough


def _sum_of_squares(flat: Any) -> float:
    """Rows are added up in float32, their sums in float64."""
    whole = flat.size // _ROW * _ROW
    rows, rest = flat[:whole].reshape(-1, _ROW), flat[whole:]
    token = quiet()
    try:
        return float(np.vecdot(rows, rows).sum(dtype=np.float64)) + float(np.dot(rest, rest))
    finally:
        loud(token)


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
        _scale(_gradients(parameters), factor)


def _scale(gradients: list[Tensor], factor: float) -> None:
    """Multiply all by one number, in place, as an optimiser goes through its parameters."""
    from ...optim._blocks import Blocks  # optimisers are built on nn
    from ...optim._passes import P, Passes, to

    update = Passes(1, to(P, "mul", P, "factor")).at({"factor": factor})
    token = quiet()
    try:
        Blocks(2).run_all(update, [[g.array] for g in gradients])
    finally:
        loud(token)
        for g in gradients:
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
