"""Memory formats: in which order the dimensions of a tensor lie in memory.

``contiguous_format`` is row-major, ``channels_last`` puts the channels of (N, C, H, W) innermost,
``channels_last_3d`` those of (N, C, D, H, W), and ``preserve_format`` keeps the order of the input.
A format never changes a shape, only strides. What is here: the names, what ``memory_format=`` does to
a copy or a new tensor, ``is_contiguous`` in a format, and tensors made with given strides. Follows
``torch.memory_format`` and ``torch.layout``; left out are sparse layouts.

>>> import sensorium as sn
>>> sn.ones(2, 3, 4, 5).contiguous(memory_format=sn.channels_last).stride()
(60, 1, 15, 3)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import as_dtype, default_of
from .errors import DTypeError, ShapeError
from .tensor import Tensor, wrap


class _Named:
    """A constant that prints as its name in the package."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"sensorium.{self.name}"

    def __reduce__(self) -> str:  # a constant is found again by its name, also in another process
        return self.name


class memory_format(_Named):
    """The class of the four memory formats."""

    __slots__ = ()


class layout(_Named):
    """The class of ``strided``, the one layout there is."""

    __slots__ = ()


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")

RANKS = {channels_last: 4, channels_last_3d: 5}


def check(name: str, format: Any, *refused: memory_format) -> None:
    """Refuse what is no memory format, and those that the operation does not take."""
    if not isinstance(format, memory_format):
        raise DTypeError(
            f"{name}: memory_format must be a sensorium.memory_format, got {type(format).__name__}"
        )
    if format in refused:
        raise ShapeError(f"{name}: memory_format {format} is not one it can make")


def check_layout(name: str, given: Any) -> None:
    """Refuse every layout but ``strided``."""
    if given is not None and given is not strided:
        raise DTypeError(f"{name}: layout must be sensorium.strided, got {given!r}")


def order(name: str, format: memory_format, ndim: int) -> tuple[int, ...]:
    """The dimensions from the outermost in memory to the innermost."""
    if format is contiguous_format:
        return tuple(range(ndim))
    if RANKS[format] != ndim:
        raise ShapeError(f"{name}: {format} wants {RANKS[format]} dimensions, got {ndim}")
    return (0, *range(2, ndim), 1)


def _arranged(name: str, array: Any, format: memory_format) -> tuple[Any, tuple[int, ...]]:
    """The view of array whose row-major order is the format, and the way back."""
    dims = order(name, format, array.ndim)
    back = [0] * len(dims)
    for place, dim in enumerate(dims):
        back[dim] = place
    return array.transpose(dims), tuple(back)


def copied(name: str, array: Any, format: memory_format) -> Any:
    """A copy of array in a format."""
    check(name, format)
    if format is preserve_format:
        return array.copy(order="K")
    view, back = _arranged(name, array, format)
    return view.copy(order="C").transpose(back)


def empty_like(array: Any, dtype: Any, format: memory_format) -> Any:
    """Memory for array's shape in a format; nothing written."""
    check("empty_like", format)
    if format is preserve_format:
        return np.empty_like(array, dtype=dtype, order="K")
    view, back = _arranged("empty_like", array, format)
    return np.empty_like(view, dtype=dtype, order="C").transpose(back)


def follows(array: Any, format: Any) -> bool:
    """Whether array lies in memory in this format without gaps; sizes of 1 have no say."""
    check("is_contiguous", format)
    if format is preserve_format:
        return bool(array.flags.c_contiguous)
    if format is not contiguous_format and RANKS[format] != array.ndim:
        return False
    expected = array.itemsize
    for dim in reversed(order("is_contiguous", format, array.ndim)):
        if array.shape[dim] != 1:
            if array.strides[dim] != expected:
                return array.size == 0 and format is contiguous_format
            expected *= array.shape[dim]
    return True


def suggested(array: Any) -> memory_format:
    """The format that array's strides are of: channels-last where they say so, else contiguous."""
    for format, rank in RANKS.items():
        if array.ndim == rank and _says_channels_last(array, format):
            return format
    return contiguous_format


