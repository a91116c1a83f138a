"""Multi-head attention: several attentions side by side, each on its own slice of the projections.

Source: Vaswani et al. (2017), "Attention is all you need", section 3.2.2. Follows PyTorch's
``multi_head_attention_forward``, where a mask's True means: may **not** attend. Deviations: masks of
two kinds, or of another float type than the query, may be given together, without a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import is_floating_point
from ..errors import DTypeError, OpError, ShapeError
from ..tensor import Tensor
from .attention import scaled_dot_product_attention
from .cast import to_dtype
from .dropouts import dropout
from .join import cat, chunk, pad, split
from .matmul import linear, matmul
from .reduce import mean
from .shape import expand, permute, reshape, squeeze, transpose, unsqueeze
from .softmax import softmax

NAME = "multi_head_attention_forward"


@dataclass(frozen=True, slots=True)
class Heads:
    """What multi-head attention has besides its inputs and masks."""

    count: int
    in_weight: Any  # (3 E, E), or three weights: (E, E), (E, key size), (E, value size)
    in_bias: Any  # (3 E,) or None
    out_weight: Any
    out_bias: Any
    bias_k: Any = None  # one more key and value for every query, E numbers
    bias_v: Any = None
    zero: bool = False  # and one of zeros
    static_k: Any = None  # (N heads, S, E / heads), in place of the projected ones
    static_v: Any = None


def attend(
    query: Any,
    key: Any,
    value: Any,
    heads: Heads,
    key_padding_mask: Any,
    attn_mask: Any,
    *,
    dropout_p: float,
    need_weights: bool,
    average: bool,
    is_causal: bool,
    batch: int,
) -> tuple[Any, Any]:
    """The output, shaped as query, and the attention weights or None. batch: N's place, 0 or 1."""
    batched = _check_ranks(query, key, value, key_padding_mask)
    if not batched:
        query, key, value = _each(lambda x: unsqueeze(x, batch), query, key, value)
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    _check_sizes(query, key, value, heads, batch)
    if is_causal and attn_mask is None:
        raise OpError(
            f"{NAME}: is_causal says what attn_mask is, so attn_mask must be given, got None"
        )
    causal = is_causal and key_padding_mask is None and not need_weights
    q, k, v = _slices(query, key, value, heads, batch)  # (N, heads, L or S, E / heads)
    mask = _mask(q, k, None if causal else attn_mask, key_padding_mask, _added(heads))
    if need_weights:
        y, weights = _weighted(q, k, v, mask, dropout_p)
        weights = mean(weights, 1) if average else weights
    else:
        y, weights = scaled_dot_product_attention(q, k, v, mask, dropout_p, causal), None
    places = (0, 2, 1, 3) if batch == 0 else (2, 0, 1, 3)
    y = linear(reshape(permute(y, places), query.shape), heads.out_weight, heads.out_bias)
    if batched:
        return y, weights
    return squeeze(y, batch), None if weights is None else squeeze(weights, 0)


def _weighted(q: Any, k: Any, v: Any, mask: Any, dropout_p: float) -> tuple[Any, Any]:
    """The output of each head and its weights, NaN for a query that may attend to nothing."""
    scores = matmul(q * math.sqrt(1 / q.shape[-1]), transpose(k, -2, -1))
    weights = dropout(softmax(scores if mask is None else scores + mask, -1), dropout_p)
    return matmul(weights, v), weights


def _each(function: Callable[[Any], Any], query: Any, key: Any, value: Any) -> tuple[Any, ...]:
    """function of each; what was one tensor stays one, so that it is projected only once."""
    q = function(query)
    k = q if key is query else function(key)
    return q, k, k if value is key else function(value)


# -- checks ----------------------------------------------------------------------------------------
def _check_ranks(query: Any, key: Any, value: Any, key_padding_mask: Any) -> bool:
    """Whether there is a batch dimension."""
    ranks = {query.ndim, key.ndim, value.ndim}
    if ranks not in ({2}, {3}):
        raise ShapeError(
            f"{NAME}: query, key and value must all have 3 dimensions, or 2 without a batch, got "
            f"{_shapes(query, key, value)}"
        )
    wanted = query.ndim - 1
    if key_padding_mask is not None and key_padding_mask.ndim != wanted:
        raise ShapeError(
            f"{NAME}: key_padding_mask must have {wanted} dimensions for a query of {query.ndim}, "
            f"got {tuple(key_padding_mask.shape)}"
        )
    return query.ndim == 3


