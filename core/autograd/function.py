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
differentiated again. Follows ``torch.autograd.Function``. Left out: vmap, jvp, ``mark_dirty`` of
views, writes to an output that is a view of an input (an error).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ..dtypes import FLOATING
from ..errors import AutogradError, DTypeError, ShapeError
from ..tensor import Tensor, wrap
from .handover import as_tensor
from .mode import mode, no_grad
from .node import Identity, Node, Pick, cell_of
from .saving import Packed, forget_cells, pack, stack


# -- context -------------------------------------------------------------------------------------
class Context:
    """What ``forward`` hands on to ``backward``; attributes may be set freely."""

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] | None = ()
        self._plain: set[int] = set()
        self._dirty: set[int] = set()
        self._zeros = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs of ``forward``; writes to them before backward are noticed."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise DTypeError(f"save_for_backward: want tensors, got {type(tensor).__name__}")
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` was given."""
        if self._saved is None:
            raise AutogradError("saved_tensors: only there while backward runs")
        return self._saved

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no gradient."""
        self._plain = set(map(id, tensors))

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs ``forward`` changed in place; it must return them."""
        self._dirty = set(map(id, tensors))

    def set_materialize_grads(self, value: bool) -> None:
        """False: outputs without a gradient give None to ``backward`` instead of zeros."""
        self._zeros = value


# -- the user's class ----------------------------------------------------------------------------
class Function:
    """The base of operations with a gradient of their own: override ``forward`` and ``backward``.

    ``forward(ctx, *args)``, or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``.

    >>> import sensorium as sn
    >>> class Twice(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = sn.ones(1, requires_grad=True)
    >>> Twice.apply(x).backward()
    >>> x.grad
    tensor([2.])
    """

    @staticmethod
    def forward(*args: Any) -> Any:
        """Compute the result from (ctx, and) the arguments."""
        raise AutogradError("Function: forward must be overridden")

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        """Save what backward needs, where forward takes no ctx."""
        raise AutogradError("Function: setup_context must be overridden, or forward take ctx")

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Any) -> Any:
        """One gradient for each argument of forward, given one for each output."""
        raise AutogradError("Function: backward must be overridden")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward on the arguments and record it."""
        ctx = Context()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.needs_grad for a in args)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        if mode.enabled and any(ctx.needs_input_grad):
            return _record(cls, ctx, args, result)
        return result


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """For a ``backward`` that cannot be recorded: differentiating its result is an error."""

    @functools.wraps(backward)
    def wrapped(ctx: Context, *grads: Any) -> Any:
        with no_grad():
            found = backward(ctx, *grads)
        if not mode.enabled or not any(isinstance(g, Tensor) and g.needs_grad for g in grads):
            return found
        shares = found if isinstance(found, tuple) else (found,)
        for share in shares:
            if isinstance(share, Tensor) and share.dtype in FLOATING:
                edges = tuple(map(_edge, grads))
                share.node = Node(_Once, edges, (), share.array.shape, share.array.dtype)
                share.needs_grad = True
        return found

    return wrapped


class _Once:
    """The op of a gradient that must not be differentiated."""

    name, keeps, inputs, outputs, lists = "once_differentiable", (), ("x",), ("y",), ()

    @staticmethod
    def pull(g: Any, saved: Any, edges: Any) -> Any:
        """Always an error."""
        raise AutogradError("once_differentiable: this gradient cannot be differentiated again")


# -- recording -----------------------------------------------------------------------------------
class _Recorded:
    """The op of a Function's node: what the engine asks of any op."""

    keeps, inputs, outputs, lists = ("saved_tensors",), (), (), ()

    def __init__(self, function: type[Function], ctx: Context, args: tuple[Any, ...]) -> None:
        self.name, self.function, self.ctx = function.__name__, function, ctx
        self.shapes = [a.array.shape if isinstance(a, Tensor) else None for a in args]
        self.places: list[int] = []  # of the outputs that have gradients
        self.results: list[Any] = []  # shape and type of every output that is a tensor, or None
        self.keeps_none = not ctx._zeros
        self.read_only = False  # an output is a view of an input

    @property
    def differentiable(self) -> int:
        """How many outputs have gradients."""
        return len(self.places)

    def pull(self, g: Any, saved: Any, edges: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the arguments, by the user's ``backward``."""
        given = g if isinstance(g, tuple) else (g,)
        raw = not any(isinstance(v, Tensor) for v in given)
        self.ctx._saved = tuple(revived(v) for v in saved[0])
        try:
            found = self.function.backward(self.ctx, *self._for_every_output(given))
        finally:
            self.ctx._saved = None
        shares = found if isinstance(found, tuple) else (found,)
        return tuple(self._share(i, s, raw) for i, s in enumerate(self._aligned(shares)))

    def _for_every_output(self, given: tuple[Any, ...]) -> list[Any]:
        """One gradient for each output: zeros, or None, for those without."""
        like = next(v for v in given if v is not None)
        like = like.array if isinstance(like, Tensor) else like
        grads: list[Any] = [
            None if fact is None or self.keeps_none else wrap(np.zeros(*fact, like=like))
            for fact in self.results
        ]
        for place, g in zip(self.places, given):
            grads[place] = None if g is None else as_tensor(g)
        return grads

    def _aligned(self, shares: tuple[Any, ...]) -> tuple[Any, ...]:
        """One gradient for each argument; surplus ones must be None."""
        count = len(self.shapes)
        if len(shares) < count or any(s is not None for s in shares[count:]):
            raise AutogradError(
                f"{self.name}.backward: returned {len(shares)} gradients for {count} arguments"
            )
        return shares[:count]

    def _share(self, i: int, share: Any, raw: bool) -> Any:
        if share is None:
            return None
        if not isinstance(share, Tensor):
            raise DTypeError(
                f"{self.name}.backward: gradient {i} must be a Tensor or None, got "
                f"{type(share).__name__}"
            )
        wanted = self.shapes[i]
        if wanted is not None and not _sums_to(share.array.shape, wanted):
            raise ShapeError(
                f"{self.name}.backward: gradient {i} has shape {tuple(share.shape)}, its argument "
                f"{wanted}"
            )
        return share.array if raw else share


def _sums_to(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether summing over broadcast dimensions takes shape to wanted."""
    tail = shape[len(shape) - len(wanted) :]
    return len(shape) >= len(wanted) and all(w in (1, n) for n, w in zip(tail, wanted))


def _record(cls: type[Function], ctx: Context, args: tuple[Any, ...], result: Any) -> Any:
    """The outputs as tensors that continue from a node of the function."""
    listed = isinstance(result, (tuple, list))
    given = tuple(result) if listed else (result,)
    op = _Recorded(cls, ctx, args)
    edges = tuple(_edge(a) for a in args)
    inputs = {id(a) for a in args if isinstance(a, Tensor)}
    _check_dirty(cls.__name__, ctx, given)
    outs = [_output(cls.__name__, ctx, value, inputs) for value in given]
    op.read_only = _shares_memory(args, outs)
    op.results = [(o.array.shape, o.array.dtype) if isinstance(o, Tensor) else None for o in outs]
    op.places = [
        i
        for i, o in enumerate(outs)
        if isinstance(o, Tensor) and id(given[i]) not in ctx._plain and o.array.dtype in FLOATING
    ]
    node = _connect(op, edges, [outs[i] for i in op.places])
    if node is not None:
        _keep(ctx, node, dict(zip(map(id, given), outs)))
    ctx._saved = None
    return tuple(outs) if listed else outs[0]


def _check_dirty(name: str, ctx: Context, given: tuple[Any, ...]) -> None:
    missing = len(ctx._dirty - set(map(id, given)))
    if missing:
        raise AutogradError(
            f"{name}: {missing} of the {len(ctx._dirty)} inputs marked dirty are not among the "
            f"{len(given)} outputs; what forward changes in place it must return"
        )


def _shares_memory(args: tuple[Any, ...], outs: list[Any]) -> bool:
    """Whether an output is a view of an input: a write to it would miss the input's graph."""
    given = {id(a): a.array for a in args if isinstance(a, Tensor)}
    sources = [a for a in given.values() if isinstance(a, np.ndarray)]
    made = [o.array for o in outs if isinstance(o, Tensor) and id(o) not in given]
    return any(
        np.may_share_memory(m, a) for m in made if isinstance(m, np.ndarray) for a in sources
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
            f"{name}: a leaf that requires a gradient (shape {tuple(value.shape)}) cannot be "
            "changed in place"
        )
    if value.extra is not None and value.extra.base is not None:
        raise AutogradError(
            f"{name}: mark_dirty of a view (shape {tuple(value.shape)}); clone it first"
        )
    cell_of(value)[0] += 1
    return value


def _connect(op: _Recorded, edges: tuple[Any, ...], tracked: list[Tensor]) -> Node | None:
    """Make the node and let the tracked outputs continue from it."""
    if not tracked:
        return None
    shapes, types = [t.array.shape for t in tracked], [t.array.dtype for t in tracked]
    if len(tracked) == 1:
        node = Node(op, edges, ((),), shapes[0], types[0])
        tracked[0].node, tracked[0].needs_grad = node, True
        return node
    node = Node(op, edges, ((),), shapes, types)
    for i, out in enumerate(tracked):
        out.node = Node(Pick, (node,), i, shapes[i], types[i])
        out.needs_grad = True
    return node


def _keep(ctx: Context, node: Node, outs: dict[int, Any]) -> None:
    """Move the saved tensors to the node, guarded against writes."""
    kept = [None if t is None else outs.get(id(t), t) for t in ctx._saved or ()]
    own = {id(out) for out in outs.values() if isinstance(out, Tensor) and out.node is not None}
    node.cells = tuple(cell_of(t) for t in kept if t is not None)
    node.stamp = sum(cell[0] for cell in node.cells)
    if stack.pairs:
        node.saved = (tuple(packed(t, id(t) in own) for t in kept),)
        forget_cells(node, [p for p in node.saved[0] if p is not None])
    else:
        node.saved = (tuple(_Own(t) if t is not None and id(t) in own else t for t in kept),)


class _Own:
    """A saved output: its array, and a weak hold on its node, which holds us."""

    def __init__(self, tensor: Tensor) -> None:
        self.array, self.node = tensor.array, weakref.ref(cast(Node, tensor.node))


def packed(tensor: Tensor | None, own: bool) -> Packed | None:
    """A saved tensor as the hooks in force pack it, and its place in the graph."""
    if tensor is None:
        return None
    made: Packed = pack(tensor.detach())
    made.edge = weakref.ref(cast(Node, tensor.node)) if own else _edge(tensor)
    made.own = own
    return made


def revived(saved: Any) -> Any:
    """A saved tensor again, where it stood in the graph."""
    if isinstance(saved, Packed):
        return _placed(wrap(saved.tensor().array), saved.edge() if saved.own else saved.edge)
    if not isinstance(saved, _Own):
        return saved
    return _placed(wrap(saved.array), saved.node())


def _placed(out: Tensor, edge: Any) -> Tensor:
    """out as the result of the node, or as the leaf, that edge is."""
    if isinstance(edge, Tensor):
        edge = Node(Identity, (edge,), (), out.array.shape, out.array.dtype)
    out.node, out.needs_grad = edge, edge is not None
    return out
