"""What a kernel is: one node made ready to run on memory that stays where it is.

A kernel says which values it reads and makes, and which result may lie where an operand does.
``bind`` is called once, when every value has a place; it returns the calls without arguments that a
run consists of. ``Env`` is what it binds to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ...backends.cpu import onednn
from ...backends.cpu.memory import DATA_TYPES, Desc, Primitive, c_strides, describe, last_strides
from ..graph import Node, Value

Call = Callable[[], Any]


class Env(Protocol):
    """Where things are."""

    def array(self, value: Value) -> np.ndarray:
        """The array of a value: the same memory at every run."""

    def execution(
        self, primitive: Primitive, arrays: Sequence[Any], offsets: Sequence[int] = ()
    ) -> Call:
        """The execution of a primitive on arrays."""

    def prepared(
        self, key: Any, sources: Sequence[Value], make: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """make(), kept and made anew when one of the constants it comes from was written.

        Other graphs share it: make depends on the key and the sources only, and keeps no Env."""

    def is_constant(self, value: Value) -> bool:
        """Whether a value is computed from constants only."""

    def room(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Memory for something that is needed during this step only."""


class Kernel:
    """One node that can be bound; subclasses define ``bind``."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        """(result, operand) pairs of which the result may take the operand's memory."""
        return []

    def bind(self, env: Env) -> list[Call]:
        """The calls of a run."""
        raise TypeError(f"{type(self).__name__} defines no bind()")


# -- what oneDNN takes ---------------------------------------------------------------------------
def takes(*values: Any) -> bool:
    """Whether values are float32, or bfloat16 where the CPU has it, and not empty."""
    given = [v for v in values if isinstance(v, Value)]
    kinds = {v.dtype.name for v in given}
    if not kinds <= {"float32", "bfloat16"} or any(0 in v.shape for v in given):
        return False
    return onednn.available() and ("bfloat16" not in kinds or onednn.has_bfloat16())


def kind(dtype: np.dtype) -> int:
    """oneDNN's number of an element type."""
    return DATA_TYPES[dtype.name]


def elements(value: Any) -> tuple[int, ...]:
    """Strides in elements; axes of size 1 get those of the dense layout that it is, if it is one.

    oneDNN compares them all when it looks for a layout it knows.
    """
    if contiguous(value):
        return c_strides(value.shape)
    if 3 <= len(value.shape) <= 5 and channels_last(value):
        return last_strides(value.shape)
    strides, inside = [0] * len(value.shape), 1
    order = sorted(range(len(value.shape)), key=lambda i: (value.strides[i], -i))
    for axis in order:
        step = value.strides[axis] // value.dtype.itemsize
        strides[axis] = inside if value.shape[axis] == 1 else step
        inside = max(inside, strides[axis] * value.shape[axis])
    return tuple(strides)


def plain(value: Any) -> Desc:
    """The descriptor of a value's own layout."""
    return describe(value.shape, elements(value), kind(value.dtype))


def contiguous(value: Value) -> bool:
    """Whether the elements lie in row-major order without gaps; sizes of 1 have no say."""
    strides = c_strides(value.shape)
    return all(
        n == 1 or s == t * value.dtype.itemsize
        for n, s, t in zip(value.shape, value.strides, strides)
    )


def channels_last(value: Value) -> bool:
    """Whether (N, C, *spatial) lies densely with the channels innermost."""
    _, c, *spatial = value.shape
    wanted = [c, 1]
    step = c
    for size in reversed(spatial):
        wanted.insert(2, step)
        step *= size
    wanted[0] = step
    size = value.dtype.itemsize
    return all(
        length == 1 or stride == want * size
        for length, stride, want in zip(value.shape, value.strides, wanted)
    )
