"""bfloat16: values between products, convolutions and what they feed, in half the memory.

Products add up in float32; what is stored is bfloat16. Kernels that read and write bfloat16 get it;
before everything else a value is cast back, and results of the graph are float32 as ever.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ...backends.cpu import onednn
from ...dtypes import bfloat16, float32
from ...errors import CompileError
from ...ops.cast import cast
from ..fused import CHAIN, CONV, MEAN, PRODUCT
from ..graph import Graph, Node, Value, replaced
from .tidy import constant_values

PRECISIONS = ("float32", "bfloat16")

# Ops with a kernel that reads and writes bfloat16, by the places of the operands that it reads so.
_HEAVY = {CONV.name, PRODUCT.name, "_attention"}
_THROUGH = {CHAIN.name, MEAN.name, "_layer_norm", "_softmax", "_max_pool", "cat"}


def lower(graph: Graph, precision: str) -> None:
    """Let the graph compute in this precision."""
    if precision == "float32":
        return
    if not onednn.has_bfloat16():
        raise CompileError(
            "compile: precision='bfloat16' wants a CPU with AVX512-BF16 and oneDNN; this one has "
            f"{onednn.max_isa() or 'no oneDNN'}"
        )
    _Lowering(graph).run()


class _Lowering:
    """One walk over the nodes that makes every value bfloat16 that can be."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants = graph, constant_values(graph)
        self.kept = graph.kept()
        self.nodes: list[Node] = []
        self.narrow: dict[Value, Value] = {}  # float32 value -> its bfloat16 stand-in
        self.wide: dict[Value, Value] = {}  # float32 value -> one cast back

    def run(self) -> None:
        for node in self.graph.nodes:
            if any(value in self.constants for value in node.made()):
                self.nodes.append(node)
            elif node.op.view and node.args[0] in self.narrow:
                self._make(node, replaced(node.args, lambda v: self.narrow.get(v, v)))
            elif self._wanted(node):
                self._make(node, self._arguments(node))
            else:
                node.args = replaced(node.args, self._as_wide)
                self.nodes.append(node)
        self.graph.outputs = [self._as_wide(value) for value in self.graph.outputs]
        self.graph.writes = [(t, self._as_wide(value)) for t, value in self.graph.writes]
        self.graph.nodes = self.nodes

    def _wanted(self, node: Node) -> bool:
        if node.out.dtype != float32:
            return False
        if node.name in _HEAVY:
            return True
        return node.name in _THROUGH and any(v in self.narrow for v in node.uses())

    def _arguments(self, node: Node) -> tuple[Any, ...]:
        """Operands in bfloat16, constants but for matrices in float32."""
        if node.op is CONV or node.op is PRODUCT:
            x, weight, *rest, post = node.args
            weight = weight if weight in self.constants else self._as_narrow(weight)
            rest = replaced(rest, self._as_wide)
            return self._as_narrow(x), weight, *rest, self._post(post)
        if node.name == "_layer_norm":
            x, *rest = node.args
            return self._as_narrow(x), *replaced(rest, self._as_wide)
        if node.name == "_attention":
            q, k, v, mask, scale = node.args
            return (*map(self._as_narrow, (q, k, v)), replaced(mask, self._as_wide), scale)
        return replaced(node.args, self._as_narrow)

    def _post(self, post: Any) -> Any:
        return replaced(post, lambda v: v if v in self.constants else self._as_narrow(v))

    def _make(self, node: Node, args: tuple[Any, ...]) -> None:
        """Let the node make bfloat16."""
        old = node.outs
        node.args = args
        if not (node.op in (CONV, PRODUCT) and node.out in self.kept):  # those can write float32
            node.outs = tuple(v and (self._twin(v) if v.dtype == float32 else v) for v in old)
        for value in node.made():
            value.maker = node
        self.nodes.append(node)

    def _twin(self, value: Value) -> Value:
        size = value.dtype.itemsize // 2
        strides = tuple(s // size for s in value.strides)
        made = Value(SimpleNamespace(shape=value.shape, dtype=bfloat16, strides=strides))
        made.base = self.narrow.get(value.base, value.base) if value.base else None
        self.narrow[value] = made
        return made

    def _cast(self, value: Value, dtype: np.dtype, made: Value) -> Value:
        self.nodes.append(Node(cast.op, (value, dtype), (made,)))
        return made

    def _as_narrow(self, value: Value) -> Value:
        if value.dtype != float32:
            return value
        if value not in self.narrow:
            base, value.base = value.base, None
            twin = self._twin(value)
            value.base = base
            self._cast(value, bfloat16, twin)
        return self.narrow[value]

    def _as_wide(self, value: Value) -> Value:
        if value not in self.narrow or self._is_there(value):
            return value
        if value not in self.wide:
            like = SimpleNamespace(shape=value.shape, dtype=float32, strides=value.strides)
            self.wide[value] = self._cast(self.narrow[value], float32, Value(like))
        return self.wide[value]

    def _is_there(self, value: Value) -> bool:
        """Whether the float32 value itself is computed, too."""
        return value.kind != "temp" or value.maker is None or value in value.maker.outs
