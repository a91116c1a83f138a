"""as_strided: any shape and strides over the memory of a tensor.

The memory is that of the NumPy array that owns the elements, as ``storage_offset`` counts it, and
what does not lie in it is refused. The result is a view. While operations are recorded it is
read-only, as one write could land in elements that no gradient follows; under ``no_grad`` it can be
written to. Left out: GPU arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as _numpys

from ..autograd.mode import mode
from ..errors import AutogradError, DeviceError, OutOfBoundsError, ShapeError
from ._declare import Array, op
from ._dims import sizes
from ._results import link_view
from .cast import clone, to_dtype
from .index import _add_at, _take
from .memory_facts import storage_offset as offset_of
from .scatter import written
from .shape import _reshape

Layout = tuple[tuple[int, ...], tuple[int, ...], int]
"""Sizes, strides and the place of the first element, in elements."""


def _layout(array: Any, offset: int) -> Layout:
    return array.shape, tuple(s // array.itemsize for s in array.strides), offset


def _places(layout: Layout) -> Any:
    """Where in the memory each element lies, in row-major order."""
    size, stride, start = layout
    places = np.full(size, start, np.int64)
    for d, step in enumerate(stride):
        places += step * np.arange(size[d]).reshape([-1 if i == d else 1 for i in range(len(size))])
    return places.reshape(-1)


def _last(layout: Layout) -> int:
    """The last place it reads; -1 if it has no elements."""
    size, stride, start = layout
    return start + sum((n - 1) * s for n, s in zip(size, stride)) if 0 not in size else -1


@op(view=True)
def _strided(input: Array, here: Layout, wanted: Layout) -> Array:
    """The elements of input's memory at the wanted places; input must lie as it did at first."""
    if _layout(input, here[2]) != here:
        raise AutogradError("as_strided: a tensor that lies otherwise in memory has no such view")
    size, stride, start = wanted
    if 0 in size:
        return np.empty(size, input.dtype)
    bytes_ = input.itemsize
    first = input[(slice(0, 1),) * input.ndim].reshape(1)
    moved = _numpys(first, (2,), ((start - here[2]) * bytes_,))[1:]
    return _numpys(moved, size, tuple(s * bytes_ for s in stride))


@_strided.grad
def _(g, shapes, here, wanted):
    n = max(_last(here), _last(wanted)) + 1
    memory = _add_at(_reshape(g, (-1,)), (n,), (_places(wanted),))
    inside = _places(here)
    shares = np.bincount(inside, minlength=n)
    if shares.max(initial=1) > 1:  # elements of input that are one in memory share its gradient
        memory = memory / np.maximum(shares, 1)
    return _reshape(_take(memory, (inside,)), shapes[0])


@_strided.samples(
    reference=lambda x, here, wanted: x.ravel()[_places(wanted)].reshape(wanted[0]), smooth=False
)
def _(rng):
    x = rng.normal(size=(3, 4))
    yield x, _layout(x, 0), ((2, 3), (3, 2), 1)


def _wanted(name: str, input: Any, size: Any, stride: Any, offset: int | None) -> tuple[Any, Any]:
    """How input lies, and the layout asked for, inside the memory of input."""
    array = input.array
    if not isinstance(array, np.ndarray):
        raise DeviceError(f"{name}: wants a tensor in the CPU's memory, got one on {input.device}")
    start = offset_of(input)
    wanted = sizes(name, (size,)), sizes(name, (stride,)), start if offset is None else offset
    if len(wanted[0]) != len(wanted[1]) or min((*wanted[0], *wanted[1], wanted[2])) < 0:
        raise ShapeError(
            f"{name}: want as many strides as sizes, none negative; got size {wanted[0]}, stride "
            f"{wanted[1]}, storage_offset {wanted[2]}"
        )
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    low, high = np.lib.array_utils.byte_bounds(owner)
    count = (high - low) // array.itemsize if owner.size else 0
    if _last(wanted) >= count:
        raise OutOfBoundsError(
            f"{name}: size {wanted[0]}, stride {wanted[1]}, storage_offset {wanted[2]} read element "
            f"{_last(wanted)} of a memory of {count}"
        )
    return _layout(array, start), wanted


def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """The elements storage_offset + sum(index * stride) of input's memory, in the shape size; a view.

    storage_offset counts from the start of the memory; by default it is input's own. Read-only
    unless made under ``no_grad``.

    >>> import sensorium as sn
    >>> sn.as_strided(sn.arange(6), (2, 3), (1, 2))
    tensor([[0, 2, 4],
            [1, 3, 5]])
    """
    here, wanted = _wanted("as_strided", input, size, stride, storage_offset)
    out = _strided(input, here, wanted)
    if 0 in wanted[0]:
        return out
    link_view(out, input, out.array.base, (_strided, (here, wanted)))
    if mode.enabled:
        out.array.flags.writeable = False
    return out


def as_strided_copy(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """``as_strided`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.as_strided_copy(sn.arange(4), (3, 2), (1, 1))
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    return clone(as_strided(input, size, stride, storage_offset))


def as_strided_scatter(
    input: Any, src: Any, size: Any, stride: Any, storage_offset: int | None = None
) -> Any:
    """A copy of input with src in place of ``as_strided(input, size, stride, storage_offset)``.

    >>> import sensorium as sn
    >>> sn.as_strided_scatter(sn.zeros(4), sn.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    here, wanted = _wanted("as_strided_scatter", input, size, stride, storage_offset)
    if tuple(src.shape) != wanted[0]:
        raise ShapeError(f"as_strided_scatter: the part is {wanted[0]}, src {tuple(src.shape)}")
    inside, into = _places(here), _places(wanted)
    element = np.full(max(_last(here), _last(wanted)) + 1, -1)
    element[inside] = np.arange(inside.size)
    if (element[into] < 0).any():
        raise OutOfBoundsError(
            f"as_strided_scatter: size {wanted[0]}, stride {wanted[1]}, storage_offset {wanted[2]} "
            f"reach memory that input (shape {tuple(input.shape)}) does not"
        )
    return written(input, element[into], _reshape(to_dtype(src, input.dtype), (-1,)))