def check_embed(query: Any, embed_dim: int) -> None:
    if query.ndim == 0 or query.shape[-1] != embed_dim:
        raise ShapeError(
            f"{NAME}: query must have {embed_dim} numbers a place, got {tuple(query.shape)}"
        )


def _check_sizes(query: Any, key: Any, value: Any, heads: Heads, batch: int) -> None:
    embed = query.shape[-1]
    if heads.count < 1 or embed % heads.count:
        raise ShapeError(f"{NAME}: embed_dim {embed} is no multiple of num_heads {heads.count}")
    alike = key.shape[:2] == value.shape[:2]
    if not isinstance(heads.in_weight, tuple):
        alike = key.shape == value.shape
    if not alike or query.shape[batch] != key.shape[batch]:
        raise ShapeError(
            f"{NAME}: query, key and value must have one batch, key and value one length and, "
            f"unless projected separately, one size, got {_shapes(query, key, value)}"
        )


def _shapes(query: Any, key: Any, value: Any) -> str:
    return f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"


# -- queries, keys and values ----------------------------------------------------------------------
def _slices(query: Any, key: Any, value: Any, heads: Heads, batch: int) -> tuple[Any, Any, Any]:
    """q, k and v (N, heads, length, E / heads): projected, extended, cut into heads."""
    q, k, v = _projected(query, key, value, heads)
    if heads.bias_k is not None or heads.bias_v is not None:
        _check_extra(heads)
        k, v = _append(k, heads.bias_k, batch), _append(v, heads.bias_v, batch)
    places = (0, 2, 1, 3) if batch == 0 else (1, 2, 0, 3)
    size = q.shape[-1] // heads.count
    q, k, v = (permute(reshape(x, (*x.shape[:2], heads.count, size)), places) for x in (q, k, v))
    k, v = _static("static_k", heads.static_k, k), _static("static_v", heads.static_v, v)
    if heads.zero:
        k, v = pad(k, (0, 0, 0, 1)), pad(v, (0, 0, 0, 1))
    return q, k, v


def _projected(query: Any, key: Any, value: Any, heads: Heads) -> tuple[Any, ...]:
    """The three linear maps, as one product where inputs are one tensor."""
    weight, bias = heads.in_weight, heads.in_bias
    if not isinstance(weight, tuple) and key is value:
        if query is key:
            return chunk(linear(query, weight, bias), 3, -1)
        e = query.shape[-1]
        w_q, w_kv = split(weight, [e, 2 * e])
        b_q, b_kv = (None, None) if bias is None else split(bias, [e, 2 * e])
        return linear(query, w_q, b_q), *chunk(linear(key, w_kv, b_kv), 2, -1)
    weights = weight if isinstance(weight, tuple) else chunk(weight, 3)
    biases = (None,) * 3 if bias is None else chunk(bias, 3)
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))


def _check_extra(heads: Heads) -> None:
    if heads.bias_k is None or heads.bias_v is None:
        given = "bias_v" if heads.bias_k is None else "bias_k"
        raise OpError(f"{NAME}: want bias_k and bias_v or neither, got only {given}")
    if heads.static_k is not None or heads.static_v is not None:
        raise OpError(f"{NAME}: bias_k and bias_v cannot be appended to static_k and static_v")


def _append(x: Any, last: Any, batch: int) -> Any:
    """x with one more place along its length, the same for the whole batch."""
    shape = [1, 1, x.shape[-1]]
    row = reshape(last, tuple(shape))
    shape[batch] = x.shape[batch]
    return cat([x, expand(row, tuple(shape))], 1 - batch)


def _static(name: str, given: Any, projected: Any) -> Any:
    """given (N heads, S, E / heads) in place of the projected keys or values, if there is one."""
    if given is None:
        return projected
    n, heads, _, size = projected.shape
    if given.ndim != 3 or given.shape[0] != n * heads or given.shape[2] != size:
        raise ShapeError(
            f"{NAME}: {name} must be ({n * heads}, S, {size}), got {tuple(given.shape)}"
        )
    return reshape(given, (n, heads, given.shape[1], size))


