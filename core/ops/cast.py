"""Other element types and layouts of the same values: cast, clone, contiguous.

``memory_format=`` is explained in ``sensorium.memory``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device import CPU, move
from ..dtypes import FLOATING
from ._declare import Array, op


# -- cast ----------------------------------------------------------------------------------------
@op
def cast(input: Array, dtype: Any) -> Array:
    """input in another element type; always a copy. Complex to real drops the imaginary part.

    >>> import sensorium as sn
    >>> sn.ops.cast(sn.tensor([1.7, -1.7]), sn.int64)
    tensor([ 1, -1])
    """
    if input.dtype.kind == "c" and dtype.kind != "c":
        input = input.real
    return input.astype(dtype)


@cast.grad
def _(g):
    return g  # the engine casts to the input's type


@cast.samples(reference=lambda x, dtype: np.array(list(x.ravel()), dtype).reshape(x.shape))
def _(rng):
    yield rng.normal(size=(3, 4)), np.dtype(np.float64)


@op(differentiable=0)
def cast_exact(input: Array, dtype: Any) -> Array:
    """input as integers or booleans, which have no gradient.

    >>> import sensorium as sn
    >>> sn.tensor([0.0, 2.5]).bool()
    tensor([False,  True])
    """
    if input.dtype.kind == "c" and dtype.kind != "b":  # a number is true where it is not 0
        input = input.real
    return input.astype(dtype)


@cast_exact.samples(reference=lambda x, dtype: np.trunc(x))
def _(rng):
    yield rng.normal(size=(3, 4)) * 3, np.dtype(np.int64)


def to_dtype(input: Any, dtype: Any) -> Any:
    """input itself if it has the type already, else a cast copy."""
    if input.dtype == dtype:
        return input
    return cast(input, dtype) if dtype in FLOATING else cast_exact(input, dtype)


# -- copies --------------------------------------------------------------------------------------
@op(warns=False)
def clone(input: Array, memory_format: Any = None) -> Array:
    """A copy with memory of its own, in the same layout or in memory_format.

    >>> import sensorium as sn
    >>> sn.clone(sn.tensor([1, 2]))
    tensor([1, 2])
    """
    if memory_format is None:
        return input.copy(order="K")
    from ..memory import copied

    return copied("clone", input, memory_format)


@clone.grad
def _(g):
    return g


@clone.samples(reference=lambda x: np.array(x.tolist()).reshape(x.shape))
def _(rng):
    yield (rng.normal(size=(3, 4)),)
    yield (rng.normal(size=(3, 4)).T[::2],)


@op(warns=False)
def row_major(input: Array) -> Array:
    """A copy in row-major order.

    >>> import sensorium as sn
    >>> sn.ones(2, 3).T.contiguous().is_contiguous()
    True
    """
    return input.copy(order="C")


@row_major.grad
def _(g):
    return g


@row_major.samples(reference=lambda x: np.array(x.tolist()))
def _(rng):
    yield (rng.normal(size=(3, 4)).T,)


def contiguous(input: Any, memory_format: Any = None) -> Any:
    """input itself if its elements lie in row-major order (in memory_format), else a copy that does.

    >>> import sensorium as sn
    >>> sn.ones(2, 3).T.contiguous().stride()
    (2, 1)
    """
    if memory_format is None:
        return input if input.array.flags.c_contiguous else row_major(input)
    if input.is_contiguous(memory_format):
        return input
    from ..memory import check, preserve_format

    check("contiguous", memory_format, preserve_format)
    return clone(input, memory_format)


@op
def moved(input: Array, device: Any) -> Array:
    """A copy of input in the memory of another device.

    >>> import sensorium as sn
    >>> sn.ones(1).to("cpu").device
    device(type='cpu')
    """
    return move(input, device)


@moved.grad
def _(g, input, device):
    from ..device import device_of

    return moved(g, device_of(getattr(input, "array", input)))


@moved.samples(reference=lambda x, device: x + 0)
def _(rng):
    yield rng.normal(size=(3,)), CPU
