"""In place, without a write: transpose_, squeeze_, unsqueeze_, t_, resize_; and writes by a function.

The shape-changing methods make a tensor another view of its own memory. Values stay where they are,
so nothing saved for a gradient is touched: the tensor continues from the view's node, a view learns
that one more step leads to it from its base, and the views of a base that it has turned under them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.mode import enable_grad, mode
from ..errors import AutogradError, ShapeError
from ..inplace import check_writable, wrote
from ..tensor import Tensor
from ._dims import many_dims, one_dim, sizes
from .shape import _permute, _reshape_view

Step = tuple[Callable[..., Any], tuple[Any, ...]]


def _check(name: str, x: Tensor) -> None:
    if x.needs_grad and x.node is None:
        raise AutogradError(
            f"{name}: a leaf that requires a gradient (shape {tuple(x.shape)}) cannot change its shape "
            "in place: its gradient has that shape; use the operation without the underscore"
        )
    base = x.extra.base if x.extra is not None else None
    if mode.enabled and base is not None and base.needs_grad and base.node is None:
        raise AutogradError(
            f"{name}: this is a view of a leaf that requires a gradient (shape {tuple(base.shape)}); "
            "use the operation without the underscore"
        )


def _turn(name: str, x: Tensor, step: Step, back: Step) -> Tensor:
    """Make x its own view by step; back is the step from the new shape to the old one."""
    _check(name, x)
    call, options = step
    with enable_grad():  # under no_grad, too, a gradient must pass the change of shape
        view = call(x, *options)
    extra = x.extra
    if extra is not None and extra.base is not None:
        extra.steps = (*extra.steps, step)
    elif extra is not None and extra.views:
        for other in [v for ref in extra.views if (v := ref()) is not None and v is not view]:
            other.extra.steps = (back, *other.extra.steps)  # type: ignore[union-attr]
    before, x.array, x.node = x.node, view.array, view.node
    if extra is not None and extra.retains:
        from ..autograd.hooks import move_retained

        move_retained(x, before)
    return x


# -- other dimensions ------------------------------------------------------------------------------
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dimensions of this tensor itself.

    >>> import sensorium as sn
    >>> sn.ones(2, 3).transpose_(0, 1).shape
    sensorium.Size([3, 2])
    """
    return _exchange("transpose_", self, dim0, dim1)


def swapaxes_(self: Tensor, axis0: int, axis1: int) -> Tensor:
    """``transpose_`` under another name."""
    return _exchange("swapaxes_", self, axis0, axis1)


def swapdims_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """``transpose_`` under another name."""
    return _exchange("swapdims_", self, dim0, dim1)


def _exchange(name: str, x: Tensor, dim0: int, dim1: int) -> Tensor:
    order = list(range(x.ndim))
    a, b = (one_dim(name, d, x.ndim) for d in (dim0, dim1))
    if order:
        order[a], order[b] = order[b], order[a]
    step = (_permute, (tuple(order),))
    return _turn(name, x, step, step)  # its own inverse


def t_(self: Tensor) -> Tensor:
    """Transpose this matrix itself; a vector or a single value stays.

    >>> import sensorium as sn
    >>> sn.ones(2, 3).t_().shape
    sensorium.Size([3, 2])
    """
    if self.ndim > 2:
        raise ShapeError(f"t_: want at most 2 dimensions, got shape {tuple(self.shape)}")
    return _exchange("t_", self, 0, -1)


def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """Take dimensions of size 1 (all, or those of dim) out of this tensor itself.

    >>> import sensorium as sn
    >>> sn.ones(1, 2, 1).squeeze_().shape
    sensorium.Size([2])
    """
    dims = many_dims("squeeze_", dim, self.ndim) if dim != () else ()
    kept = tuple(n for i, n in enumerate(self.shape) if not (i in dims and n == 1))
    return _reshape_in_place("squeeze_", self, kept)


def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """Put a dimension of size 1 at dim of this tensor itself.

    >>> import sensorium as sn
    >>> sn.ones(2).unsqueeze_(0).shape
    sensorium.Size([1, 2])
    """
    d = one_dim("unsqueeze_", dim, self.ndim + 1)
    return _reshape_in_place("unsqueeze_", self, (*self.shape[:d], 1, *self.shape[d:]))


