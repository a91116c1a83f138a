"""Drawing elementwise steps into what comes before them.

A convolution, product or chain whose result only one chain reads takes that chain's steps into its
own ``post``: they are applied while the result is still in registers. A sum of two such results is a
step of the later one, the other being its operand. Bias and frozen batch norm behind a convolution
become part of it.
"""

from __future__ import annotations

from typing import Any

from ..fused import BINARY, CHAIN, CONV, PRODUCT
from ..graph import Graph, Node, Value
from .tidy import constant_values


def absorb(graph: Graph) -> None:
    """Merge until nothing more can be."""
    constants = constant_values(graph)
    while _once(graph, constants):
        pass


def _once(graph: Graph, constants: set[Value]) -> bool:
    kept, users = graph.kept(), graph.users()
    for node in graph.nodes:
        if node.op not in (CONV, PRODUCT, CHAIN) or node.out in kept or node.out in constants:
            continue
        readers = users.get(node.out, [])
        if len(readers) != 1:
            continue
        after = readers[0]
        args = _joined(node, after, constants)
        if args is not None:
            after.op, after.args = node.op, args
            graph.nodes.remove(node)
            return True
    return False


def _joined(node: Node, after: Node, constants: set[Value]) -> tuple[Any, ...] | None:
    """The arguments of node with what ``after`` does; None if that cannot be."""
    if after.name == "_normalise" and node.op is CONV:
        return _with_norm(node, after, constants)
    if after.op is not CHAIN or after.out.shape != node.out.shape:
        return None
    steps = _steps(node.out, after)
    if steps is None or after.out.dtype != node.out.dtype:
        return None
    if node.op is CONV and (bias := _bias(node, steps[0], constants)) is not None:
        x, weight, _, norm, geometry, _ = node.args
        return x, weight, bias, norm, geometry, steps[1:]
    if node.op is PRODUCT and (row := _row(node, steps[0], constants)) is not None:
        x, weight, _, _ = node.args
        return x, weight, row, steps[1:]
    return (*node.args[:-1], (*node.args[-1], *steps))


def _steps(value: Value, chain: Node) -> tuple[Any, ...] | None:
    """The chain's steps with value as what they start from."""
    x, post = chain.args
    uses = sum(used is value for used in chain.uses())
    if uses != 1:
        return None
    if x is value:
        return post
    name, *operands = post[0]
    swaps = name in ("add", "mul") and operands[0] is value and x.shape == value.shape
    return ((name, x), *post[1:]) if swaps else None


def _with_norm(node: Node, after: Node, constants: set[Value]) -> tuple[Any, ...] | None:
    y, mean, var, scale, shift, eps = after.args
    x, weight, bias, norm, geometry, post = node.args
    given = [v for v in (mean, var, scale, shift) if v is not None]
    if y is not node.out or norm or post or not all(v in constants for v in given):
        return None
    return x, weight, bias, (scale, shift, mean, var, eps), geometry, post


def _bias(node: Node, step: tuple[Any, ...], constants: set[Value]) -> Value | None:
    """The vector behind ``+ vector.reshape(-1, 1, 1)`` just after a convolution."""
    _, _, bias, norm, _, post = node.args
    if step[0] != "add" or bias is not None or norm or post or step[1] not in constants:
        return None
    shape = (node.out.shape[1], *(1,) * (len(node.out.shape) - 2))
    value = step[1]
    if value.shape not in (shape, (1, *shape)) or value.maker is None:
        return None
    source = value.maker.args[0]
    is_vector = value.maker.op.view and source.shape == shape[:1]
    return source if is_vector else None


def _row(node: Node, step: tuple[Any, ...], constants: set[Value]) -> Value | None:
    """The vector behind ``+ vector`` just after a product with a constant matrix."""
    _, weight, bias, post = node.args
    if step[0] != "add" or bias is not None or post or step[1] not in constants:
        return None
    return step[1] if step[1].shape == weight.shape[-1:] and len(weight.shape) == 2 else None


def operands(post: tuple[Any, ...]) -> list[Value]:
    """The second operands among the steps, in order."""
    return [step[1] for step in post if step[0] in BINARY and isinstance(step[1], Value)]
