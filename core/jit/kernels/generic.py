"""Any op: its own function on raw arrays, the result copied to where it is expected."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...errors import CompileError, OutOfBoundsError
from ..graph import Node, replaced
from .base import Call, Env, Kernel


class Generic(Kernel):
    """outs = op(args)."""

    def bind(self, env: Env) -> list[Call]:
        node = self.node
        args = replaced(node.args, env.array)
        outs: list[Any] = [None if v is None else env.array(v) for v in node.outs]
        function = node.op.hot
        ufunc = getattr(node.op, "formula", None)
        if isinstance(ufunc, np.ufunc) and _same_types(args, outs[0]):
            return [partial(ufunc, *args, out=outs[0])]
        if node.single:
            return [_single(function, args, outs[0])]
        return [_several(function, args, outs)]


def _same_types(args: Any, out: Any) -> bool:
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    return len(arrays) == len(args) and all(a.dtype == out.dtype for a in arrays)


def _single(function: Any, args: Any, out: np.ndarray) -> Call:
    def run() -> None:
        result = function(*args)
        if result.shape != out.shape:
            raise CompileError(
                f"compile: a result of shape {out.shape} has shape {result.shape} with these values; "
                "what depends on values cannot be compiled"
            )
        np.copyto(out, result)

    return run


def _several(function: Any, args: Any, outs: list[Any]) -> Call:
    def run() -> None:
        for out, result in zip(outs, function(*args)):
            if out is not None:
                np.copyto(out, result)

    return run


class Gather(Kernel):
    """Rows of a table by their numbers: weight[ids]."""

    def bind(self, env: Env) -> list[Call]:
        weight, ids, *_ = replaced(self.node.args, env.array)
        out, size = env.array(self.node.out), len(weight)

        def run() -> None:
            low, high = (ids.min(), ids.max()) if ids.size else (0, 0)
            if ids.size and not 0 <= low <= high < size:
                worst = low if low < 0 else high
                raise OutOfBoundsError(f"embedding: index {worst} is out of range for {size} rows")
            np.take(weight, ids, axis=0, out=out, mode="clip")

        return [run]


class Join(Kernel):
    """cat: every part copied to its place."""

    def bind(self, env: Env) -> list[Call]:
        parts, dim = self.node.args
        out, start = env.array(self.node.out), 0
        calls: list[Call] = []
        for part in parts:
            array = env.array(part)
            end = start + array.shape[dim]
            where = out[(slice(None),) * (dim % out.ndim) + (slice(start, end),)]
            calls.append(partial(np.copyto, where, array))
            start = end
        return calls


def joins(node: Node) -> bool:
    """Whether the parts need no promotion."""
    (parts, _), out = node.args, node.out
    return all(p.dtype == out.dtype and len(p.shape) == len(out.shape) for p in parts)
