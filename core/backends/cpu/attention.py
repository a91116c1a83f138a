"""softmax(scale q k^T + mask) v in blocks whose scores stay in a core's cache.

Scores are as many as queries times keys and are needed once: a block of whole samples, or where one
sample is already too large of heads, or of queries of one head, is multiplied, normalised and
multiplied again before the next one begins. Follows the blocking of Rabe and Staats (2021) over
queries; keys are not divided, so the softmax needs no running maximum.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .matmul import matmul
from .softmax import softmax

BLOCK = 1 << 19  # scores of a block: 2 MB, which both cores' caches hold beside the operands
LARGEST = 1 << 23  # scores of one head at once: below, dividing its queries only packs keys again

Index = tuple[slice, slice, slice]


def attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: np.ndarray | None, scale: float
) -> np.ndarray:
    """The attended values (N, H, L, V) of query (N, H, L, E), key (N, H, S, E), value (N, H, S, V).

    mask broadcasts to (N, H, L, S) and is added; no row of it is -inf throughout. The result lies in
    memory as (N, L, H, V), so that joining the heads copies nothing.
    """
    n, heads, rows, _ = query.shape
    length = key.shape[2]
    y = np.empty((n, rows, heads, value.shape[3]), query.dtype).transpose(0, 2, 1, 3)
    keys = key.transpose(0, 1, 3, 2)
    if n * heads * rows * length <= BLOCK:
        return _block(query, keys, value, mask, scale, y)
    mask = None if mask is None else np.broadcast_to(mask, (n, heads, rows, length))
    for i, h, r in _blocks(n, heads, rows, length):
        part = None if mask is None else mask[i, h, r]
        _block(query[i, h, r], keys[i, h], value[i, h], part, scale, y[i, h, r])
    return y


def _block(
    query: np.ndarray,
    keys: np.ndarray,
    value: np.ndarray,
    mask: np.ndarray | None,
    scale: float,
    out: np.ndarray,
) -> np.ndarray:
    scores = matmul(query, keys, activation=("linear", scale, 0.0))
    if mask is not None:
        np.add(scores, mask, out=scores)
    return matmul(softmax(scores, 3), value, out=out)


def _blocks(n: int, heads: int, rows: int, keys: int) -> Iterator[Index]:
    """Slices of samples, heads and queries that cover (n, heads, rows) in order."""
    whole = slice(None)
    if heads * rows * keys <= BLOCK:
        step = BLOCK // (heads * rows * keys)
        yield from ((slice(i, i + step), whole, whole) for i in range(0, n, step))
        return
    at_once = max(1, BLOCK // (rows * keys))
    step = rows if rows * keys <= LARGEST else max(16, LARGEST // keys)
    for i in range(n):
        for h in range(0, heads, at_once):
            for r in range(0, rows, step):
                yield slice(i, i + 1), slice(h, h + at_once), slice(r, r + step)
