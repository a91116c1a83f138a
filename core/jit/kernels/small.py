"""Elementwise chains by NumPy's own functions, written where the result belongs.

For what is too small for a primitive, for float64, and where oneDNN is not: no temporaries, no
promotion, one call a step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..graph import Node
from .base import Call, Env, Kernel
from .steps import is_binary

_BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide}
_UNARY: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh, "sqrt": np.sqrt, "square": np.square, "abs": np.absolute, "log": np.log,
}  # fmt: skip
_KNOWN = {*_BINARY, *_UNARY, "relu", "relu6", "linear"}


def takes_small(node: Node) -> bool:
    """Whether every step is a function of NumPy's, on one type."""
    x, post = node.args
    kind = node.out.dtype
    if kind.name not in ("float32", "float64") or x.dtype != kind:
        return False
    operands = [step[1] for step in post if step[0] in _BINARY]
    return all(step[0] in _KNOWN for step in post) and all(
        is_binary(step) or step[0] not in _BINARY for step in post
    ) and all(value.dtype == kind for value in operands)  # fmt: skip


class SmallChain(Kernel):
    """out = post(x)."""

    def bind(self, env: Env) -> list[Call]:
        x, post = self.node.args
        return by_numpy(env, env.array(x), env.array(self.node.out), post)

    @property
    def shares(self) -> list[Any]:
        return []


def by_numpy(env: Env, source: np.ndarray, out: np.ndarray, post: Any) -> list[Call]:
    """The calls that leave post(source) in out."""
    calls: list[Call] = []
    for step in post:
        for function, *more in _calls(step, out.dtype.type, env):
            calls.append(partial(function, source, *more, out=out))
            source = out
    return calls


def _calls(step: tuple[Any, ...], kind: Any, env: Env) -> list[tuple[Any, ...]]:
    """The functions of a step with their second operands."""
    name = step[0]
    if name in _BINARY:
        return [(_BINARY[name], env.array(step[1]))]
    if name == "relu":
        return [(np.maximum, kind(0))]
    if name == "relu6":
        return [(np.maximum, kind(0)), (np.minimum, kind(6))]
    if name == "linear":
        scale, offset = kind(step[1]), kind(step[2])
        times = [(np.multiply, scale)] if scale != 1 or not offset else []
        return [*times, (np.add, offset)] if offset else times
    return [(_UNARY[name],)]
