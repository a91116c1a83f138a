"""Scaled dot-product attention: softmax(scale q k^T + mask) v.

Source: Vaswani et al. (2017), "Attention is all you need", eq. 1. The scores are not kept for the
gradient but computed again, which costs one product and saves the largest tensor of a transformer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from .dropouts import dropout
from .join import repeat_interleave
from .matmul import matmul
from .select import where
from .shape import transpose
from .softmax import _softmax, _softmax_backward


def _turned(x: Any) -> Any:
    """The last two dimensions exchanged."""
    return transpose(x, -2, -1)


def _dead(mask: Any) -> Any:
    """The queries that may attend to nothing, as a mask of one column; None if there are none."""
    dead = mask.max(axis=-1, keepdims=True) == -np.inf
    return dead if dead.any() else None


# -- attention -------------------------------------------------------------------------------------
@op
def _attention(query: Array, key: Array, value: Array, mask: Array | None, scale: float) -> Array:
    """softmax(scale query key^T + mask) value; zero where mask is -inf for every key."""
    if query.itemsize == 2:  # sums and powers need more digits than half precision has
        q, k, v = (x.astype(np.float32) for x in (query, key, value))
        wide = None if mask is None else mask.astype(np.float32)
        return np.matmul(_weights(q, k, wide, scale), v).astype(query.dtype)
    return np.matmul(_weights(query, key, mask, scale), value)


def _weights(query: Any, key: Any, mask: Any, scale: float) -> Any:
    """The attention weights (..., L, S) of raw arrays."""
    scores = np.matmul(query, key.swapaxes(-1, -2))
    scores *= query.dtype.type(scale)
    if mask is not None:
        scores = scores + mask
    top = scores.max(axis=-1, keepdims=True, initial=np.finfo(query.dtype).min)
    weights = np.exp(np.subtract(scores, top, out=scores), out=scores)
    total = np.add.reduce(weights, axis=-1, keepdims=True)
    if mask is not None:
        total[total == 0] = 1
    return np.divide(weights, total, out=weights)


@_attention.grad
def _(g, query, key, value, mask, scale, needs):
    scores = matmul(query, _turned(key)) * scale
    if mask is not None:
        scores = scores + mask
    p = _softmax(scores, scores.ndim - 1)
    if mask is not None:
        raw = mask.array if isinstance(mask, Tensor) else mask
        dead = _dead(raw)
        p = p if dead is None else _without(p, dead)
    by_mask = _softmax_backward(matmul(g, _turned(value)), p, p.ndim - 1)  # (..., L, S)
    by_score = by_mask * scale
    return (
        matmul(by_score, key),
        matmul(_turned(by_score), query),
        matmul(_turned(p), g),
        by_mask if needs[3] else None,
    )


def _without(p: Any, dead: Any) -> Any:
    """p with the rows of queries that attend to nothing at zero."""
    if isinstance(p, Tensor):
        return where(Tensor(dead), 0.0, p)
    return np.where(dead, p.dtype.type(0), p)


@_attention.fast("onednn", when=onednn.takes_attention)
def _(query, key, value, mask, scale):
    dead = None if mask is None else _dead(mask)
    if dead is None:
        return onednn.attention(query, key, value, mask, scale)
    y = onednn.attention(query, key, value, np.where(dead, mask.dtype.type(0), mask), scale)
    np.copyto(y, y.dtype.type(0), where=dead)
    return y


def _slow_attention(query: Any, key: Any, value: Any, mask: Any, scale: float) -> Any:
    y = np.zeros((*query.shape[:-1], value.shape[-1]))
    added = None if mask is None else np.broadcast_to(mask, (*query.shape[:-1], key.shape[-2]))
    for i in np.ndindex(*query.shape[:-1]):
        scores = [scale * float(query[i] @ k) for k in key[i[:-1]]]
        if added is not None:
            scores = [s + m for s, m in zip(scores, added[i])]
        powers = [math.exp(s) for s in scores]
        for power, v in zip(powers, value[i[:-1]]):
            y[i] += power / (math.fsum(powers) or 1.0) * v
    return y


@_attention.samples(reference=_slow_attention, tolerance=1e-11)
def _(rng):
    def tensors(*batch: int, rows: int = 3, keys: int = 4, e: int = 5, v: int = 2) -> Any:
        shapes = (*batch, rows, e), (*batch, keys, e), (*batch, keys, v)
        return [rng.normal(size=shape) for shape in shapes]

    yield *tensors(2, 2), None, 0.5
    yield *tensors(2), rng.normal(size=(3, 4)), 0.3
    yield *tensors(2, 2), rng.normal(size=(2, 1, 1, 4)), 1.0
    yield *tensors(), np.where(np.tri(3, 4, dtype=bool), 0.0, -np.inf), 0.4
    yield *tensors(2, 4, rows=40, keys=64, e=16, v=16), rng.normal(size=(2, 1, 1, 64)), 0.25


# -- what users call -------------------------------------------------------------------------------
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(scale query key^T + mask) value, with dropout on the softmax.

    query (..., L, E), key (..., S, E), value (..., S, V) -> (..., L, V). attn_mask broadcasts to
    (..., L, S): True where a query may attend to a key, or numbers to add; a query that may attend to
    nothing gives 0. is_causal: query i attends to keys 0..i. scale is 1 / sqrt(E) unless given.
    enable_gqa: key and value have a divisor of query's heads (dimension -3), each used several times.

    >>> import sensorium as sn
    >>> q = sn.ones(1, 2, 4)
    >>> v = sn.tensor([[[1.0], [3.0]]])
    >>> sn.nn.functional.scaled_dot_product_attention(q, q, v, is_causal=True)
    tensor([[[1.],
             [2.]]])
    """
    if enable_gqa:
        key, value = _spread_heads(query, key), _spread_heads(query, value)
    _check(query, key, value)
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)
    mask = _mask(query, key, attn_mask, is_causal)
    if dropout_p == 0:
        return _attention(*_broadcast(query, key, value), mask, scale)
    scores = matmul(query, _turned(key)) * scale
    weights = _softmax(scores if mask is None else scores + mask, scores.ndim - 1)
    return matmul(dropout(_alive(weights, mask), dropout_p), value)


