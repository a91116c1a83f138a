"""Running the tape backwards: ``backward`` and ``grad``.

Nodes are visited youngest first, so every consumer of a value has spoken before its producer is
asked; no recursion, no reference counting of edges. An ordinary pass works on raw arrays. A pass
with ``create_graph`` hands the same gradient formulas Tensors instead, and so records itself.

Gradients that arrive at an edge are brought to the shape and type of the value there: summed over
the dimensions that broadcasting grew, cast where promotion had changed the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from sys import getrefcount
from typing import Any

import numpy as np

from ..backends.quiet import loud, quiet
from ..errors import AutogradError, DTypeError, ShapeError
from ..tensor import Tensor, wrap
from .mode import set_grad_enabled
from .node import RELEASED, Identity, Node, Pick, cell_of


# -- public --------------------------------------------------------------------------------------
def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add d(sum of tensors, weighted by grad_tensors)/d(leaf) to every leaf's ``grad``.

    retain_graph keeps the graph for another pass (default: only with create_graph). inputs, if given,
    are the only leaves that accumulate.

    >>> import sensorium as sn
    >>> w = sn.tensor(3.0, requires_grad=True)
    >>> sn.autograd.backward(w * w); w.grad
    tensor(6.)
    """
    roots = _roots("backward", _listed(tensors), _listed(grad_tensors))
    retain = create_graph if retain_graph is None else retain_graph
    wanted = None if inputs is None else _listed(inputs)
    _check_wanted("backward", wanted)
    edges = None if wanted is None else [_edge(t) for t in wanted]
    with set_grad_enabled(create_graph):
        found = _run(roots, edges, retain, create_graph)
        for leaf in list(found):
            tensor = leaf if isinstance(leaf, Tensor) else _tensor_of(leaf, wanted)
            _accumulate(tensor, found.pop(leaf), create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """d(sum of outputs, weighted by grad_outputs)/d(input), one result for each input.

    Leaves ``.grad`` alone. create_graph records the result, so that it can be differentiated again.
    An input the outputs do not depend on is an error, None (allow_unused) or zeros
    (materialize_grads).

    >>> import sensorium as sn
    >>> x = sn.tensor(2.0, requires_grad=True)
    >>> (g,) = sn.autograd.grad(x**3, x, create_graph=True)
    >>> g, sn.autograd.grad(g, x)[0]
    (tensor(12., grad_fn=<MulBackward0>), tensor(12.))
    """
    wanted = _listed(inputs)
    _check_wanted("grad", wanted)
    roots = _roots("grad", _listed(outputs), _listed(grad_outputs))
    retain = create_graph if retain_graph is None else retain_graph
    edges = [_edge(t) for t in wanted]
    with set_grad_enabled(create_graph):
        found = _run(roots, edges, retain, create_graph)
    return tuple(
        _result(i, t, found.get(e), allow_unused, materialize_grads)
        for i, (t, e) in enumerate(zip(wanted, edges))
    )


# -- preparing -----------------------------------------------------------------------------------
def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, Tensor) else list(value)


def _edge(tensor: Tensor) -> Any:
    return tensor.node or tensor


def _check_wanted(op: str, wanted: list[Tensor] | None) -> None:
    if wanted is not None and not wanted:
        raise AutogradError(f"{op}: inputs is empty")
    for i, tensor in enumerate(wanted or ()):
        if not tensor.needs_grad:
            raise AutogradError(
                f"{op}: input {i} (shape {tuple(tensor.shape)}) requires no gradient"
            )


def _roots(op: str, tensors: list[Tensor], grads: list[Any]) -> list[tuple[Any, Tensor]]:
    """Pairs of an edge and the gradient that starts there."""
    if grads and len(grads) != len(tensors):
        raise AutogradError(f"{op}: {len(tensors)} tensors but {len(grads)} gradients")
    grads = grads or [None] * len(tensors)
    return [(_edge(t), _start(op, i, t, g)) for i, (t, g) in enumerate(zip(tensors, grads))]


def _start(op: str, i: int, tensor: Tensor, g: Tensor | None) -> Tensor:
    if not tensor.needs_grad:
        raise AutogradError(
            f"{op}: tensor {i} (shape {tuple(tensor.shape)}) does not require a gradient "
            "and has no grad_fn"
        )
    if g is None:
        if tensor.array.size != 1:
            raise AutogradError(
                f"{op}: a gradient can start by itself only from one value, tensor {i} has shape "
                f"{tuple(tensor.shape)}; give the gradient to start with"
            )
        return wrap(np.ones_like(tensor.array))
    if g.shape != tensor.shape:
        raise ShapeError(
            f"{op}: gradient {i} has shape {tuple(g.shape)}, its tensor {tuple(tensor.shape)}"
        )
    if (g.dtype.kind == "c") != (tensor.dtype.kind == "c"):
        raise DTypeError(f"{op}: gradient {i} is {g.dtype}, its tensor {tensor.dtype}")
    return g


