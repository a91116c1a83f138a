"""Hooks of a Module: before and after ``forward``, before and after its part of ``backward``.

A module without hooks never comes here. Backward hooks stand in the tape as two gates, nodes that
pass values through: one behind the outputs, which sees the gradients that arrive, one before the
inputs, which sees those that leave. Follows ``torch.nn.modules.module`` and ``torch.utils.hooks``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Self

import numpy as np

from ..autograd.mode import mode
from ..autograd.node import Node, cell_of
from ..errors import AutogradError
from ..ops._results import as_array, edge_of, wrap_many
from ..tensor import Tensor, wrap
from ._registry import edits

Pass = Callable[[list[Any]], list[Tensor]]

PRE, POST, BACKWARD_PRE, BACKWARD = range(4)

_next_id = count().__next__


class Hook:
    """One registered function and how it wants to be called."""

    __slots__ = ("always", "call", "kind", "with_kwargs")

    def __init__(
        self, kind: int, call: Callable[..., Any], with_kwargs: bool = False, always: bool = False
    ) -> None:
        self.kind, self.call, self.with_kwargs, self.always = kind, call, with_kwargs, always


class RemovableHandle:
    """Removes the hook it was returned for; also a context manager."""

    def __init__(self, hooks: dict[int, Any], id: int) -> None:
        self._hooks, self.id = hooks, id

    def remove(self) -> None:
        """Unregister the hook; a second call does nothing."""
        self._hooks.pop(self.id, None)
        edits[0] += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def add_hook(hooks: dict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    """Register hook last, or first with prepend."""
    id = _next_id()
    later = list(hooks.items()) if prepend else []
    if prepend:
        hooks.clear()
    hooks[id] = hook
    edits[0] += 1
    hooks.update(later)
    return RemovableHandle(hooks, id)


class HookMethods:
    """The part of Module that registers hooks."""

    _hooks: dict[int, Hook]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before forward; what it returns, if not None, replaces the args.

        with_kwargs: hook(module, args, kwargs), which may return (args, kwargs).
        """
        return add_hook(self._hooks, Hook(PRE, hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call hook(module, args, output) after forward; its result, if not None, replaces the output.

        with_kwargs: hook(module, args, kwargs, output). always_call: also when forward raised, with
        None for the output.
        """
        return add_hook(self._hooks, Hook(POST, hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_output) in backward; its result, if not None, replaces grad_output."""
        return add_hook(self._hooks, Hook(BACKWARD_PRE, hook), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) once the gradients of the inputs are known.

        grad_input has an entry for every positional argument: zeros for a tensor without a
        gradient, None for what is no tensor, or if no argument has a gradient. What the hook
        returns, if not None, replaces it.
        """
        return add_hook(self._hooks, Hook(BACKWARD, hook), prepend)


# -- the call ------------------------------------------------------------------------------------
def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module.forward(*args, **kwargs)`` with the module's hooks around it."""
    hooks = list(module._hooks.values())
    done: set[int] = set()
    try:
        return _through(module, hooks, args, kwargs, done)
    except Exception:
        for hook in hooks:
            if hook.kind == POST and hook.always and id(hook) not in done:
                _after(module, hook, args, kwargs, None)
        raise


def _through(
    module: Any, hooks: list[Hook], args: tuple[Any, ...], kwargs: dict[str, Any], done: set[int]
) -> Any:
    for hook in hooks:
        if hook.kind == PRE:
            args, kwargs = _before(module, hook, args, kwargs)
    watch = mode.enabled and any(h.kind >= BACKWARD_PRE for h in hooks)
    backward = _Backward(module, hooks) if watch else None
    if backward is not None:
        args = backward.gate_inputs(args)
    output = module.forward(*args, **kwargs)
    for hook in hooks:
        if hook.kind == POST:
            done.add(id(hook))
            output = _after(module, hook, args, kwargs, output)
    return output if backward is None else backward.gate_outputs(output)


def _before(
    module: Any, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not hook.with_kwargs:
        changed = hook.call(module, args)
        if changed is None:
            return args, kwargs
        return (changed if isinstance(changed, tuple) else (changed,)), kwargs
    changed = hook.call(module, args, kwargs)
    if changed is None:
        return args, kwargs
    if not isinstance(changed, tuple) or len(changed) != 2:
        raise TypeError(
            f"{type(module).__name__}: a forward pre-hook with kwargs must return None or "
            f"(args, kwargs), got {type(changed).__name__}"
        )
    return changed


def _after(
    module: Any, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Any:
    given = (args, kwargs, output) if hook.with_kwargs else (args, output)
    changed = hook.call(module, *given)
    return output if changed is None else changed


# -- backward ------------------------------------------------------------------------------------
class _Gate:
    """The op of a node with n inputs that are its n outputs; backward runs ``seen``."""

    keeps, lists = (), ()
    read_only = True  # a write would change what the caller holds, and not its graph
    keeps_none = True  # what nobody used arrives as None: ``_Seen`` knows which zeros to show

    def __init__(self, name: str, n: int, seen: Pass) -> None:
        self.name, self.differentiable, self.seen = name, n, seen
        self.inputs = self.outputs = tuple(f"x{i}" for i in range(n))

    def pull(self, g: Any, saved: Any, edges: Any) -> list[Any]:
        """The gradients, as the hooks leave them; g is bare if there is only one."""
        g = g if isinstance(g, tuple) else (g,)
        if any(isinstance(v, Tensor) for v in g):
            return self.seen(list(g))
        raw = [None if a is None else wrap(as_array(a)) for a in g]
        return [t.array for t in self.seen(raw)]


def _gate(name: str, values: list[Any], seen: Pass) -> tuple[list[Any], list[int]]:
    """values with those that have a gradient behind one gate, and the places of these."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.needs_grad]
    if not places:
        return values, places
    watched = [values[i] for i in places]
    arrays = [v.array for v in watched]
    shapes, dtypes = [a.shape for a in arrays], [a.dtype for a in arrays]
    op = _Gate(name, len(places), seen)
    node = Node(op, tuple(map(edge_of, watched)), (), shapes, dtypes)
    values = list(values)
    for i, before, out in zip(places, watched, wrap_many(op, arrays, node)):  # type: ignore[arg-type]
        out.cell = cell_of(before)
        values[i] = out
    return values, places


class _Seen:
    """What went through a gate: which values have gradients, and how the other tensors look."""

    def __init__(self, values: list[Any], places: list[int]) -> None:
        self.places = places
        self.looks = [(v.array.shape, v.dtype) if isinstance(v, Tensor) else None for v in values]

    def filled(self, gs: list[Any]) -> tuple[Any, ...]:
        """An entry for every value: its gradient, zeros for a tensor without, None for others."""
        if not gs:
            return (None,) * len(self.looks)
        known = dict(zip(self.places, gs))
        like = next(g for g in gs if g is not None).array
        return tuple(
            known[i] if known.get(i) is not None
            else None if look is None
            else wrap(np.zeros(*look, like=like))
            for i, look in enumerate(self.looks)
        )  # fmt: skip


class _Backward:
    """The backward hooks of one call of a module."""

    def __init__(self, module: Any, hooks: list[Hook]) -> None:
        self.module = module
        self.before = [h.call for h in hooks if h.kind == BACKWARD_PRE]
        self.after = [h.call for h in hooks if h.kind == BACKWARD]
        self.grad_output: tuple[Any, ...] = ()
        self.inputs = self.outputs = _Seen([], [])

    def gate_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional arguments, those with gradients behind a gate."""
        values, places = _gate("module_inputs", list(args), self._leaving)
        self.inputs = _Seen(list(args), places)
        return tuple(values)

    def gate_outputs(self, output: Any) -> Any:
        """The output, a tensor or a tuple or list of them, behind a gate."""
        many = isinstance(output, (tuple, list))
        given = list(output) if many else [output]
        values, places = _gate("module_outputs", given, self._arriving)
        self.outputs = _Seen(given, places)
        if not many:
            return values[0]
        if hasattr(output, "_fields"):  # a named tuple
            return type(output)(*values)
        return type(output)(values)

    def _arriving(self, gs: list[Any]) -> list[Tensor]:
        self.grad_output = self.outputs.filled(gs)
        for hook in self.before:
            changed = hook(self.module, self.grad_output)
            if changed is not None:
                self.grad_output = self._checked(changed, self.grad_output, "grad_output")
        if not self.inputs.places:  # nothing leaves: this is all there is to see
            self._run_after(self.inputs.filled([]))
        return [self.grad_output[i] for i in self.outputs.places]

    def _leaving(self, gs: list[Any]) -> list[Tensor]:
        found = self._run_after(self.inputs.filled(gs))
        return [found[i] for i in self.inputs.places]

    def _run_after(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.after:
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is not None:
                grad_input = self._checked(changed, grad_input, "grad_input")
        return grad_input

    def _checked(self, changed: Any, before: tuple[Any, ...], name: str) -> tuple[Any, ...]:
        found = changed if isinstance(changed, tuple) else (changed,)
        if len(found) != len(before) or any(
            (a is None) != (b is None) for a, b in zip(found, before)
        ):
            raise AutogradError(
                f"backward hook of {type(self.module).__name__}: must return None or a tuple like "
                f"{name}, which has {len(before)} entries, got {len(found)}"
            )
        return found
