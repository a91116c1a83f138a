"""Function: an operation with a gradient of one's own.

    class Cube(sn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    y = Cube.apply(x)

``forward`` runs unrecorded. ``backward`` gets one gradient for each output and returns one for each
argument of ``forward`` (None where there is none); written with tensor operations it can be
differentiated again. Follows ``torch.autograd.Function``. Left out: vmap, jvp, ``mark_dirty`` on views.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import FLOATING
from ..errors import AutogradError, DTypeError, ShapeError
from ..tensor import Tensor, wrap
from .mode import mode, no_grad
from .node import Node, Pick, cell_of, next_sequence


class Context:
    """What ``forward`` hands on to ``backward``; attributes may be set freely."""

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._cells: tuple[tuple[list[int], int], ...] = ()
        self._plain: tuple[int, ...] = ()
        self._dirty: tuple[int, ...] = ()
        self._zeros = True
        self._outputs: tuple[Tensor, ...] = ()
        self._released = False

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs of ``forward``; changes in place before backward are noticed."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise DTypeError(f"save_for_backward: want tensors, got {type(tensor).__name__}")
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` was given."""
        if self._released:
            raise AutogradError(
                "saved_tensors: the graph was already used and released; pass retain_graph=True to "
                "the first backward"
            )
        if any(cell[0] != seen for cell, seen in self._cells):
            raise AutogradError(
                "saved_tensors: a saved tensor was changed by an in-place operation after forward"
            )
        return self._saved

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no gradient."""
        self._plain = tuple(map(id, tensors))

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs ``forward`` changed in place; they must be returned."""
        self._dirty = tuple(map(id, tensors))

    def set_materialize_grads(self, value: bool) -> None:
        """False: outputs without a gradient give None to ``backward`` instead of zeros."""
        self._zeros = value


class _Recorded:
    """The op of a Function's node: what the engine asks of any op."""

    keeps: tuple[str, ...] = ()
    inputs, outputs, lists = (), ("y",), ()

    def __init__(self, function: type[Function], ctx: Context, count: int, listed: bool) -> None:
        self.name = function.__name__
        self.function, self.ctx, self.differentiable, self.listed = function, ctx, count, listed

    def pull(self, g: Any, saved: Any, edges: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the arguments, by the user's ``backward``."""
        given = g if isinstance(g, (tuple, list)) else (g,)
        raw = not any(isinstance(v, Tensor) for v in given)
        tensors = [wrap(v) if v is not None and not isinstance(v, Tensor) else v for v in given]
        found = self.function.backward(self.ctx, *tensors)
        shares = found if isinstance(found, tuple) else (found,)
        return tuple(_share(self.name, i, s, raw) for i, s in enumerate(self._aligned(shares)))

    def _aligned(self, shares: tuple[Any, ...]) -> list[Any]:
        """One gradient for each argument; surplus ones must be None."""
        count = len(self.ctx.needs_input_grad)
        if len(shares) < count or any(s is not None for s in shares[count:]):
            raise AutogradError(
                f"{self.name}.backward: returned {len(shares)} gradients for {count} arguments"
            )
        return list(shares[:count])


def _share(name: str, i: int, share: Any, raw: bool) -> Any:
    if share is None:
        return None
    if not isinstance(share, Tensor):
        raise DTypeError(
            f"{name}.backward: gradient {i} must be a Tensor or None, got {type(share).__name__}"
        )
    return share.array if raw else share


class Function:
    """The base of operations with a gradient of their own: override ``forward`` and ``backward``.

    ``forward(ctx, *args)``, or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``.

    >>> import sensorium as sn
    >>> class Twice(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = sn.ones(1, requires_grad=True)
    >>> Twice.apply(x).backward(); x.grad
    tensor([2.])
    """

    @staticmethod
    def forward(*args: Any) -> Any:
        """Compute the result from (ctx, and) the arguments."""
        raise AutogradError("Function: forward must be overridden")

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        """Save what backward needs, where forward has no ctx."""
        raise AutogradError("Function: setup_context must be overridden or forward take ctx")

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Any) -> Any:
        """One gradient for each argument of forward, given one for each output."""
        raise AutogradError("Function: backward must be overridden")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward on the arguments and record it."""
        ctx = Context()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.needs_grad for a in args)
        recording = mode.enabled and any(ctx.needs_input_grad)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        return _record(cls, ctx, args, result) if recording else result


def _record(cls: type[Function], ctx: Context, args: tuple[Any, ...], result: Any) -> Any:
    """The outputs as tensors that continue from a node of the function."""
    listed = isinstance(result, (tuple, list))
    results = tuple(result) if listed else (result,)
    inputs = {id(a) for a in args if isinstance(a, Tensor)}
    outs = [_output(cls.__name__, ctx, r, inputs) for r in results]
    tracked = [
        o for o in outs
        if isinstance(o, Tensor) and id(o) not in ctx._plain and o.array.dtype in FLOATING
    ]  # fmt: skip
    edges = tuple(_edge(a) for a in args)
    _connect(_Recorded(cls, ctx, len(tracked), listed), edges, tracked, listed)
    _guard(ctx, results, outs)
    return type(result)(outs) if listed and type(result) in (tuple, list) else (
        tuple(outs) if listed else outs[0]
    )


def _edge(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return None
    return value.node or (value if value.needs_grad else None)


def _output(name: str, ctx: Context, value: Any, inputs: set[int]) -> Any:
    """An output; an input that is returned unchanged becomes a tensor of its own."""
    if not isinstance(value, Tensor) or id(value) not in inputs:
        return value
    if id(value) not in ctx._dirty:
        return value.detach()
    if value.node is None and value.needs_grad:
        raise AutogradError(
            f"{name}: a leaf that requires a gradient (shape {tuple(value.shape)}) was changed in place"
        )
    if value.extra is not None and value.extra.base is not None:
        raise AutogradError(f"{name}: mark_dirty of a view (shape {tuple(value.shape)}); clone it first")
    cell_of(value)[0] += 1
    return value


def _connect(op: _Recorded, edges: tuple[Any, ...], tracked: list[Tensor], listed: bool) -> None:
    if not tracked:
        return
    if len(tracked) == 1:
        (only,) = tracked
        node = _FunctionNode(op, edges, only.array.shape, only.array.dtype)
        only.node, only.needs_grad = node, True
        return
    shared = _FunctionNode(
        op, edges, [t.array.shape for t in tracked], [t.array.dtype for t in tracked]
    )
    for i, out in enumerate(tracked):
        out.node = Node(Pick, (shared,), i, out.array.shape, out.array.dtype)
        out.needs_grad = True
