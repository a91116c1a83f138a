"""Attention in blocks whose scores stay in a core's cache; see ``backends/cpu/attention.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.cpu import constants as c
from ...backends.cpu.attention import BLOCK, _blocks
from ...backends.cpu.matmul import _simplify
from ...backends.cpu.memory import Primitive, PrimitiveDesc, describe
from ..graph import Node, Value
from .base import Call, Env, Kernel, elements, kind, takes

LOWEST = np.float32(-1e30)  # for -inf in a mask: a row of it has no nan, and is set to 0 afterwards


def takes_attention(node: Node) -> bool:
    """Queries, keys and values (N, H, L, E) of one type, each vector in one piece; float32 masks."""
    query, key, value, mask, _ = node.args
    parts = (query, key, value)
    return (
        takes(*parts, node.out)
        and all(len(v.shape) == 4 and v.strides[3] == v.dtype.itemsize for v in (*parts, node.out))
        and len({v.dtype for v in parts}) == 1
        and (mask is None or (mask.dtype.name == "float32" and len(mask.shape) <= 4))
        and query.shape[:2] == key.shape[:2] == value.shape[:2]
    )


def _operand(array: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return array.shape, elements(array)


class Attention(Kernel):
    """softmax(scale q k^T + mask) v; zeros where a query may attend to nothing."""

    def bind(self, env: Env) -> list[Call]:
        query, key, value, mask, _ = self.node.args
        q, k, v, y = map(env.array, (query, key, value, self.node.out))
        n, heads, rows, _ = q.shape
        length = k.shape[2]
        calls: list[Call] = []
        added = None if mask is None else self._mask(env, mask, calls)
        rooms: list[np.ndarray] = []  # the scores of all blocks in turn: so they stay in the cache
        if n * heads * rows * length <= BLOCK:
            calls += self._block(env, rooms, q, k, v, added, y)
        else:
            for i, h, r in _blocks(n, heads, rows, length):
                part = None if added is None else _part(added, i, h, r)
                calls += self._block(env, rooms, q[i, h, r], k[i, h], v[i, h], part, y[i, h, r])
        if mask is not None:
            calls.append(_revive(env.array(mask), y))
        return calls

    def _mask(self, env: Env, mask: Value, calls: list[Call]) -> np.ndarray:
        """The mask with four axes and no -inf."""
        given = env.array(mask)
        shape = (1,) * (4 - given.ndim) + given.shape
        finite = env.room(shape, given.dtype)
        calls.append(lambda: np.maximum(given, LOWEST, out=finite))
        return finite

    def _block(self, env: Env, rooms: Any, q: Any, k: Any, v: Any, mask: Any, y: Any) -> list[Call]:
        n, heads, rows, _ = q.shape
        length, scale = k.shape[2], self.node.args[4]
        size = n * heads * rows * length
        if not rooms or rooms[-1].size < size:
            rooms.append(env.room((size,), q.dtype))
        scores = rooms[-1][:size].reshape(n, heads, rows, length)
        ops: list[Any] = [("eltwise", *c.ELTWISE["linear"][:1], float(scale), 0.0)]
        more: list[Any] = []
        if mask is not None:
            desc = describe(*_operand(mask), kind(mask.dtype))
            ops.append(("binary", c.BINARY["add"], desc))
            more = [(c.arg_post_op(1), desc)]
        first = _product(q, k.transpose(0, 1, 3, 2), scores, ops, more)
        row = describe((scores.size // length, length), (length, 1), kind(scores.dtype))
        detail = f"{scores.shape}"
        soft = PrimitiveDesc("softmax_forward", detail, c.INFERENCE, c.SOFTMAX, row, row, 1)
        second = _product(scores, v, y, [], [])
        masks = [] if mask is None else [mask]
        return [
            env.execution(first, [q, k, scores, *masks]),
            env.execution(Primitive(soft, [(c.ARG_SRC, row), (c.ARG_DST, row)]), [scores, scores]),
            env.execution(second, [scores, v, y]),
        ]


def _product(a: np.ndarray, b: np.ndarray, y: np.ndarray, ops: Any, more: Any) -> Primitive:
    operands: Any = tuple(_operand(x) for x in (a, b, y))
    if not more:
        operands = _simplify(*operands)
    number = kind(a.dtype)
    src, weights, dst = (describe(v[0], v[1], number) for v in operands)
    detail = f"{a.shape} @ {b.shape}"
    desc = PrimitiveDesc("matmul", detail, src, weights, None, dst, post_ops=ops)
    args = [(c.ARG_SRC, src), (c.ARG_WEIGHTS, weights), (c.ARG_DST, dst), *more]
    return Primitive(desc, args)


def _part(mask: np.ndarray, i: slice, h: slice, r: slice) -> np.ndarray:
    """What a block sees of a mask whose axes may be of size 1."""
    whole = slice(None)
    return mask[tuple(s if n > 1 else whole for s, n in zip((i, h, r), mask.shape))]


def _revive(mask: np.ndarray, y: np.ndarray) -> Call:
    """Set to 0 what queries that may attend to nothing have gathered."""

    def run() -> None:
        dead = mask.max(axis=-1, keepdims=True) == -np.inf
        if dead.any():
            np.copyto(y, y.dtype.type(0), where=dead)

    return run