def _alive(weights: Any, mask: Any) -> Any:
    dead = None if mask is None else _dead(mask.array)
    return weights if dead is None else _without(weights, dead)


def _check(query: Any, key: Any, value: Any) -> None:
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(f"scaled_dot_product_attention: want at least 2 dimensions, got {shapes}")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(
            "scaled_dot_product_attention: query and key must have one size, key and value one "
            f"length, got {shapes}"
        )
    if not query.dtype == key.dtype == value.dtype:
        kinds = f"{query.dtype}, {key.dtype} and {value.dtype}"
        raise DTypeError(f"scaled_dot_product_attention: operands must have one type, got {kinds}")


def _broadcast(*tensors: Any) -> tuple[Any, ...]:
    """The batch dimensions of all made the same."""
    batches = {tuple(x.shape[:-2]) for x in tensors}
    if len(batches) == 1:
        return tensors
    try:
        batch = np.broadcast_shapes(*batches)
    except ValueError:
        raise ShapeError(
            f"scaled_dot_product_attention: batches {sorted(batches)} do not broadcast"
        ) from None
    return tuple(x.expand(*batch, *x.shape[-2:]) for x in tensors)


def _spread_heads(query: Any, x: Any) -> Any:
    """Each head of x repeated so that there are as many as query has."""
    if x.ndim < 3 or query.ndim < 3 or query.shape[-3] % x.shape[-3]:
        raise ShapeError(
            f"scaled_dot_product_attention: heads of {tuple(x.shape)} do not divide those of query "
            f"{tuple(query.shape)}"
        )
    return repeat_interleave(x, query.shape[-3] // x.shape[-3], dim=-3)


def _mask(query: Any, key: Any, mask: Any, is_causal: bool) -> Any:
    """What is added to the scores: None, or a Tensor of query's type."""
    if is_causal and mask is not None:
        raise ShapeError("scaled_dot_product_attention: give attn_mask or is_causal, not both")
    if is_causal:
        shape = (query.shape[-2], key.shape[-2])
        mask = Tensor(np.tril(np.ones_like(query.array, dtype=bool, shape=shape)))
    if mask is None or mask.dtype == query.dtype:
        return mask
    if mask.dtype.kind != "b":
        raise DTypeError(
            f"scaled_dot_product_attention: attn_mask is {mask.dtype}, want bool or {query.dtype}"
        )
    zero, never = query.dtype.type(0), query.dtype.type(-np.inf)
    return where(mask, Tensor(zero), Tensor(never))
