"""Functions called with gradients: of a tensor, of a node, of a leaf that has collected its own.

A tensor's hooks are a list on its node (or, of a leaf, in its ``extra``); the engine runs them on the
gradient that has arrived. A node's hooks replace its op by a ``Hooked`` one, so nodes without hooks
pay nothing. The order is PyTorch's: a tensor's hooks as registered, then ``retain_grad``, then the
node's pre-hooks, the node, its hooks, and for a leaf the hooks that follow accumulation.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Self

from .._extra import Handle
from ..errors import AutogradError, DTypeError, ShapeError
from ..tensor import Tensor, extra_of
from .handover import as_tensor, conform
from .node import Node, Pick


# -- running -------------------------------------------------------------------------------------
def run_hooks(hooks: list[Any], g: Any) -> Any:
    """Pass g through the hooks; raw in, raw out."""
    raw = not isinstance(g, Tensor)
    tensor = as_tensor(g)
    for hook in list(hooks):
        changed = hook(tensor)
        if changed is not None:
            tensor = _checked(hook, changed, tensor)
    return tensor.array if raw else tensor


def _checked(hook: Any, changed: Any, before: Tensor) -> Tensor:
    """What a hook returned, if it can stand for the gradient it was given."""
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(changed, Tensor):
        raise DTypeError(
            f"hook {name!r}: must return None or a Tensor, got {type(changed).__name__}"
        )
    if changed.array.shape != before.array.shape:
        raise ShapeError(
            f"hook {name!r}: returned a gradient of shape {tuple(changed.shape)} for one of shape "
            f"{tuple(before.shape)}"
        )
    if changed.dtype != before.dtype:
        raise DTypeError(
            f"hook {name!r}: returned a gradient of type {changed.dtype} for one of {before.dtype}"
        )
    return changed


def run_accumulated(leaf: Tensor) -> None:
    """The hooks of a leaf whose ``grad`` has been added to."""
    for hook in list(leaf.extra.accumulated or ()):  # type: ignore[union-attr]
        if hook(leaf) is not None:
            raise AutogradError(
                "register_post_accumulate_grad_hook: a hook must return None, "
                f"{getattr(hook, '__name__', 'this one')!r} does not"
            )


# -- a tensor's ----------------------------------------------------------------------------------
class _Retain:
    """Keeps what arrives in the ``grad`` of a tensor that is not a leaf."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, g: Tensor) -> None:
        """Add g to the tensor's ``grad``, if the tensor is still there."""
        tensor = self.tensor()
        if tensor is not None:
            tensor._grad = g if tensor._grad is None else tensor._grad + g


def _list_of(tensor: Tensor) -> list[Any]:
    holder: Any = extra_of(tensor) if tensor.node is None else tensor.node
    if holder.hooks is None:
        holder.hooks = []
    return holder.hooks