def _reshape_in_place(name: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    before = tuple(x.shape)
    return _turn(name, x, (_reshape_view, (shape,)), (_reshape_view, (before,)))


# -- another size ----------------------------------------------------------------------------------
def resize_(self: Tensor, *size: Any, memory_format: Any = None) -> Tensor:
    """Give this tensor another size: its elements in row-major order, more of them undefined.

    Not for a tensor that requires a gradient, is a view, or has views: they could not follow.

    >>> import sensorium as sn
    >>> sn.tensor([[1, 2], [3, 4], [5, 6]]).resize_(2, 2)
    tensor([[1, 2],
            [3, 4]])
    """
    return _resized("resize_", self, sizes("resize_", size), memory_format)


def resize_as_(self: Tensor, tensor: Tensor, memory_format: Any = None) -> Tensor:
    """``resize_`` to the size of another tensor.

    >>> import sensorium as sn
    >>> sn.arange(6).resize_as_(sn.ones(2)).tolist()
    [0, 1]
    """
    return _resized("resize_as_", self, tuple(tensor.shape), memory_format)


def _resized(name: str, x: Tensor, shape: tuple[int, ...], memory_format: Any) -> Tensor:
    if min(shape, default=0) < 0:
        raise ShapeError(f"{name}: sizes must be at least 0, got {shape}")
    if tuple(x.shape) == shape:
        return x
    _check_resizable(name, x, memory_format)
    count = int(np.prod(shape, dtype=np.int64))
    flat = x.array.reshape(-1)
    if count > flat.size:
        grown = np.empty(count, flat.dtype, like=flat)
        grown[: flat.size] = flat
        flat = grown
    x.array = flat[:count].reshape(shape)
    wrote(x)
    return x


def _check_resizable(name: str, x: Tensor, memory_format: Any) -> None:
    if memory_format is not None:
        from ..memory import check, contiguous_format

        check(name, memory_format)
        if memory_format is not contiguous_format:
            raise ShapeError(f"{name}: makes row-major tensors only, not {memory_format}")
    if x.needs_grad:
        raise AutogradError(
            f"{name}: a tensor that requires a gradient cannot be resized; detach it"
        )
    extra = x.extra
    live = extra is not None and any(ref() is not None for ref in extra.views or ())
    if live or (extra is not None and extra.base is not None):
        raise ShapeError(
            f"{name}: a tensor (shape {tuple(x.shape)}) that shares its memory with a view cannot be "
            "resized; clone it first"
        )


# -- by a Python function --------------------------------------------------------------------------
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace every element by what a function makes of it; slow, and without a gradient.

    >>> import sensorium as sn
    >>> sn.tensor([1, 2]).apply_(lambda v: v * 10)
    tensor([10, 20])
    """
    return _by_function("apply_", self, (), callable)


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace every element by what a function makes of it and its partner in tensor, broadcast.

    >>> import sensorium as sn
    >>> sn.tensor([1, 2]).map_(sn.tensor([3, 4]), lambda a, b: a * b)
    tensor([3, 8])
    """
    return _by_function("map_", self, (tensor,), callable)


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """``map_`` with two other tensors.

    >>> import sensorium as sn
    >>> sn.tensor([1, 2]).map2_(sn.tensor([3, 4]), sn.tensor([1, 1]), lambda a, b, c: a * b + c)
    tensor([4, 9])
    """
    return _by_function("map2_", self, (x, y), callable)


def _by_function(name: str, x: Tensor, others: tuple[Tensor, ...], function: Any) -> Tensor:
    if any(t.needs_grad for t in (x, *others)):
        raise AutogradError(f"{name}: a Python function has no gradient; detach the tensors first")
    check_writable(name, x)
    shape = tuple(x.shape)
    partners = [t.expand(shape).array.reshape(-1).tolist() for t in others]
    made = [function(*values) for values in zip(x.array.reshape(-1).tolist(), *partners)]
    numbers = [v.item() if hasattr(v, "item") else v for v in made]
    x.array[...] = np.array(numbers, x.dtype).reshape(shape)
    wrote(x)
    return x
