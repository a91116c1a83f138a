"""When oneDNN is worth calling: cheap questions that the op layer asks before a fast path.

Each takes the arguments of its op (raw arrays first, options ignored), so it can be given as
``when=``. Sizes come first, then element types, then whether the library is there: small arrays pay
about 0.1 us, and nothing is loaded for them. Arrays that are not NumPy's are refused. The
thresholds were measured against NumPy on two cores: a call costs 4 us, and NumPy is faster below.
Layouts that oneDNN cannot read are copied by the functions themselves, except by elementwise ones,
which want dense arrays.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from . import library
from .eltwise import is_dense, same_layout

FLOAT32, BFLOAT16 = np.dtype(np.float32), np.dtype(ml_dtypes.bfloat16)
MATMUL_FROM = 1 << 18  # multiply-adds; below, OpenBLAS runs on one thread and is as fast
ELTWISE_FROM, BINARY_FROM = 8192, 100_000  # elements
COSTLY_FROM = 1024  # elements, where the formula takes NumPy several passes or an exponential


def _runs(x: Any) -> bool:
    """Whether x is an array of ours of a type that oneDNN has here."""
    if type(x) is not np.ndarray:
        return False
    if x.dtype == FLOAT32:  # not `is`: some NumPy functions make a dtype object of their own
        return library.available()
    return x.dtype == BFLOAT16 and library.has_bfloat16()


def _same(x: Any, other: Any) -> bool:
    return type(other) is np.ndarray and x.dtype == other.dtype


def takes_conv(x: Any, other: Any, *_: Any) -> bool:
    """conv_forward(x, weight), conv_backward_data(g, weight), conv_backward_weights(g, x)."""
    return x.size > 0 < other.size and 3 <= x.ndim <= 5 and _same(x, other) and _runs(x)


def takes_matmul(a: Any, b: Any, *_: Any) -> bool:
    """a @ b for matrices or batches of them, where it is more than a moment's work."""
    return (
        a.ndim >= 2 <= b.ndim
        and a.size * b.shape[-1] > MATMUL_FROM
        and a.shape[-1] == b.shape[-2]
        and (a.ndim <= 6 >= b.ndim and b.size > 0)
        and (_same(a, b) and _runs(a))
    )


def takes_linear(x: Any, weight: Any, bias: Any = None, *_: Any) -> bool:
    """x @ weight.T + bias with weight (out, in)."""
    return (
        x.size * weight.shape[0] >= MATMUL_FROM
        and (x.ndim >= 2 == weight.ndim and x.shape[-1] == weight.shape[1])
        and (bias is None or (_same(x, bias) and bias.shape == weight.shape[:1]))
        and (_same(x, weight) and _runs(x))
    )


def takes_rnn(x: Any, *others: Any) -> bool:
    """rnn_forward(x, ...) with states, weights and biases, float32 all: something to do."""
    return (
        x.size > 0
        and x.dtype == FLOAT32
        and _runs(x)
        and all(v is None or _same(x, v) for v in others)
    )


def takes_pool(x: Any, *_: Any) -> bool:
    """Max and average pooling of (N, C, *spatial), and their gradients."""
    return x.size > 0 and 3 <= x.ndim <= 5 and _runs(x)


def takes_batch_norm(x: Any, *_: Any) -> bool:
    """Batch norm of (N, C, *spatial) or (N, C), and its gradient."""
    return x.size >= COSTLY_FROM and 2 <= x.ndim <= 5 and _runs(x)


def takes_layer_norm(x: Any, *_: Any) -> bool:
    """Layer norm over the last axis, and its gradient."""
    return x.size >= COSTLY_FROM and x.ndim >= 1 and _runs(x)


def takes_attention(query: Any, key: Any, value: Any, mask: Any, *_: Any) -> bool:
    """attention(query, key, value, mask) of (N, H, L, E). One query is left to the formula: a step of
    generation has another number of keys each time, and would make a primitive for every one."""
    return (
        query.ndim == key.ndim == value.ndim == 4
        and (query.shape[2] > 1 and key.size * query.shape[2] > MATMUL_FROM)
        and query.shape[:2] == key.shape[:2] == value.shape[:2]
        and (query.shape[3] == key.shape[3] and key.shape[2] == value.shape[2] > 0)
        and (value.size > 0 and (mask is None or _same(query, mask)))
        and (_same(query, key) and _same(query, value) and query.dtype == FLOAT32 and _runs(query))
    )


def takes_softmax(x: Any, *_: Any) -> bool:
    """Softmax and log-softmax along any axis."""
    return x.size >= COSTLY_FROM and x.ndim >= 1 and _runs(x)


def takes_softmax_backward(g: Any, y: Any, *_: Any) -> bool:
    """The gradient of either."""
    return y.size >= COSTLY_FROM and y.shape == g.shape and _same(g, y) and _runs(g)


def takes_eltwise(x: Any, *_: Any) -> bool:
    """eltwise(kind, x) of a dense array, for what NumPy does in one pass (relu, abs, sqrt)."""
    return x.size >= ELTWISE_FROM and _runs(x) and is_dense(x)


def takes_costly_eltwise(x: Any, *_: Any) -> bool:
    """eltwise(kind, x) of a dense array, for what takes NumPy longer (gelu, silu, tanh)."""
    return x.size >= COSTLY_FROM and _runs(x) and is_dense(x)


def takes_eltwise_backward(g: Any, x_or_y: Any, *_: Any) -> bool:
    """eltwise_backward(kind, g, x_or_y): both in one dense layout."""
    return (
        g.size >= ELTWISE_FROM
        and (_same(g, x_or_y) and _runs(g))
        and (same_layout(g, x_or_y) and is_dense(g))
    )


def takes_binary(a: Any, b: Any, *_: Any) -> bool:
    """binary(kind, a, b): two large arrays of one dense layout; a may be a number as well."""
    return (
        a.__class__ is np.ndarray
        and (a.size >= BINARY_FROM and _same(a, b) and _runs(a))
        and (same_layout(a, b) and is_dense(a))
    )
