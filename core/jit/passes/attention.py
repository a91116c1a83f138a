"""Finding attention that is written out: matmul(softmax(matmul(q, k^T) * scale), v).

As one op its scores never go to memory as a whole. Scores to which a mask is added stay as they are: a
query that may attend to nothing gives nan there, and 0 in the op.
"""

from __future__ import annotations

from types import SimpleNamespace

from ...ops.attention import _attention
from ...ops.shape import _permute
from ...ops.softmax import _softmax
from ..fused import PRODUCT
from ..graph import Graph, Node, Value


def find_attention(graph: Graph) -> None:
    """Replace every such pattern by the op."""
    users, kept = graph.users(), graph.kept()

    def only_for(value: Value) -> bool:
        return value not in kept and len(users.get(value, ())) == 1

    nodes: list[Node] = []
    for node in graph.nodes:
        parts = _parts(node)
        if parts is not None and only_for(node.args[0]) and only_for(parts[3]):
            query, keys, scale, _ = parts
            turn, key = _turned(keys, node.line)
            args = (query, key, node.args[1], None, scale)
            nodes += [turn, Node(_attention.op, args, node.outs, node.line)]
        else:
            nodes.append(node)
    graph.nodes = nodes


def _parts(node: Node) -> tuple[Value, Value, float, Value] | None:
    """(q, k^T, scale, scores) of the last product of an attention; None for another node."""
    if node.op is not PRODUCT or node.args[2] is not None or node.args[3]:
        return None
    weights, value = node.args[:2]
    soft = weights.maker
    if soft is None or soft.op is not _softmax.op or soft.args[1] % 4 != 3:
        return None
    first = soft.args[0].maker
    if first is None or first.op is not PRODUCT or first.args[2] is not None:
        return None
    query, keys, _, post = first.args
    scale = _scale(post)
    batches = {v.shape[:2] for v in (query, keys, value)}
    if scale is None or len(batches) > 1 or any(len(v.shape) != 4 for v in (query, keys, value)):
        return None
    return query, keys, scale, soft.args[0]


def _scale(post: tuple) -> float | None:
    """What the scores are multiplied by, if that is all that happens to them."""
    if not post:
        return 1.0
    if len(post) == 1 and post[0][0] == "linear" and post[0][2] == 0:
        return float(post[0][1])
    return None


def _turned(keys: Value, line: str) -> tuple[Node, Value]:
    """The keys (N, H, S, E) behind k^T, and the node that makes the view."""
    order = (0, 1, 3, 2)
    like = SimpleNamespace(
        shape=tuple(keys.shape[i] for i in order), dtype=keys.dtype,
        strides=tuple(keys.strides[i] for i in order),
    )  # fmt: skip
    key = Value(like)
    key.base = keys
    return Node(_permute.op, (keys, order), (key,), line), key