# -- the pass ------------------------------------------------------------------------------------
def _run(
    roots: list[tuple[Any, Tensor]], wanted: list[Any] | None, retain: bool, recorded: bool
) -> dict[Any, Any]:
    """Gradients at the wanted edges, or at all leaves; raw arrays unless recorded."""
    order = _youngest_first([edge for edge, _ in roots])
    pending: dict[Any, Any] = {}
    token = quiet()
    try:
        for edge, g in roots:
            _deposit(pending, edge, g if recorded else g.array)
        captured = (
            _walk(order, pending, retain, recorded)
            if wanted is None
            else _walk_towards(wanted, order, pending, retain, recorded)
        )
    finally:
        loud(token)
    for leaf, g in pending.items():
        if isinstance(leaf, Tensor) and (wanted is None or any(leaf is w for w in wanted)):
            captured[leaf] = _leaf_hooks(leaf, g)
    return captured


def _walk(
    order: list[Node], pending: dict[Any, Any], retain: bool, recorded: bool
) -> dict[Any, Any]:
    """Step through every node that a gradient reaches; leaves' gradients stay in pending."""
    for node in order:
        g = pending.pop(node, None)
        if g is not None:
            _step(node, _run_hooks(node.hooks, g) if node.hooks else g, pending, retain, recorded)
            g = None  # the last reference goes before the next node allocates
    return {}


def _walk_towards(
    wanted: list[Any], order: list[Node], pending: dict[Any, Any], retain: bool, recorded: bool
) -> dict[Any, Any]:
    """Step only through nodes that lead to a wanted edge; the gradients of wanted nodes."""
    order, leading = _leading_to(order, set(wanted))
    captured: dict[Any, Any] = {}
    for node in order:
        g = pending.pop(node, None)
        if g is None:
            continue
        g = _run_hooks(node.hooks, g) if node.hooks else g
        if any(node is w for w in wanted):
            captured[node] = g
        if node in leading:
            _step(node, g, pending, retain, recorded)
    return captured


def _youngest_first(roots: list[Any]) -> list[Node]:
    """Every node the roots lead to, by falling sequence number."""
    seen = {edge for edge in roots if edge.__class__ is Node}
    stack = list(seen)
    while stack:
        for edge in stack.pop().edges:
            if edge.__class__ is Node and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=_sequence, reverse=True)


_sequence = attrgetter("sequence")


def _leading_to(order: list[Node], wanted: set[Any]) -> tuple[list[Node], set[Node]]:
    """The nodes in order that are wanted or lead to a wanted edge, and the set of the latter."""
    leading: set[Node] = set()
    for node in reversed(order):
        if any(edge in wanted or edge in leading for edge in node.edges if edge is not None):
            leading.add(node)
    return [node for node in order if node in leading or node in wanted], leading


def _step(node: Node, g: Any, pending: dict[Any, Any], retain: bool, recorded: bool) -> None:
    """Turn the gradient of node's output into those of its inputs and hand them on."""
    op, saved, edges = node.op, node.saved, node.edges
    if saved is RELEASED:
        raise AutogradError(
            f"backward of {op.name}: the graph was already used and released; "
            "pass retain_graph=True to the first backward to go through it twice"
        )
    if op is Pick:  # one of several outputs: wait for the others
        slots = pending.setdefault(edges[0], [None] * len(edges[0].shape))
        slots[saved] = g
        return
    writes = 0
    for cell in node.cells:
        writes += cell[0]
    if writes != node.stamp:
        node.refuse_changed(writes)
    if g.__class__ is list:
        g = _fill(node, g, recorded)
    shares = op.pull(g, as_tensors(node, saved) if recorded else saved, edges)
    if not retain:
        node.saved, node.cells, node.stamp = RELEASED, (), 0
    for edge, share in zip(edges, shares):
        if edge is not None and share is not None:
            _deposit(pending, edge, share)


def _fill(node: Node, gs: list[Any], recorded: bool) -> Any:
    """The gradients of an op with several outputs, zeros for those nobody used; bare if only one."""
    if getattr(node.op, "keeps_none", False):
        return tuple(gs)
    like = next(g for g in gs if g is not None)
    if isinstance(like, np.generic):  # NumPy's arithmetic on 0-d arrays gives scalars
        like = np.asarray(like)
    filled = []
    for g, shape, dtype in zip(gs, node.shape, node.dtype):
        if g is None:
            zeros = np.zeros(shape, dtype, like=like.array if recorded else like)
            g = wrap(zeros) if recorded else zeros
        filled.append(g)
    count = node.op.differentiable
    return filled[0] if count == 1 else tuple(filled[:count])


