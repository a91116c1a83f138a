"""What a generated op call leans on: checking inputs, wrapping results, explaining failures."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd.mode import mode
from ..autograd.node import Node, Pick, cell_of
from ..dtypes import FLOATING
from ..errors import (
    DeviceError,
    DTypeError,
    OpError,
    OutOfMemoryError,
    SensoriumError,
    ShapeError,
)
from ..tensor import Extra, Tensor, extra_of, wrap
from ._out import into

if TYPE_CHECKING:
    from ._declare import Op

__all__ = [
    "NO_CELL",
    "NUMBERS",
    "as_array",
    "as_input",
    "aside",
    "bare",
    "edge_of",
    "explain",
    "link_view",
    "no_list",
    "no_number",
    "shapes_of",
    "unwrap_list",
    "wrap_many",
]

NO_CELL = [0]
"""Stands in for the cell of a value that was not kept."""


def as_array(value: Any) -> Any:
    """A result that is no ndarray: NumPy's scalars become 0-d arrays, CuPy's arrays stay."""
    return (
        np.asarray(value) if isinstance(value, (np.generic, bool, int, float, complex)) else value
    )


def as_input(op: Op, value: Any) -> Any:
    """A raw operand: arrays pass (gradients are written with ops on arrays), other things do not."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return np.asarray(value) if isinstance(value, np.generic) else value
    raise DTypeError(f"{op.name}: {op.inputs[0]} must be a Tensor, got {type(value).__name__}")


NUMBERS = frozenset((bool, int, float, complex))
"""Python's own numbers; NumPy's scalars, which formulas see, are other classes."""


def no_number(op: Op, name: str, value: Any) -> Exception:
    """The error for a number in the place of a tensor."""
    return DTypeError(f"{op.name}: {name} must be a Tensor, got the number {value!r}")


def no_list(name: str, value: Any) -> Exception:
    """The error for one tensor in the place of a list of them."""
    return DTypeError(f"{name}: want a list of tensors, got one of shape {tuple(value.shape)}")


def bare(op: Op, y: Any, a: Any, b: Any) -> Any:
    """The result y of two operands that are no Tensors: raw as they are, but not for two numbers."""
    if a.__class__ not in NUMBERS or b.__class__ not in NUMBERS:
        return y
    if op.numbers != "both":
        raise DTypeError(f"{op.name}: want at least one Tensor, got the numbers {a!r} and {b!r}")
    from ..create import tensor

    return op.call(tensor(a), b)


def aside(op: Op, *args: Any, out: Any = None, **keywords: Any) -> Any:
    """The call with keyword-only arguments: the declaration's own, then ``out``."""
    found = op.aside(*args, **keywords) if op.aside else op.hot(*args)
    return found if out is None else into(op.name, out, found)


def edge_of(value: Any) -> Any:
    """Where the gradient of value goes: its node, itself if a leaf that wants one, or None."""
    if not isinstance(value, Tensor):
        return None
    return value.node or (value if value.needs_grad else None)


def shapes_of(*arrays: Any) -> tuple[Any, ...]:
    """The shapes of the inputs; a list's are a list, a missing input's is None."""
    return tuple(
        [v.shape for v in a] if isinstance(a, list) else getattr(a, "shape", None) for a in arrays
    )


def unwrap_list(
    op: Op, values: Sequence[Any], promote: Callable[..., Any] | None
) -> tuple[list[Any], bool, bool]:
    """The arrays of a list of tensors, whether any is a Tensor, whether any wants a gradient."""
    if not values:
        raise ShapeError(f"{op.name}: want at least one tensor, got an empty list")
    arrays, seen, needs = [], False, False
    for v in values:
        if isinstance(v, Tensor):
            arrays.append(v.array)
            seen, needs = True, needs or v.needs_grad
        else:
            arrays.append(as_input(op, v))
    if promote is not None:
        kind = arrays[0].dtype
        if any(a.dtype is not kind for a in arrays):
            arrays = list(promote(*arrays))
    return arrays, seen, needs


