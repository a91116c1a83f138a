"""In-place writes: ``x.add_(y)``, ``x[i] = v``, ``x.copy_(y)``, and what they mean for the graph.

A write computes the out-of-place op, stores its values in x's memory and makes x continue from the
op's node. Everything that shares the memory learns of it: the version cell counts up, so a saved
value that was overwritten is noticed at backward; and if x is a view, its base gets a node that
merges the written part, and every other live view is derived anew from the base.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .autograd.mode import enable_grad, mode
from .autograd.node import Node, Pick, cell_of
from .backends.cpu import prepack
from .dtypes import can_cast
from .errors import AutogradError, DTypeError, ShapeError
from .tensor import Tensor, wrap


def wrote(x: Tensor) -> None:
    """Note that x's memory was written: count its version, drop what was cached from it."""
    cell_of(x)[0] += 1
    if isinstance(x.array, np.ndarray):
        prepack.written(x.array)


def check_writable(name: str, x: Tensor) -> None:
    """Refuse writes that no gradient could follow, and writes to read-only or expanded memory."""
    if mode.enabled and x.needs_grad and x.node is None:
        raise AutogradError(
            f"{name}: a leaf that requires a gradient (shape {tuple(x.shape)}) cannot be changed in "
            "place while recording; use no_grad() or detach()"
        )
    base = x.extra.base if x.extra is not None else None
    if mode.enabled and base is not None and base.needs_grad and base.node is None:
        raise AutogradError(
            f"{name}: this is a view of a leaf that requires a gradient (shape {tuple(base.shape)}); "
            "use no_grad() to change it in place"
        )
    node = x.node
    maker: Any = None if node is None else node.edges[0].op if node.op is Pick else node.op
    if mode.enabled and getattr(maker, "read_only", False):
        raise AutogradError(
            f"{name}: this value (shape {tuple(x.shape)}), made by {maker.name}, is a view whose "
            "origin would not learn of the write (it passes the backward hooks of a module, or a "
            "Function returned a view of its input); use inplace=False, or clone it first"
        )
    flags = getattr(x.array, "flags", None)
    if isinstance(x.array, np.ndarray) and not flags.writeable:  # type: ignore[union-attr]
        raise ShapeError(
            f"{name}: the memory of this tensor (shape {tuple(x.shape)}) is read-only or shared by "
            "expanded elements; clone it first"
        )


def store(name: str, x: Tensor, y: Tensor) -> Tensor:
    """Put the values of y, computed from x, into x; x continues from y's node."""
    if y.array.shape != x.array.shape:
        raise ShapeError(
            f"{name}: the result has shape {tuple(y.shape)}, the tensor {tuple(x.shape)}"
        )
    if not can_cast(y.dtype, x.dtype):
        raise DTypeError(f"{name}: a result of type {y.dtype} does not fit a tensor of {x.dtype}")
    before = _edge(x)
    if y.node is not None:
        _check_known(name, x)
        _keep_old(x, y.node)
    np.copyto(x.array, y.array, casting="unsafe")
    wrote(x)
    if y.node is not None or before is not None:
        _continue_from(x, y)
    return x


def _check_known(name: str, x: Tensor) -> None:
    """Refuse a recorded write to a view, or a part of one, that was made without recording."""
    extra = x.extra
    if extra is not None and extra.base is not None:
        extra = extra.base.extra
    if extra is not None and extra.unrecorded is not None:
        raise AutogradError(
            f"{name}: this tensor (shape {tuple(x.shape)}) is a view that was made under no_grad, so "
            f"its base (shape {tuple(extra.unrecorded.shape)}) would not learn of the gradient; make "
            "the view while recording, or clone it"
        )