def as_tensors(node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """The saved values as Tensors that stand where they stood in the graph."""
    op = node.op
    values = []
    for name, value in zip(op.keeps, saved):
        if value is None or name == "shapes" or not (name in op.inputs or name in op.outputs):
            values.append(value)
        elif name in op.lists:
            values.append([_reconnect(v, e) for v, e in zip(value, node.edges)])
        elif name in op.outputs and name not in op.inputs:
            own = node if len(op.outputs) == 1 else None
            values.append(_reconnect(value, own))
        else:
            values.append(_reconnect(value, node.edges[op.inputs.index(name)]))
    return tuple(values)


def _reconnect(array: Any, edge: Any) -> Any:
    if isinstance(edge, Tensor) and edge.array is array:
        return edge
    if not hasattr(array, "dtype"):
        return array
    out = wrap(array)
    if edge is not None:
        is_node = edge.__class__ is Node
        out.node = edge if is_node else Node(Identity, (edge,), (), array.shape, array.dtype)
        out.needs_grad = True
    return out


# -- handing gradients on ------------------------------------------------------------------------
_SMALL = 4096  # elements; below, a new array costs less than finding out whose the old one is


def _deposit(pending: dict[Any, Any], edge: Any, g: Any) -> None:
    """Add g to what waits at edge."""
    target = edge if edge.__class__ is Node else edge.array
    if g.shape != target.shape or g.dtype is not target.dtype:
        g = _conform(g, target)
    before = pending.get(edge)
    if before is None:
        pending[edge] = g
    elif g.__class__ is not np.ndarray or g.size < _SMALL:
        pending[edge] = before + g
    elif getrefcount(before) <= 3 and _owns(before):
        from ..ops.arithmetic import add_into

        pending[edge] = add_into(before, g)
    else:
        pending[edge] = before + g


def _owns(array: Any) -> bool:
    """Whether nothing but one view of it refers to the memory (CPython counts references)."""
    if not isinstance(array, np.ndarray) or not array.flags.writeable:
        return False
    owner = array.base
    return owner is None or (
        isinstance(owner, np.ndarray) and owner.size == array.size and getrefcount(owner) <= 3
    )


def _conform(g: Any, target: Any) -> Any:
    """g summed to the shape, and cast to the type, of the value it is the gradient of."""
    from ..ops.cast import cast
    from ..ops.shape import sum_to

    if g.shape != target.shape:
        g = sum_to(g, tuple(target.shape))
    if g.dtype != target.dtype:
        if g.dtype.kind == "c" and target.dtype.kind != "c":
            g = g.real
        g = cast(g, target.dtype)
    return g


def as_tensor(g: Any) -> Tensor:
    """A gradient as a Tensor: NumPy's arithmetic on 0-d arrays leaves scalars."""
    if isinstance(g, Tensor):
        return g
    return wrap(np.asarray(g) if isinstance(g, np.generic) else g)


def _run_hooks(hooks: list[Any], g: Any) -> Any:
    """Pass g through the hooks; raw in, raw out."""
    raw = not isinstance(g, Tensor)
    tensor = as_tensor(g)
    for hook in list(hooks):
        changed = hook(tensor)
        if changed is not None:
            tensor = changed
    return tensor.array if raw else tensor


def _leaf_hooks(leaf: Tensor, g: Any) -> Any:
    return _run_hooks(leaf.extra.hooks, g) if leaf.extra is not None and leaf.extra.hooks else g


# -- results -------------------------------------------------------------------------------------
def _tensor_of(node: Node, wanted: list[Tensor] | None) -> Tensor:
    return next(t for t in wanted or () if t.node is node)


def _references(g: Any) -> int:
    return getrefcount(g)


_UNSHARED = _references(np.empty(0))
"""What ``getrefcount`` says of an argument that nobody else refers to."""


def _accumulate(leaf: Tensor, g: Any, recorded: bool) -> None:
    """Add g to ``leaf.grad``; the first one becomes it, copied if anything else refers to it."""
    have = leaf._grad
    if recorded:
        leaf._grad = g if have is None else have + g
    elif have is None:
        shared = isinstance(g, np.ndarray) and (getrefcount(g) > _UNSHARED or not _owns(g))
        leaf._grad = as_tensor(np.array(g, order="K", subok=False) if shared else g)
    else:
        have.array += g
        cell_of(have)[0] += 1


def _result(
    i: int, tensor: Tensor, g: Any, allow_unused: bool | None, zeros: bool
) -> Tensor | None:
    if g is not None:
        return as_tensor(g)
    if zeros:
        return wrap(np.zeros_like(tensor.array))
    if not allow_unused:
        raise AutogradError(
            f"grad: the outputs do not depend on input {i} (shape {tuple(tensor.shape)}); "
            "pass allow_unused=True to get None for it"
        )
    return None
