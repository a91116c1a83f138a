"""Bringing ops to the few forms that kernels know: convolution, product, elementwise chain.

A convolution with folded norm, a linear layer with its activation, a matrix product: each becomes one
of ``fused.py``'s ops with everything that follows it in ``post``. Arithmetic with a number is a
``linear`` step. What fits no form stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...ops.shape import _permute
from ..fused import CHAIN, CONV, MEAN, PRODUCT, FusedOp
from ..graph import Graph, Node, Value

Rule = Callable[[Graph, Node], list[Node] | None]
RULES: dict[str, Rule] = {}


def normalise(graph: Graph) -> None:
    """Replace every op that has a normal form."""
    nodes: list[Node] = []
    for node in graph.nodes:
        rule = RULES.get(node.name)
        plain = all(v.dtype.kind == "f" or v.dtype.name == "bfloat16" for v in node.made())
        nodes += (rule(graph, node) if rule and plain else None) or [node]
    graph.nodes = nodes


def made(op: FusedOp, args: tuple[Any, ...], node: Node) -> Node:
    """A node of another op with the results of this one."""
    return Node(op, args, node.outs, node.line, node.single)


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


# -- convolutions and products -------------------------------------------------------------------
@rule("_conv")
def _(graph: Graph, node: Node) -> list[Node]:
    x, weight, *geometry = node.args
    return [made(CONV, (x, weight, None, (), tuple(geometry), ()), node)]


@rule("conv_norm_act")
def _(graph: Graph, node: Node) -> list[Node]:
    x, weight, bias, scale, shift, mean, var, residual, eps, *geometry, activation = node.args
    norm = (scale, shift, mean, var, eps)
    post = _post(residual, activation)
    return [made(CONV, (x, weight, bias, norm, tuple(geometry), post), node)]


def _post(residual: Value | None, activation: str | None) -> tuple[Any, ...]:
    added = () if residual is None else (("add", residual),)
    return added if activation is None else (*added, (activation,))


def turned(graph: Graph, value: Value, line: str) -> tuple[Node, Value]:
    """The transposed view of a matrix, and the node that makes it."""
    like = SimpleNamespace(shape=value.shape[::-1], dtype=value.dtype, strides=value.strides[::-1])
    view = Value(like)
    view.base = value
    return Node(_permute.op, (value, (1, 0)), (view,), line), view


@rule("linear")
def _(graph: Graph, node: Node) -> list[Node] | None:
    x, weight, bias = node.args
    return _linear(graph, node, x, weight, bias, ())


@rule("linear_act")
def _(graph: Graph, node: Node) -> list[Node] | None:
    x, weight, bias, residual, activation = node.args
    return _linear(graph, node, x, weight, bias, _post(residual, activation))


def _linear(
    graph: Graph, node: Node, x: Value, weight: Value, bias: Value | None, post: Any
) -> list[Node] | None:
    if not len(x.shape) >= 2 == len(weight.shape):
        return None
    turn, view = turned(graph, weight, node.line)
    return [turn, made(PRODUCT, (x, view, bias, post), node)]


@rule("matmul")
def _(graph: Graph, node: Node) -> list[Node] | None:
    a, b = node.args
    if len(a.shape) < 2 or len(b.shape) < 2:
        return None
    return [made(PRODUCT, (a, b, None, ()), node)]


# -- elementwise ---------------------------------------------------------------------------------
_UNARY = {
    "relu": "relu", "_gelu_erf": "gelu", "_gelu_tanh": "gelu_tanh", "silu": "silu", "tanh": "tanh",
    "sigmoid": "sigmoid", "elu": "elu", "leaky_relu": "leaky_relu", "abs": "abs", "sqrt": "sqrt",
    "square": "square", "log": "log", "mish": "mish", "hardswish": "hardswish",
}  # fmt: skip


@rule(*_UNARY)
def _(graph: Graph, node: Node) -> list[Node] | None:
    x, *options = node.args
    return _chain(node, x, (_UNARY[node.name], *options))


@rule("hardtanh")
def _(graph: Graph, node: Node) -> list[Node] | None:
    x, low, high = node.args
    return _chain(node, x, ("relu6",)) if (low, high) == (0, 6) else None


@rule("relu6")
def _(graph: Graph, node: Node) -> list[Node] | None:
    return _chain(node, node.args[0], ("relu6",))


@rule("neg")
def _(graph: Graph, node: Node) -> list[Node] | None:
    return _chain(node, node.args[0], ("linear", -1.0, 0.0))


def _chain(node: Node, x: Any, step: tuple[Any, ...]) -> list[Node] | None:
    if x.dtype != node.out.dtype or x.shape != node.out.shape:
        return None
    return [made(CHAIN, (x, (step,)), node)]


_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "true_divide": "div"}


@rule(*_BINARY)
def _(graph: Graph, node: Node) -> list[Node] | None:
    a, b = node.args
    name = _BINARY[node.name]
    if not isinstance(b, Value):
        return _chain(node, a, _with_number(name, b)) if _finite(b) else None
    if not isinstance(a, Value):
        step = {"add": ("linear", 1.0, a), "mul": ("linear", a, 0.0), "sub": ("linear", -1.0, a)}
        return _chain(node, b, step[name]) if name in step and _finite(a) else None
    if a.dtype != b.dtype:
        return None
    if a.shape != node.out.shape and name in ("add", "mul"):
        a, b = b, a
    return _chain(node, a, (name, b))


def _finite(number: Any) -> bool:
    return isinstance(number, (int, float)) and bool(np.isfinite(number))


def _with_number(name: str, number: float) -> tuple[Any, ...]:
    if name == "div":
        return ("linear", 1.0 / number if number else np.inf, 0.0)
    return ("linear", number, 0.0) if name == "mul" else (
        "linear", 1.0, number if name == "add" else -number
    )  # fmt: skip


# -- the mean over pixels ------------------------------------------------------------------------
def spatial_means(graph: Graph) -> None:
    """sum(x, (2, 3), keepdim) / (H W) as one step."""
    kept, users = graph.kept(), graph.users()
    for node in graph.nodes:
        if node.op is not CHAIN or node.args[1][0][0] != "linear":
            continue
        total, ((_, scale, offset), *rest) = node.args
        found = total.maker
        if found is None or found.name != "_sum" or total in kept or len(users[total]) > 1:
            continue
        x, dims, keepdim = found.args[:3]
        if len(x.shape) != 4 or dims != (2, 3) or not keepdim or offset:
            continue
        if not np.isclose(scale * x.shape[2] * x.shape[3], 1, rtol=1e-12, atol=0):
            continue
        if rest:
            found.op, found.args = MEAN, (x,)
            node.args = (total, tuple(rest))
        else:
            node.op, node.args = MEAN, (x,)