def wrap_many(op: Op, values: Sequence[Any], node: Node | None) -> tuple[Any, ...]:
    """Tensors of an op with several outputs; the first ``op.differentiable`` share the node."""
    outs = tuple(
        [
            None if v is None else wrap(v if v.__class__ is np.ndarray else as_array(v))
            for v in values
        ]
    )
    if node is None:
        return outs
    for i, out in enumerate(outs[: op.differentiable]):
        if out is not None and out.array.dtype in FLOATING:
            out.node = Node(Pick, (node,), i, out.array.shape, out.array.dtype)
            out.needs_grad = True
    guarded = [o for name, o in zip(op.outputs, outs) if name in op.keeps and o is not None]
    node.cells += tuple(map(cell_of, guarded))
    return outs


def link_view(out: Tensor, x: Any, x_array: Any, step: tuple[Any, tuple[Any, ...]]) -> None:
    """Tell a view and its base of each other, so that in-place writes reach both graphs.

    Views made under ``no_grad`` share the version count, as nothing is recorded there; if the base
    has a graph, it knows of them, so that a recorded write can tell that they missed it.
    """
    owner = out.array.base
    if owner is None or (owner is not x_array and owner is not x_array.base):
        return  # NumPy had to copy: not a view after all
    cell = x.cell
    if cell is None:
        cell = x.cell = [0]
    out.cell = cell
    if not mode.enabled:
        if x.needs_grad or (x.extra is not None and x.extra.unrecorded is not None):
            _note_unrecorded(out, x)
        return
    out.extra = extra = Extra()
    above = x.extra
    if above is None or above.base is None:
        extra.base, extra.steps = x, (step,)
        above = above or extra_of(x)
    else:
        extra.base, extra.steps = above.base, (*above.steps, step)
        above = above.base.extra
    views = above.views
    if views is None:
        above.views = [weakref.ref(out)]
        return
    views.append(weakref.ref(out))
    if len(views) & (len(views) - 1) == 0 and len(views) > 8:  # prune at powers of two
        views[:] = [ref for ref in views if ref() is not None]


def _note_unrecorded(out: Tensor, x: Tensor) -> None:
    root, above = x, x.extra
    if above is not None and (above.unrecorded is not None or above.base is not None):
        root = above.base if above.unrecorded is None else above.unrecorded  # type: ignore[assignment]
    out.extra = Extra()
    out.extra.unrecorded = root
    known = extra_of(root)
    known.views = [ref for ref in known.views or () if ref() is not None] + [weakref.ref(out)]


# -- failures ------------------------------------------------------------------------------------
def describe(value: Any) -> str:
    """A value as an error message shows it: shape and type of an array, else its repr."""
    if isinstance(value, Tensor):
        value = value.array
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{tuple(value.shape)} {value.dtype}"
    if isinstance(value, list) and value and hasattr(value[0], "shape"):
        return f"[{', '.join(map(describe, value))}]"
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def explain(op: Op, error: Exception, values: tuple[Any, ...]) -> Exception:
    """The error to raise for a failed formula: ours as it is, an array library's in our words."""
    if isinstance(error, (SensoriumError, RecursionError)):
        return error
    arrays = [v for v in values if hasattr(v, "shape") and hasattr(v, "dtype")]
    name = op.name.lstrip("_")
    given = ", ".join(f"{n} {describe(v)}" for n, v in zip(op.signature.parameters, values))
    if isinstance(error, MemoryError):
        return OutOfMemoryError(f"{name}: not enough memory for {_bytes(error)} ({given})")
    if len({type(a).__module__ for a in arrays if not isinstance(a, np.generic)}) > 1:
        return DeviceError(f"{name}: tensors are on different devices ({given})")
    if isinstance(error, ValueError) and not _broadcast(arrays):
        return ShapeError(f"{name}: shapes do not broadcast ({given})")
    if isinstance(error, TypeError) and arrays:
        return DTypeError(f"{name}: not defined for these types ({given})")
    return OpError(f"{name}: cannot be computed for {given}")


def _bytes(error: MemoryError) -> str:
    """How much was asked for: NumPy's error has the shape and the type of its array."""
    shape, dtype = getattr(error, "shape", None), getattr(error, "dtype", None)
    if shape is None or dtype is None:
        return "the result"
    return f"an array of {math.prod(shape) * dtype.itemsize} bytes"


def _broadcast(arrays: list[Any]) -> bool:
    try:
        np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        return False
    return True