def _says_channels_last(array: Any, format: memory_format) -> bool:
    least = 0
    if array.strides[1] == 0:
        return False
    for dim in reversed(order("strides", format, array.ndim)):
        step, size = array.strides[dim], array.shape[dim]
        if size == 0 or step < least or (dim == 0 and least == array.strides[1]):
            return False  # (N, 1, 1, 1) says nothing: contiguous wins, as in PyTorch
        least = step * size if size > 1 else step
    return True


# -- tensors with the strides asked for ----------------------------------------------------------
def _sizes(name: str, what: str, values: Any) -> tuple[int, ...]:
    try:
        return tuple(int(v) for v in values)
    except (TypeError, ValueError):
        raise ShapeError(f"{name}: {what} must be integers, got {values!r:.80}") from None


def _options(name: str, dtype: Any, layout: Any) -> np.dtype[Any]:
    check_layout(name, layout)
    return default_of(2) if dtype is None else as_dtype(dtype)


def empty_permuted(
    size: Any,
    physical_layout: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """An unfilled tensor whose dimensions lie in memory in the order of physical_layout.

    >>> empty_permuted((2, 3, 5, 7), (0, 2, 3, 1)).stride()
    (105, 1, 21, 3)
    """
    from .create import finish

    size = _sizes("empty_permuted", "sizes", size)
    dims = _sizes("empty_permuted", "physical_layout", physical_layout)
    if sorted(dims) != list(range(len(size))):
        raise ShapeError(
            f"empty_permuted: physical_layout {dims} is no order of the {len(size)} dimensions of "
            f"{size}"
        )
    if min(size, default=0) < 0:
        raise ShapeError(f"empty_permuted: sizes must not be negative, got {size}")
    kind = _options("empty_permuted", dtype, layout)
    made = np.empty([size[d] for d in dims], kind)
    return finish(made.transpose(np.argsort(dims)), device, requires_grad)


def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """An unfilled tensor with these sizes and these strides (in elements).

    >>> empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    from .create import finish

    size, stride = (
        _sizes("empty_strided", "sizes", size),
        _sizes("empty_strided", "strides", stride),
    )
    if len(size) != len(stride):
        raise ShapeError(
            f"empty_strided: {len(size)} sizes {size} want as many strides, got {stride}"
        )
    if min((*size, *stride), default=0) < 0:
        raise ShapeError(
            f"empty_strided: sizes and strides must not be negative, got {size} and {stride}"
        )
    kind = _options("empty_strided", dtype, layout)
    last = sum((n - 1) * s for n, s in zip(size, stride)) if 0 not in size else -1
    steps = [s * kind.itemsize for s in stride]
    return finish(np.ndarray(size, kind, np.empty(last + 1, kind), 0, steps), device, requires_grad)


def new_empty_strided(
    self: Tensor,
    size: Any,
    stride: Any,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """``empty_strided`` with this tensor's element type and device.

    >>> import sensorium as sn
    >>> sn.ones(1, dtype=sn.int64).new_empty_strided((2, 3), (1, 2)).dtype
    dtype('int64')
    """
    return empty_strided(
        size,
        stride,
        dtype=self.dtype if dtype is None else dtype,
        layout=layout,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
        pin_memory=pin_memory,
    )


# -- page-locked memory --------------------------------------------------------------------------
def pinned(self: Tensor) -> Tensor:
    """This tensor's values in page-locked memory, from which a GPU copies without waiting.

    Itself if it lies there already. DeviceError where there is no GPU.
    """
    from .backends import cuda

    if cuda.is_pinned(self.array):
        return self
    return wrap(cuda.pinned(self.array))


def is_pinned(self: Tensor) -> bool:
    """Whether this tensor lies in page-locked memory.

    >>> import sensorium as sn
    >>> sn.ones(2).is_pinned()
    False
    """
    from .backends import cuda

    return cuda.is_pinned(self.array)


pin_memory = pinned