def _added(heads: Heads) -> int:
    """How many keys are added to the given ones: masks do not speak of them."""
    return (heads.bias_k is not None) + heads.zero


# -- masks -----------------------------------------------------------------------------------------
def _mask(q: Any, k: Any, attn_mask: Any, key_padding_mask: Any, added: int) -> Any:
    """What is added to the scores (N, heads, L, S), broadcasting to them; None if nothing."""
    (n, heads, length), keys = q.shape[:3], k.shape[2] - added
    mask = None
    if attn_mask is not None:
        each = (n * heads, length, keys)
        if tuple(attn_mask.shape) not in (each, each[1:]):
            raise ShapeError(
                f"{NAME}: attn_mask must be {each[1:]} or {each}, got {tuple(attn_mask.shape)}"
            )
        by_head = (n, heads, length, keys) if attn_mask.ndim == 3 else (1, 1, length, keys)
        mask = reshape(_floats("attn_mask", attn_mask, q.dtype), by_head)
    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (n, keys):
            raise ShapeError(
                f"{NAME}: key_padding_mask must be {(n, keys)}, got {tuple(key_padding_mask.shape)}"
            )
        padding = _floats("key_padding_mask", key_padding_mask, q.dtype)
        padding = reshape(padding, (n, 1, 1, keys))
        mask = padding if mask is None else mask + padding
    return mask if mask is None or not added else pad(mask, (0, added))


def _floats(name: str, mask: Any, dtype: Any) -> Any:
    """mask as numbers to add: -inf where a bool mask is True."""
    if is_floating_point(mask.dtype):
        return mask if mask.dtype == dtype else to_dtype(mask, dtype)
    if mask.dtype.kind != "b":
        raise DTypeError(f"{NAME}: {name} is {mask.dtype}, want bool or a float type")
    return Tensor(np.where(mask.array, dtype.type(-np.inf), dtype.type(0)))


# -- what users call -------------------------------------------------------------------------------
def _in_weight(joint: Any, separate: tuple[Any, ...], use_separate: bool) -> Any:
    """The weight of the three first projections, in one or as three; an error where it is missing."""
    weight = separate if use_separate else joint
    if weight is None or (use_separate and any(w is None for w in separate)):
        want = "q_, k_ and v_proj_weight" if use_separate else "in_proj_weight"
        raise OpError(f"{NAME}: use_separate_proj_weight={use_separate} wants {want}, got None")
    return weight


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """concat(head_1, ..., head_h) out_proj_weight^T + out_proj_bias, each head an attention.

    query (L, N, E), key (S, N, E), value (S, N, E), or all without N -> output (L, N, E) and weights
    (N, L, S), or (N, heads, L, S) without averaging, or None. key_padding_mask (N, S) and attn_mask
    (L, S) or (N heads, L, S): True where a query may not attend, or numbers to add. A query that may
    attend to nothing gives NaN, but zeros before the last projection if weights are not wanted.

    >>> import sensorium as sn
    >>> x, eye = sn.tensor([[1.0], [3.0]]), sn.ones(1, 1)
    >>> mask = sn.tensor([[False, True], [True, False]])
    >>> sn.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 1, 1, sn.ones(3, 1), None, None, None, False, 0.0, eye, None, attn_mask=mask
    ... )[0]
    tensor([[1.],
            [3.]])
    """
    check_embed(query, embed_dim_to_check)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    weight = _in_weight(in_proj_weight, separate, use_separate_proj_weight)
    heads = Heads(
        num_heads, weight, in_proj_bias, out_proj_weight, out_proj_bias,
        bias_k, bias_v, add_zero_attn, static_k, static_v,
    )  # fmt: skip
    return attend(
        query, key, value, heads, key_padding_mask, attn_mask,
        dropout_p=dropout_p if training else 0.0, need_weights=need_weights,
        average=average_attn_weights, is_causal=is_causal, batch=1,
    )  # fmt: skip