def _keep_old(x: Tensor, node: Any) -> None:
    """Let the node that computes x's new values own copies of what it saved of x's memory.

    Unless that was overwritten before: then backward refuses, as it should.
    """
    if node.saved.__class__ is not tuple:  # packed by hooks
        from .autograd.saving import own_copies

        return own_copies(node)
    memory, fresh = _owner(x.array), node.stamp == sum(c[0] for c in node.cells)
    if fresh and any(_owner(v) is memory for v in node.saved):
        node.saved = tuple(v.copy() if _owner(v) is memory else v for v in node.saved)
        node.cells = tuple(c for c in node.cells if c is not x.cell)
        node.stamp = sum(c[0] for c in node.cells)
    return None


def _owner(array: Any) -> Any:
    """The array whose memory this one is a view of."""
    while isinstance(array, np.ndarray) and isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _edge(x: Tensor) -> Any:
    return x.node or (x if x.needs_grad else None)


def _continue_from(x: Tensor, y: Tensor) -> None:
    """x's graph is y's from now on; so is that part of its base and of the base's other views."""
    if not mode.enabled:
        return
    node = y.node
    if node is not None and x.array.dtype != y.array.dtype:
        node = y.to(x.dtype).node
    if node is not None and node.cells and any(c is y.cell for c in node.cells):
        node.cells = tuple(cell_of(x) if c is y.cell else c for c in node.cells)
        node.stamp = sum(c[0] for c in node.cells)
        if node.saved.__class__ is tuple:  # else hooks keep what they made of it
            node.saved = tuple(v.copy() if v is y.array else v for v in node.saved)
    before, x.node, x.needs_grad = x.node, node, node is not None
    extra = x.extra
    if extra is not None and extra.retains:
        from .autograd.hooks import move_retained

        move_retained(x, before)
    if extra is not None and extra.base is not None:
        _merge_into_base(x, extra.base, extra.steps)
    elif extra is not None and extra.views:
        _renew_views(x)


class _WriteView:
    """The op of a base whose view was overwritten: old base outside the view, new value inside."""

    name, keeps, inputs, outputs, lists = "write_view", (), ("base", "value"), ("y",), ()

    @staticmethod
    def pull(g: Any, saved: tuple[Any, ...], edges: Any) -> tuple[Any, Any]:
        """The gradient with the view's part zeroed, and the view's part."""
        (steps,) = saved
        whole = g if isinstance(g, Tensor) else wrap(g)
        inside = _derive(whole, steps)
        outside = _zero_part(whole, steps)
        if isinstance(g, Tensor):
            return outside, inside
        return outside.array, np.array(inside.array)


class _Missed:
    """The op of a view made under no_grad whose base was written with recording since."""

    name, keeps, inputs, outputs, lists = "view", (), ("base",), ("y",), ()

    @staticmethod
    def pull(g: Any, saved: Any, edges: Any) -> Any:
        """Always an error: what the view holds has a gradient that nothing leads to."""
        raise AutogradError(
            f"backward of view: a view (shape {tuple(g.shape)}) that was made under no_grad is used "
            "after its base was changed in place while recording; make the view anew"
        )


def _derive(base: Tensor, steps: tuple[Any, ...]) -> Tensor:
    """The view that the steps lead to from base."""
    for call, options in steps:
        base = call(base, *options)
    return base


def _zero_part(g: Tensor, steps: tuple[Any, ...]) -> Tensor:
    """g with zeros in the part that the steps view; recorded as a product with a mask."""
    mask = wrap(np.ones_like(g.array))
    _derive(mask, steps).array[...] = 0
    return g * mask


def _merge_into_base(x: Tensor, base: Tensor, steps: tuple[Any, ...]) -> None:
    node = Node(_WriteView, (_edge(base), x.node), (steps,), base.array.shape, base.array.dtype)
    base.node, base.needs_grad = node, True
    _renew_views(base)


