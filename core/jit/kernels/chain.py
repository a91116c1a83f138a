"""Elementwise chains: one pass over memory where post-ops allow it, else several over each block.

Dense values with their elements in the same places are one row of memory to the primitives; operands
that broadcast are read with the result's axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.cpu import constants as c
from ...backends.cpu.eltwise import same_layout
from ...backends.cpu.memory import Desc, Primitive, PrimitiveDesc, describe
from ..graph import Node, Value
from ..passes.tidy import dense
from .base import Call, Env, Kernel, contiguous, kind, plain, takes
from .small import by_numpy
from .steps import beside, eltwise, is_binary, post_ops

BLOCK = 1 << 17  # elements: half a MiB, which passes over it find in the cache
FROM = 2048  # elements; below, NumPy's own functions take less than a call of a primitive


def takes_chain(node: Node) -> bool:
    """Whether the engine runs a chain: large, dense, operands of one type with the result."""
    x, post = node.args
    out = node.out
    if not takes(x, out) or out.size < FROM or not dense(x) or not same_layout(x, out):
        return False
    for step in post:
        if is_binary(step) and (step[1].dtype != out.dtype or not takes(step[1])):
            return False
        if step[0] in ("div", "sub", "add", "mul") and not isinstance(step[1], Value):
            return False
    return x.dtype == out.dtype


class Chain(Kernel):
    """out = post(x)."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.x, self.post = node.args
        self.operands = [step[1] for step in self.post if is_binary(step)]
        self.flat = all(same_layout(value, node.out) for value in (self.x, *self.operands))

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        return [(self.node.out, self.x)]

    def bind(self, env: Env) -> list[Call]:
        passes = self._passes()
        return [
            call
            for first, size in self._parts(len(passes))  # all passes on one part before the next
            for part in passes
            for call in self._calls(env, part, size, first)
        ]

    def _parts(self, passes: int) -> list[tuple[int, int]]:
        """(first element, elements) of what the primitives run on in turn."""
        size = self.node.out.size
        step = BLOCK if self.flat and passes > 1 else size
        return [(first, min(step, size - first)) for first in range(0, size, step)]

    def _passes(self) -> list[tuple[Value, tuple[Any, ...]]]:
        """(what is read, steps) of each pass over memory: as many steps as go into one primitive."""
        passes, x, steps = [], self.x, self.post
        while steps:
            count = len(steps) if is_binary(steps[0]) and not self._slow(steps) else 1
            passes.append((x, steps[:count]))
            x, steps = self.node.out, steps[count:]
        return passes

    def _slow(self, steps: tuple[Any, ...]) -> bool:
        """Whether the engine has only its plain loops for these steps at once."""
        size = self._parts(1)[0][1]
        return self._binary(steps, size)[0].implementation.startswith("ref")

    def _calls(self, env: Env, part: Any, size: int, first: int) -> list[Call]:
        x, steps = part
        if not is_binary(steps[0]):
            primitive, read = self._unary(steps[0], size), [x, self.node.out]
        elif len(steps) == 1 and self._slow(steps):
            return by_numpy(env, env.array(x), env.array(self.node.out), steps) if not first else []
        else:
            primitive, values = self._binary(steps, size)
            read = [x, steps[0][1], self.node.out, *values]
        starts = [self._start(value, first) for value in read]
        return [env.execution(primitive, [env.array(v) for v in read], starts)]

    def _start(self, value: Value, first: int) -> int:
        """Where in a value's memory a part begins, in bytes."""
        return first * value.dtype.itemsize

    def _desc(self, value: Value, size: int) -> Desc:
        if self.flat:
            return describe((size,), (1,), kind(value.dtype))
        return plain(value) if value.shape == self.node.out.shape else beside(self.node.out)(value)

    def _unary(self, step: tuple[Any, ...], size: int) -> Primitive:
        row = describe((size,), (1,), kind(self.x.dtype))
        _, algorithm, alpha, beta = eltwise(step)
        detail = f"{step[0]} of {size} {self.x.dtype}"
        desc = PrimitiveDesc(
            "eltwise_forward", detail, c.INFERENCE, algorithm, row, row, alpha, beta
        )
        return Primitive(desc, [(c.ARG_SRC, row), (c.ARG_DST, row)])

    def _binary(self, steps: tuple[Any, ...], size: int) -> tuple[Primitive, list[Value]]:
        (name, second), *rest = steps
        out, other = self._desc(self.node.out, size), self._desc(second, size)
        ops, numbers, values = post_ops(tuple(rest), lambda v: self._desc(v, size), None)
        detail = f"{name} of {self.node.out.type}"
        desc = PrimitiveDesc("binary", detail, c.BINARY[name], out, other, out, post_ops=ops)
        args = [(c.ARG_SRC, out), (c.ARG_SRC_1, other), (c.ARG_DST, out), *numbers]
        return Primitive(desc, args), values


