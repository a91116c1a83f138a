"""sensorium.nn.utils: clipping gradients, and all parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import DeviceError, OpError, ShapeError
from ..inplace import wrote
from ..ops import cat
from ..tensor import Tensor, wrap


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    """The gradients that are there, as arrays."""
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in listed if p.grad is not None]


def _norm(array: Any, kind: float) -> float:
    """The kind-norm of all elements; sums in float64."""
    flat = array.reshape(-1)
    if math.isinf(kind):
        return float(abs(flat).max()) if flat.size else 0.0
    if kind == 2 and flat.dtype.kind == "f" and flat.itemsize == 8:
        return math.sqrt(float(np.dot(flat, flat)))
    total = (abs(flat.astype(np.float64, copy=False)) ** kind).sum() if flat.size else 0.0
    return float(total) ** (1.0 / kind)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
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


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor so that their norm together is at most max_norm; in place.

    Returns the norm before.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.zeros(2)); p.grad = sn.tensor([3.0, 4.0])
    >>> clip_grad_norm_(p, 1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    grads = _gradients(parameters)
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    factor = float(max_norm) / (float(total) + 1e-6)
    if factor < 1 or math.isnan(factor):
        for g in grads:
            np.multiply(g.array, g.dtype.type(factor), out=g.array)
            wrote(g)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of every gradient into [-clip_value, clip_value]; in place."""
    for g in _gradients(parameters):
        limit = g.dtype.type(float(clip_value))
        np.clip(g.array, -limit, limit, out=g.array)
        wrote(g)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one after the other, as one vector; differentiable.

    >>> import sensorium as sn
    >>> parameters_to_vector([sn.ones(2), sn.zeros(1, 2)])
    tensor([1., 1., 0., 0.])
    """
    listed = list(parameters)
    if len({p.device for p in listed}) > 1:
        raise DeviceError(
            f"parameters_to_vector: on several devices: {sorted({str(p.device) for p in listed})}"
        )
    return cat([p.reshape(-1) for p in listed])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Overwrite parameters with the parts of a vector, in order."""
    listed = list(parameters)
    wanted = sum(p.numel() for p in listed)
    if vec.ndim != 1 or vec.numel() != wanted:
        raise ShapeError(
            f"vector_to_parameters: the parameters have {wanted} elements, vec is {tuple(vec.shape)}"
        )
    start = 0
    for p in listed:
        part = vec.array[start : start + p.numel()]
        np.copyto(p.array, part.reshape(p.shape), casting="same_kind")
        wrote(p)
        start += p.numel()
