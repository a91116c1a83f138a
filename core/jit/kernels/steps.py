"""What follows a result on its way to memory, as post-ops of a oneDNN primitive.

A step is an elementwise function or arithmetic with a second operand. An operand that has its elements
where the result has them, and whose memory the result takes over, is a ``sum``: it is read where the
result is written, which saves a stream of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...backends.cpu import constants as c
from ...backends.cpu.library import Unsupported
from ...backends.cpu.memory import Desc, describe, pointer
from ..fused import BINARY
from ..graph import Value
from ..passes.tidy import dense
from .base import elements, kind

# The parameters of a step that has some, in oneDNN's order (alpha, beta).
_OPTIONS: dict[str, Callable[..., tuple[float, float]]] = {
    "linear": lambda a, b: (a, b),
    "elu": lambda a=1.0: (a, 0.0),
    "leaky_relu": lambda a=0.01: (a, 0.0),
}


def eltwise(step: tuple[Any, ...]) -> tuple[str, int, float, float]:
    """The post-op of an elementwise function."""
    name, *options = step
    algorithm, alpha, beta = c.FUSED[name]
    if name in _OPTIONS:
        alpha, beta = _OPTIONS[name](*options)
    return "eltwise", algorithm, float(alpha), float(beta)


def is_binary(step: tuple[Any, ...]) -> bool:
    """Whether a step has an operand that is an array."""
    return step[0] in BINARY and isinstance(step[1], Value)


def beside(out: Value) -> Callable[[Value], Desc]:
    """How operands that broadcast to a result are described: with as many axes as it has."""

    def desc(value: Value) -> Desc:
        if value.shape != out.shape and not dense(value):  # read as if it were
            raise Unsupported(f"an operand {value.type} with gaps beside {out.type}")
        missing = len(out.shape) - len(value.shape)
        full, strides = (1,) * missing + value.shape, elements(value)
        outer = (value.size,) * missing
        return describe(full, outer + strides, kind(value.dtype))

    return desc


def post_ops(
    steps: tuple[Any, ...], describe: Callable[[Value], Desc], summed: Value | None
) -> tuple[list[tuple[Any, ...]], list[tuple[int, Desc]], list[Value]]:
    """oneDNN's post-ops; the (number, descriptor) of their arguments; whose arrays those are.

    describe: the descriptor of an operand beside the result; summed: the operand in whose memory the
    result is written.
    """
    made: list[tuple[Any, ...]] = []
    numbers: list[tuple[int, Desc]] = []
    values: list[Value] = []
    for i, step in enumerate(steps):
        if not is_binary(step):
            made.append(eltwise(step))
        elif step[0] == "add" and step[1] is summed:
            made.append(("sum", 1.0))
        else:
            desc = describe(step[1])
            made.append(("binary", c.BINARY[step[0]], desc))
            numbers.append((c.arg_post_op(i), desc))
            values.append(step[1])
    return made, numbers, values


def summands(steps: tuple[Any, ...], out: Value) -> list[Value]:
    """Operands that are added first of all and lie as the result does: candidates for a ``sum``."""
    if not steps or not is_binary(steps[0]) or steps[0][0] != "add":
        return []
    value = steps[0][1]
    same = (
        value.dtype == out.dtype and value.shape == out.shape and elements(value) == elements(out)
    )
    others = [step[1] for step in steps[1:] if is_binary(step)]
    return [value] if same and all(other is not value for other in others) else []


def same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays begin at one address."""
    return pointer(a) == pointer(b)