def takes_rows(node: Node) -> bool:
    """Whether operands that broadcast are vectors over the last axis, or one block for all samples."""
    return takes_chain(node) and _inner(node) is not None


def _inner(node: Node) -> int | None:
    """Elements after which operands that broadcast begin again; None where they do otherwise."""
    out = node.out
    operands = [step[1] for step in node.args[1] if is_binary(step)]
    if not contiguous(out) or not all(map(contiguous, operands)):
        return None
    shapes = [_stripped(value.shape) for value in operands]
    if not all(shape == _stripped(out.shape)[-len(shape) :] for shape in shapes if shape):
        return None
    width = out.shape[-1]
    sizes = {v.size for v in operands} - {out.size, width}
    if len(sizes) > 1 or not all(shapes):
        return None
    inner = sizes.pop() if sizes else out.size
    return inner if out.size // inner <= 64 else None


def _stripped(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the 1s that it begins with."""
    return shape[next((i for i, n in enumerate(shape) if n != 1), len(shape)) :]


class Rows(Chain):
    """A chain over (..., E) whose operands are full, (E), or the same for every sample."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.inner = _inner(node) or node.out.size

    def _parts(self, passes: int) -> list[tuple[int, int]]:
        size = self.node.out.size
        return [(first, self.inner) for first in range(0, size, self.inner)]

    def _start(self, value: Value, first: int) -> int:
        return first * value.dtype.itemsize if value.size == self.node.out.size else 0

    def _desc(self, value: Value, size: int) -> Desc:
        width = self.node.out.shape[-1]
        rows = size // width if value.size >= size else 1
        return describe((rows, width), (width, 1), kind(value.dtype))


class Scaled(Kernel):
    """x times a number for every sample and channel: (N, C, *spatial) * (N, C, 1, ...).

    The engine has it for one sample; a batch is that many primitives' executions.
    """

    def bind(self, env: Env) -> list[Call]:
        x, ((_, scale),) = self.node.args
        n, channels, *spatial = x.shape
        part = _first(self.node.out)
        data = plain(part)
        factor = describe((1, channels, *(1,) * len(spatial)), (channels, *(1,) * (len(spatial) + 1)),
                          kind(x.dtype))  # fmt: skip
        desc = PrimitiveDesc("binary", f"scale of {x.type}", c.BINARY["mul"], data, factor, data)
        primitive = Primitive(desc, [(c.ARG_SRC, data), (c.ARG_SRC_1, factor), (c.ARG_DST, data)])
        arrays = [env.array(x), env.array(scale), env.array(self.node.out)]
        size = x.dtype.itemsize
        whole = int(np.prod(x.shape[1:])) * size
        starts = [(i * whole, i * channels * size, i * whole) for i in range(n)]
        return [env.execution(primitive, arrays, at) for at in starts]

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        return [(self.node.out, self.node.args[0])]


def _first(value: Value) -> Value:
    """One sample of a value."""
    like = Value(value)
    like.shape = (1, *value.shape[1:])
    return like


def takes_scaled(node: Node) -> bool:
    """Whether a chain is one product with a number for every channel of every sample."""
    x, post = node.args
    if len(post) != 1 or post[0][0] != "mul" or not is_binary(post[0]) or len(x.shape) < 3:
        return False
    scale = post[0][1]
    wanted = (*x.shape[:2], *(1,) * (len(x.shape) - 2))
    return scale.shape == wanted and scale.dtype == x.dtype and dense(scale)
