"""Running the tape backwards: ``backward`` and ``grad``.

Nodes are visited youngest first, so every consumer of a value has spoken before its producer is
asked; no recursion, no reference counting of edges. An ordinary pass works on raw arrays. A pass
with ``create_graph`` hands the same gradient formulas Tensors instead, and so records itself.

How gradients reach the next edge is in handover.py, what hooks do to them in hooks.py. A pass looks
once whether anything wants to watch it (``watchers``): anomaly detection, hooks on several tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ..backends.quiet import loud, quiet
from ..errors import AutogradError
from ..tensor import Tensor, wrap
from .handover import accumulate, as_tensor, deposit
from .hooks import run_accumulated, run_hooks
from .mode import mode
from .node import RELEASED, Identity, Node, Pick
from .roots import check_wanted, edge_of, listed, roots_of

watchers: list[Callable[..., Any]] = []
"""Called at the start of a pass with (step, order, roots, wanted); each returns the step to take."""


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
    roots = roots_of(
        "backward",
        listed("backward", "what is differentiated", tensors),
        listed("backward", "gradients", grad_tensors),
    )
    retain = create_graph if retain_graph is None else retain_graph
    wanted = None if inputs is None else listed("backward", "inputs", inputs)
    check_wanted("backward", wanted)
    edges = None if wanted is None else [edge_of(t) for t in wanted]
    before, mode.enabled = mode.enabled, create_graph
    try:
        found = _run(roots, edges, retain, create_graph)
        for leaf in list(found):
            tensor = leaf if isinstance(leaf, Tensor) else _tensor_of(leaf, wanted)
            accumulate(tensor, found.pop(leaf), create_graph)
            if tensor.extra is not None and tensor.extra.accumulated:
                run_accumulated(tensor)
    finally:
        mode.enabled = before


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """d(sum of outputs, weighted by grad_outputs)/d(input), one result for each input.

    Leaves ``.grad`` alone. create_graph records the result, so that it can be differentiated again.
    An input the outputs do not depend on is an error, None (allow_unused) or zeros
    (materialize_grads). is_grads_batched: grad_outputs have a first dimension more than outputs, and
    so have the results; one pass is made for every slice.

    >>> import sensorium as sn
    >>> x = sn.tensor(2.0, requires_grad=True)
    >>> (g,) = sn.autograd.grad(x**3, x, create_graph=True)
    >>> g, sn.autograd.grad(g, x)[0]
    (tensor(12., grad_fn=<MulBackward0>), tensor(12.))
    """
    wanted = listed("grad", "inputs", inputs)
    check_wanted("grad", wanted)
    starts = listed("grad", "grad_outputs", grad_outputs)
    if is_grads_batched:
        from .batched import grads_of_slices

        options = (retain_graph, create_graph, allow_unused, materialize_grads)
        return grads_of_slices(outputs, wanted, starts, *options)
    roots = roots_of("grad", listed("grad", "outputs", outputs), starts)
    retain = create_graph if retain_graph is None else retain_graph
    edges = [edge_of(t) for t in wanted]
    before, mode.enabled = mode.enabled, create_graph
    try:
        found = _run(roots, edges, retain, create_graph)
    finally:
        mode.enabled = before
    return tuple(
        _result(i, t, found.get(e), allow_unused, materialize_grads)
        for i, (t, e) in enumerate(zip(wanted, edges))
    )


def grad_by_ops(output: Tensor, inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """``grad`` whose formulas run on Tensors, so that a tracer sees their ops; not recorded."""
    roots = roots_of("grad", [output], [None])
    before, mode.enabled = mode.enabled, False
    try:
        found = _run(roots, [edge_of(t) for t in inputs], False, True)
    finally:
        mode.enabled = before
    return [None if (g := found.get(edge_of(t))) is None else as_tensor(g) for t in inputs]


# -- the pass ------------------------------------------------------------------------------------
def _run(
    roots: list[tuple[Any, Tensor]], wanted: list[Any] | None, retain: bool, recorded: bool
) -> dict[Any, Any]:
    """Gradients at the wanted edges, or at all leaves; raw arrays unless recorded."""
    order = _youngest_first([edge for edge, _ in roots])
    leading: set[Node] = set()
    if wanted is not None:
        order, leading = _leading_to(order, set(wanted))
    step = _step
    for watch in watchers and tuple(watchers):  # one may leave the list
        step = watch(step, order, roots, wanted)
    pending: dict[Any, Any] = {}
    token = quiet()
    try:
        for edge, g in roots:
            deposit(pending, edge, g if recorded else g.array)
        captured = (
            _walk(step, order, pending, retain, recorded)
            if wanted is None
            else _walk_towards(step, wanted, leading, order, pending, retain, recorded)
        )
    finally:
        loud(token)
    for leaf, g in pending.items():
        if isinstance(leaf, Tensor) and (wanted is None or any(leaf is w for w in wanted)):
            hooks = leaf.extra.hooks if leaf.extra is not None else None
            captured[leaf] = run_hooks(hooks, g) if hooks else g
    return captured


def _walk(
    step: Any, order: list[Node], pending: dict[Any, Any], retain: bool, recorded: bool
) -> dict[Any, Any]:
    """Step through every node that a gradient reaches; leaves' gradients stay in pending."""
    for node in order:
        g = pending.pop(node, None)
        if g is not None:
            step(node, run_hooks(node.hooks, g) if node.hooks else g, pending, retain, recorded)
            g = None  # the last reference goes before the next node allocates
    return {}


def _walk_towards(
    step: Any,
    wanted: list[Any],
    leading: set[Node],
    order: list[Node],
    pending: dict[Any, Any],
    retain: bool,
    recorded: bool,
) -> dict[Any, Any]:
    """Step only through nodes that lead to a wanted edge; the gradients of wanted nodes."""
    captured: dict[Any, Any] = {}
    outer, mode.towards = mode.towards, True
    try:
        for node in order:
            g = pending.pop(node, None)
            if g is None:
                continue
            g = run_hooks(node.hooks, g) if node.hooks else g
            if any(node is w for w in wanted):
                captured[node] = g
            if node in leading:
                step(node, g, pending, retain, recorded)
    finally:
        mode.towards = outer
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
    if saved.__class__ is not tuple:  # an output's number, packed by hooks, or released
        if op is Pick:  # one of several outputs: wait for the others
            slots = pending.setdefault(edges[0], [None] * len(edges[0].shape))
            slots[saved] = g
            return
        saved = saved.unpack(node)
    writes = 0
    for cell in node.cells:
        writes += cell[0]
    if writes != node.stamp:
        node.refuse_changed(writes)
    if g.__class__ is list:
        g = _fill(node, g, recorded)
    shares = op.pull(g, as_tensors(node, saved) if recorded else saved, edges)
    if not retain and (node.cells or node.saved is not saved):  # it kept values, not only shapes
        node.saved, node.cells, node.stamp = RELEASED, (), 0
    for edge, share in zip(edges, shares):
        if edge is not None and share is not None:
            deposit(pending, edge, share)


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


# -- results -------------------------------------------------------------------------------------
def _tensor_of(node: Node, wanted: list[Tensor] | None) -> Tensor:
    return next(t for t in wanted or () if t.node is node)


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
