"""Matrix products: constant weights packed, others read as they lie, everything that follows fused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ...backends.cpu import constants as c, memory
from ...backends.cpu.layout import reorder
from ...backends.cpu.library import Unsupported
from ...backends.cpu.matmul import _operand, _simplify
from ...backends.cpu.memory import Desc, Primitive, PrimitiveDesc, describe, pointer
from ..graph import Node, Value
from ..passes.tidy import dense
from ..prepared import computed
from .base import Call, Env, Kernel, elements, kind, takes
from .steps import beside, is_binary, post_ops, same_memory, summands


def takes_rows(node: Node) -> bool:
    """Whether it is a product of rows with one matrix."""
    x, weight, _, post = node.args
    given = [step[1] for step in post if is_binary(step)]
    return (
        len(weight.shape) == 2
        and takes(x, weight, node.out, *given)
        and (0 not in node.out.shape and _rows_of(x) is not None and _rows_of(node.out) is not None)
        and rows_fit(post, node.out)
    )


def takes_product(node: Node) -> bool:
    """Whether the engine has this product of matrices in batches; odd layouts are NumPy's."""
    x, weight, bias, post = node.args
    given = [step[1] for step in post if is_binary(step)]
    if not takes(x, weight, node.out, *given) or 0 in node.out.shape:
        return False
    if x.dtype != weight.dtype:
        return False
    shaped = all(_operand(_like(v), len(node.out.shape)) for v in (x, weight))
    return shaped and bias is None and all(len(v.shape) <= 6 for v in (x, weight))


def _like(value: Value) -> Any:
    """A value where shape and strides of an array are asked for."""
    return SimpleNamespace(
        shape=value.shape, strides=value.strides, dtype=value.dtype, ndim=len(value.shape),
        itemsize=value.dtype.itemsize,
    )  # fmt: skip


def _rows_of(value: Value) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """(..., K) as rows: shape and strides in elements; None where rows are not evenly spaced."""
    *lead, k = value.shape
    *outer, inner = elements(value)
    if k > 1 and inner != 1:
        return None
    rows, step = 1, k
    for size, stride in reversed(list(zip(lead, outer))):
        if size == 1:
            continue
        if rows == 1:
            step = stride
        elif stride != rows * step:
            return None
        rows *= size
    return ((rows, k), (max(step, k), 1)) if step >= k else None


class Product(Kernel):
    """out = post(x @ weight + bias) for one matrix: all of x's rows at once."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.x, self.weight, self.bias, self.post = node.args

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        return [(self.node.out, value) for value in summands(self.post, self.node.out)]

    def bind(self, env: Env) -> list[Call]:
        out = env.array(self.node.out)
        summed = next((v for _, v in self.shares if same_memory(env.array(v), out)), None)
        primitive, chosen, values = self._primitive(env, summed)
        weight = self._packed(env, chosen) if chosen is not None else env.array(self.weight)
        bias = [] if self.bias is None else [self._bias(env)]
        arrays = [env.array(self.x), weight, out, *bias, *map(env.array, values)]
        return [env.execution(primitive, arrays)]

    def _primitive(
        self, env: Env, summed: Value | None
    ) -> tuple[Primitive, Desc | None, list[Value]]:
        x, y = _rows_of(self.x), _rows_of(self.node.out)
        assert x is not None and y is not None
        number = kind(self.x.dtype)
        src, dst = describe(*x, number), describe(*y, kind(self.node.out.dtype))
        constant = env.is_constant(self.weight)
        given = memory.describe_any(self.weight.shape, number) if constant else self._plain(number)
        columns = self.weight.shape[1]
        bias = None if self.bias is None else describe((1, columns), (columns, 1), 3)
        ops, numbers, values = post_ops(self.post, _beside_rows, summed)
        detail = f"x {self.x.shape}, weight {self.weight.shape}"
        desc = PrimitiveDesc("matmul", detail, src, given, bias, dst, post_ops=ops)
        chosen = desc.desc(c.QUERY_WEIGHTS) if constant else None
        args = [(c.ARG_SRC, src), (c.ARG_WEIGHTS, chosen or given), (c.ARG_DST, dst)]
        return Primitive(desc, [*args, (c.ARG_BIAS, bias), *numbers]), chosen, values

    def _plain(self, number: int) -> Desc:
        return describe(self.weight.shape, elements(self.weight), number)

    def _packed(self, env: Env, chosen: Desc) -> np.ndarray:
        def make() -> np.ndarray:
            weight, target = computed(self.weight), np.dtype(self.x.dtype)
            if weight.dtype != target:
                weight = weight.astype(target, order="K")
            strides = tuple(s // weight.itemsize for s in weight.strides)
            out = memory.aligned(chosen.size())
            source = describe(weight.shape, strides, kind(target))
            reorder(source, chosen, str(weight.shape))(pointer(weight), pointer(out))
            return out

        return env.prepared(("matrix", chosen.layout()), [self.weight], make)

    def _bias(self, env: Env) -> np.ndarray:
        bias = self.bias

        def make() -> np.ndarray:
            return np.array(computed(bias), np.float32)

        if env.is_constant(bias):
            return env.prepared("row", [bias], make)
        if bias.dtype != np.float32 or not dense(bias):
            raise Unsupported("a bias that changes has to be dense float32")
        return env.array(bias)


def _beside_rows(value: Value) -> Desc:
    """An operand of the result's shape as rows, a vector as one row."""
    found = _rows_of(value) if len(value.shape) > 1 else ((1, value.size), (value.size, 1))
    assert found is not None
    return describe(*found, kind(value.dtype))


def rows_fit(post: tuple, out: Value) -> bool:
    """Whether every operand can be read row by row beside the result."""
    for step in post:
        if not is_binary(step):
            continue
        value = step[1]
        if value.shape == out.shape:
            if _rows_of(value) is None:
                return False
        elif value.shape != out.shape[-1:] or not dense(value):
            return False
    return True


class Batched(Kernel):
    """out = post(x @ weight) for matrices in batches, as they lie in memory."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.x, self.weight, _, self.post = node.args

    def bind(self, env: Env) -> list[Call]:
        out, ndim = self.node.out, len(self.node.out.shape)
        operands: Any = [_operand(_like(v), ndim) for v in (self.x, self.weight, out)]
        if not self.post:
            operands = _simplify(*operands)
        kinds = kind(self.x.dtype), kind(self.weight.dtype), kind(out.dtype)
        a, b, y = (describe(v[0], v[1], number) for v, number in zip(operands, kinds))
        ops, numbers, values = post_ops(self.post, beside(out), None)
        detail = f"{self.x.shape} @ {self.weight.shape}"
        desc = PrimitiveDesc("matmul", detail, a, b, None, y, post_ops=ops)
        args = [(c.ARG_SRC, a), (c.ARG_WEIGHTS, b), (c.ARG_DST, y), *numbers]
        arrays = [env.array(v) for v in (self.x, self.weight, out, *values)]
        return [env.execution(Primitive(desc, args), arrays)]