def _renew_views(base: Tensor) -> None:
    """Derive the live views of base from its new node."""
    extra = base.extra
    if extra is None or extra.views is None:
        return
    refs = extra.views
    extra.views = None  # deriving makes short-lived views that need no note
    with enable_grad():
        for view in [v for ref in refs if (v := ref()) is not None]:
            if view.extra.unrecorded is not None:  # type: ignore[union-attr]
                shape, kind = view.array.shape, view.array.dtype
                view.node, view.needs_grad = Node(_Missed, (_edge(base),), (), shape, kind), True
                continue
            fresh = _derive(base, view.extra.steps)  # type: ignore[union-attr]
            view.node, view.needs_grad = fresh.node, fresh.needs_grad
    extra.views = refs


def inplace(name: str, function: Callable[..., Any]) -> Callable[..., Tensor]:
    """The in-place method of an op: ``x.name(...)`` stores ``function(x, ...)`` in x."""

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        check_writable(name, self)
        return store(name, self, function(self, *args, **options))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place ``{name[:-1]}``: the result replaces the values of this tensor."
    return method


# -- writes that do not read ---------------------------------------------------------------------
def _as_source(name: str, x: Tensor, value: Any) -> Tensor:
    """value as a tensor that expands to x's shape, in x's type."""
    if not isinstance(value, Tensor):
        from .create import tensor

        value = tensor(value, dtype=x.dtype if not hasattr(value, "dtype") else None)
    if value.device != x.device:
        value = value.to(x.device)
    if not can_cast(value.dtype, x.dtype) and value.dtype.kind == "c":
        raise DTypeError(f"{name}: complex values do not fit a tensor of {x.dtype}")
    return value if value.dtype == x.dtype else value.to(x.dtype)


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Overwrite with the values of src, broadcast and cast; the graph continues from src.

    >>> import sensorium as sn
    >>> sn.zeros(2).copy_(sn.tensor([1, 2]))
    tensor([1., 2.])
    """
    check_writable("copy_", self)
    source = _as_source("copy_", self, src)
    return store("copy_", self, source.expand(self.shape))


def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite every element with value.

    >>> import sensorium as sn
    >>> sn.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    check_writable("fill_", self)
    if mode.enabled and self.needs_grad:  # the gradient ends here, but the graph goes on
        from .ops.scatter import fill

        return store("fill_", self, fill(self, value))
    return store("fill_", self, _as_source("fill_", self, value).expand(self.shape))


def zero_(self: Tensor) -> Tensor:
    """Overwrite every element with 0.

    >>> import sensorium as sn
    >>> sn.ones(2).zero_()
    tensor([0., 0.])
    """
    return fill_(self, 0)


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value``: value is broadcast to the part and cast to x's type."""
    from .ops.gather import _put_at
    from .ops.index import plain_index

    check_writable("setitem", self)
    plain, is_view = plain_index(index)
    source = _as_source("setitem", self, value)
    if not mode.enabled or not (source.needs_grad or self.needs_grad or _watched(self)):
        _write_plain(self, plain, source)
    elif is_view:
        part = self[index]
        store("setitem", part, _fitted(source, part.shape))
    else:
        shape = self.array[plain].shape
        store("setitem", self, _put_at(self, _fitted(source, shape), plain, False))


def _watched(x: Tensor) -> bool:
    extra = x.extra
    return extra is not None and extra.base is not None and extra.base.needs_grad


def _fitted(source: Tensor, shape: Any) -> Tensor:
    """source broadcast to shape; leading 1s may be dropped, as NumPy allows."""
    while source.ndim > len(shape) and source.shape[0] == 1:
        source = source.squeeze(0)
    if source.shape == tuple(shape):
        return source
    return source.expand(tuple(shape))


def _write_plain(x: Tensor, index: Any, source: Tensor) -> None:
    try:
        x.array[index] = source.array
    except (IndexError, ValueError):
        from .ops.index import _check_index

        _check_index("setitem", x.array.shape, index)
        raise ShapeError(
            f"setitem: values of shape {tuple(source.shape)} do not fit the part of shape "
            f"{tuple(x.array[index].shape)}"
        ) from None
    wrote(x)