def add(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> Handle:
    """Register a tensor's hook, behind its others but before ``retain_grad``."""
    if not tensor.needs_grad:
        raise AutogradError(
            f"register_hook: the tensor (shape {tuple(tensor.shape)}) does not require a gradient"
        )
    hooks = _list_of(tensor)
    place = next((i for i, h in enumerate(hooks) if isinstance(h, _Retain)), len(hooks))
    hooks.insert(place, hook)
    return Handle(hooks, hook)


def retain(tensor: Tensor) -> None:
    """Let a tensor that is not a leaf keep its gradient."""
    if not tensor.needs_grad:
        raise AutogradError(
            f"retain_grad: the tensor (shape {tuple(tensor.shape)}) does not require a gradient"
        )
    if tensor.node is None or extra_of(tensor).retains:
        return
    extra_of(tensor).retains = True
    _list_of(tensor).append(_Retain(tensor))


def move_retained(tensor: Tensor, before: Node | None) -> None:
    """After an in-place write: keep the gradient of the new value, not of the old."""
    if before is not None and before.hooks:
        before.hooks[:] = [
            h for h in before.hooks if not (isinstance(h, _Retain) and h.tensor() is tensor)
        ]
    if tensor.node is not None:
        _list_of(tensor).append(_Retain(tensor))


def add_accumulated(tensor: Tensor, hook: Callable[[Tensor], None]) -> Handle:
    """Register a hook for the moment after a leaf's ``grad`` was added to."""
    if not tensor.needs_grad or tensor.node is not None:
        what = "is none" if tensor.node is not None else "requires no gradient"
        raise AutogradError(
            "register_post_accumulate_grad_hook: want a leaf that requires a gradient, this tensor "
            f"(shape {tuple(tensor.shape)}) {what}"
        )
    extra = extra_of(tensor)
    if extra.accumulated is None:
        extra.accumulated = []
    extra.accumulated.append(hook)
    return Handle(extra.accumulated, hook)


# -- a node's ------------------------------------------------------------------------------------
class Hooked:
    """The op of a node with hooks: calls them around the op it replaces."""

    def __init__(self, op: Any) -> None:
        self.op = op
        self.before: list[Callable[..., Any]] = []
        self.after: list[Callable[..., Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def add_before(self, hook: Callable[..., Any]) -> Handle:
        """Register hook(grad_outputs)."""
        self.before.append(hook)
        return Handle(self.before, hook)

    def add_after(self, hook: Callable[..., Any]) -> Handle:
        """Register hook(grad_inputs, grad_outputs)."""
        self.after.append(hook)
        return Handle(self.after, hook)

    def pull(self, g: Any, saved: Any, edges: tuple[Any, ...]) -> Any:
        """The gradients of the inputs, as the hooks leave them."""
        many = isinstance(g, tuple)
        given = g if many else (g,)
        raw = not any(isinstance(v, Tensor) for v in given)
        outputs = tuple(None if v is None else as_tensor(v) for v in given)
        for hook in list(self.before):
            outputs = self._replaced("pre-hook", outputs, hook(outputs))
        given = _bare(outputs) if raw else outputs
        shares = self.op.pull(given if many else given[0], saved, edges)
        inputs = tuple(map(_arriving, shares, edges))
        for hook in list(self.after):
            inputs = self._replaced("hook", inputs, hook(inputs, outputs))
        return _bare(inputs) if raw else inputs

    def _replaced(self, kind: str, before: tuple[Any, ...], changed: Any) -> tuple[Any, ...]:
        if changed is None:
            return before
        found = changed if isinstance(changed, tuple) else (changed,)
        if len(found) != len(before):
            raise AutogradError(
                f"{kind} of {self.op.name.strip('_')}: returned {len(found)} gradients, want {len(before)}"
            )
        return found


def _bare(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if g is None else g.array for g in gradients)


def _arriving(share: Any, edge: Any) -> Tensor | None:
    """A share as it will arrive at its edge: in the shape and type of the value there."""
    if edge is None or share is None:
        return None
    target = edge if isinstance(edge, Node) else edge.array
    return as_tensor(conform(share, target))


def hooked(node: Node) -> Hooked:
    """The hooks of a node, made on first need."""
    if not isinstance(node.op, Hooked):
        node.op = Hooked(node.op)
    return node.op


# -- leaves as nodes -----------------------------------------------------------------------------
class AccumulateGrad:
    """What stands for a leaf in ``next_functions``: where its gradient is added to ``grad``."""

    next_functions = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        """Its name, as PyTorch spells it."""
        return "torch::autograd::AccumulateGrad"

    def register_prehook(self, fn: Callable[..., Any]) -> Handle:
        """Call fn((gradient,)) before it is added; a tuple that it returns replaces it."""

        def hook(g: Tensor) -> Any:
            changed = fn((g,))
            return changed[0] if isinstance(changed, tuple) else changed

        return add(self.variable, hook)

    def register_hook(self, fn: Callable[..., Any]) -> Handle:
        """Call fn((), (gradient,)) after it was added."""
        arrived: list[Any] = [None]
        add(self.variable, lambda g: arrived.__setitem__(0, g))
        return add_accumulated(self.variable, lambda leaf: fn((), (arrived[0],)))

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


def shown(edge: Any) -> tuple[Any, int]:
    """An edge as a pair of a node and an output number, as PyTorch shows it."""
    if isinstance(edge, Tensor):
        return accumulator(edge), 0
    if isinstance(edge, Node) and edge.op is Pick:
        return edge.edges[0], edge.saved
    return edge, 0


def accumulator(leaf: Tensor) -> AccumulateGrad:
    """The leaf's AccumulateGrad, the same as long as anybody holds it."""
    extra = extra_of(leaf)
    found = extra.accumulator() if extra.accumulator is not None else None
    if found is None:
        found = AccumulateGrad(leaf)
        extra.accumulator = weakref.ref(found)
    return found


# -- several tensors' ----------------------------------------------------------------------------
class MultiHook:
    """One function for the gradients of several tensors: when all are there, or at the first."""

    def __init__(self, tensors: Sequence[Tensor], fn: Callable[..., None], first: bool) -> None:
        self.fn, self.first, self.count, self.spoken = fn, first, 0, False
        self.edges = [weakref.ref(t.node or t) for t in tensors]
        self.found: list[Tensor | None] = [None] * len(self.edges)
        self.handles = [add(t, self._hook(i)) for i, t in enumerate(tensors)]

    def begin(self, reached: set[Any]) -> None:
        """At the start of a pass: how many of the tensors will it reach?"""
        count = sum(edge() in reached for edge in self.edges)
        if count:  # else the pass is another graph's, perhaps one within a pass of ours
            self.count, self.found, self.spoken = count, [None] * len(self.edges), False

    def _hook(self, i: int) -> Callable[[Tensor], None]:
        def hook(g: Tensor) -> None:
            self.found[i] = g
            if self.spoken or not (self.first or _present(self.found) == self.count):
                return
            found, self.found, self.spoken = self.found, [None] * len(self.edges), True
            self.fn(g if self.first else found)

        return hook

    def remove(self) -> None:
        """Unregister the hook; a second call does nothing."""
        for handle in self.handles:
            handle.remove()
        _multi.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


_multi: weakref.WeakSet[MultiHook] = weakref.WeakSet()


def _present(values: list[Any]) -> int:
    return sum(v is not None for v in values)


def add_multi(hook: MultiHook) -> MultiHook:
    """Let the engine tell hook of every pass, as long as its tensors or its handle live."""
    from . import engine

    _multi.add(hook)
    if _watch not in engine.watchers:
        engine.watchers.append(_watch)
    return hook


def _watch(step: Any, order: list[Node], roots: Any, wanted: Any) -> Any:
    """Tell the hooks which nodes and leaves this pass will reach."""
    from . import engine

    if not _multi:
        engine.watchers.remove(_watch)
        return step
    reached: set[Any] = {*order, *(edge for edge, _ in roots)}
    leaves = {e for node in order for e in node.edges if isinstance(e, Tensor)}
    reached |= leaves if wanted is None else leaves & set(wanted)
    for hook in list(_multi):
        hook.begin(reached)
    return step
