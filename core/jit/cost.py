"""What a node costs, by its shapes: arithmetic and memory traffic.

The roofline's two numbers (Williams, Waterman and Patterson, 2009): a step takes at least its arithmetic
at the machine's peak, and at least its bytes at the memory's bandwidth.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .graph import Node


def arithmetic(node: Node) -> int:
    """Floating-point operations of convolutions, products and attention, a multiply-add being two.

    0 for everything else: what elementwise steps, norms and copies cost is traffic.
    """
    rule = _ARITHMETIC.get(node.name)
    return rule(node) if rule else 0


def traffic(node: Node) -> int:
    """Bytes of the values that are read, each once, and of those that are made; none for a view."""
    if all(value.base is not None for value in node.made()):
        return 0
    values = {*node.uses(), *node.made()}
    return sum(value.size * value.dtype.itemsize for value in values)


def _conv(node: Node) -> int:
    """Every element of the result adds up C / groups * kernel products."""
    weight = node.args[1]
    return 2 * node.out.size * weight.size // max(weight.shape[0], 1)


def _conv_back(node: Node) -> int:
    """A transposed convolution: every element that is given goes into O / groups * kernel sums."""
    given, weight = node.args[:2]
    return 2 * given.size * weight.size // max(weight.shape[0], 1)


def _conv_weight(node: Node) -> int:
    """A weight's gradient: every product of the forward pass, once more."""
    given, _, shape = node.args[:3]
    return 2 * given.size * math.prod(shape[1:])


def _product(node: Node) -> int:
    """(..., K) @ (K, N): every element of the result adds up K products."""
    return 2 * node.out.size * node.args[0].shape[-1]


def _attention(node: Node) -> int:
    """Scores from (N, H, L, E) and (N, H, S, E), then their product with the values."""
    query, key = node.args[:2]
    return 2 * key.shape[-2] * (query.size + node.out.size)


_ARITHMETIC: dict[str, Callable[[Node], int]] = {
    "_attention": _attention,
    "_conv": _conv,
    "_conv_input_grad": _conv_back,
    "_conv_weight_grad": _conv_weight,
    "conv": _conv,
    "conv_norm_act": _conv,
    "linear": _product,
    "linear_act": _product,
    "matmul": _product,
    "product": _product,
}
