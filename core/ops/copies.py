"""The ``_copy`` forms of what is otherwise a view, and the ``unsafe_`` forms of splitting.

Each is the view and then a copy: the result has memory of its own. The unsafe forms, which in
PyTorch leave out a check of views, are the views here: every check is cheap enough to keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ._dims import one_dim
from ._out import with_out
from .cast import clone
from .index import narrow, select
from .join import chunk, split, unbind
from .polar import view_as_complex, view_as_real
from .shape import expand, permute, reshape, squeeze, t, transpose, unsqueeze, view
from .sliding import unfold


def _copies(parts: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(map(clone, parts))


# -- of the whole ----------------------------------------------------------------------------------
@with_out
def alias_copy(input: Any) -> Any:
    """A copy of input.

    >>> import sensorium as sn
    >>> sn.alias_copy(sn.tensor([1]))
    tensor([1])
    """
    return clone(input)


@with_out
def detach_copy(input: Any) -> Any:
    """A copy of input outside the graph.

    >>> import sensorium as sn
    >>> sn.detach_copy(sn.ones(1, requires_grad=True)).requires_grad
    False
    """
    return clone(input.detach())


@with_out
def expand_copy(input: Any, size: Any, *, implicit: bool = False) -> Any:
    """``expand`` in memory of its own. implicit changes nothing.

    >>> import sensorium as sn
    >>> sn.expand_copy(sn.tensor([1]), (2,))
    tensor([1, 1])
    """
    return clone(expand(input, tuple(size)))


@with_out
def view_copy(input: Any, size: Any = None, *, dtype: Any = None) -> Any:
    """``view``, by size or element type, in memory of its own.

    >>> import sensorium as sn
    >>> sn.view_copy(sn.tensor([1, 2]), (2, 1))
    tensor([[1],
            [2]])
    """
    if (size is None) == (dtype is None):
        raise ShapeError("view_copy: wants either size or dtype")
    if dtype is not None:
        return clone(view(input, dtype))
    return clone(reshape(input, size) if isinstance(size, (tuple, list)) else view(input, size))


@with_out
def permute_copy(input: Any, dims: Any) -> Any:
    """``permute`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.permute_copy(sn.ones(2, 3), (1, 0)).shape
    sensorium.Size([3, 2])
    """
    return clone(permute(input, tuple(dims)))


@with_out
def transpose_copy(input: Any, dim0: int, dim1: int) -> Any:
    """``transpose`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.transpose_copy(sn.ones(2, 3), 0, 1).shape
    sensorium.Size([3, 2])
    """
    return clone(transpose(input, dim0, dim1))


@with_out
def t_copy(input: Any) -> Any:
    """``t`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.t_copy(sn.ones(2, 3)).shape
    sensorium.Size([3, 2])
    """
    return clone(t(input))


@with_out
def squeeze_copy(input: Any, dim: Any = None) -> Any:
    """``squeeze`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.squeeze_copy(sn.ones(1, 2)).shape
    sensorium.Size([2])
    """
    return clone(squeeze(input, dim))


@with_out
def unsqueeze_copy(input: Any, dim: int) -> Any:
    """``unsqueeze`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.unsqueeze_copy(sn.ones(2), 0).shape
    sensorium.Size([1, 2])
    """
    return clone(unsqueeze(input, dim))


@with_out
def view_as_real_copy(input: Any) -> Any:
    """``view_as_real`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.view_as_real_copy(sn.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    return clone(view_as_real(input))


@with_out
def view_as_complex_copy(input: Any) -> Any:
    """``view_as_complex`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.view_as_complex_copy(sn.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    return clone(view_as_complex(input))


# -- of parts --------------------------------------------------------------------------------------
@with_out
def narrow_copy(input: Any, dim: int, start: int, length: int) -> Any:
    """``narrow`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.narrow_copy(sn.arange(5), 0, 1, 2)
    tensor([1, 2])
    """
    return clone(narrow(input, dim, start, length))


@with_out
def select_copy(input: Any, dim: int, index: int) -> Any:
    """``select`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.select_copy(sn.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([3, 4])
    """
    return clone(select(input, dim, index))


@with_out
def slice_copy(
    input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """The slices start to end, by step, along dim, in memory of their own.

    >>> import sensorium as sn
    >>> sn.slice_copy(sn.arange(6), 0, 1, 6, 2)
    tensor([1, 3, 5])
    """
    d = one_dim("slice_copy", dim, input.ndim)
    if not input.ndim or step < 1:
        raise ShapeError(f"slice_copy: want a dimension and a step > 0, got {input.ndim}-d, {step}")
    return clone(input[(slice(None),) * d + (slice(start, end, step),)])


@with_out
def unfold_copy(input: Any, dimension: int, size: int, step: int) -> Any:
    """``unfold`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.unfold_copy(sn.arange(4), 0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    return clone(unfold(input, dimension, size, step))


@with_out
def unbind_copy(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """``unbind`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.unbind_copy(sn.tensor([1, 2]))
    (tensor(1), tensor(2))
    """
    return _copies(unbind(input, dim))


# -- splitting -------------------------------------------------------------------------------------
def split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Pieces of the given sizes along dim; views.

    >>> import sensorium as sn
    >>> sn.split_with_sizes(sn.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return _split_sizes("split_with_sizes", input, split_sizes, dim)


def _split_sizes(name: str, input: Any, split_sizes: Any, dim: int) -> tuple[Any, ...]:
    if isinstance(split_sizes, int):
        raise ShapeError(f"{name}: wants a list of sizes, got {split_sizes}")
    return split(input, list(split_sizes), dim)


@with_out
def split_copy(input: Any, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
    """``split`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.split_copy(sn.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _copies(split(input, split_size, dim))


@with_out
def split_with_sizes_copy(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """``split_with_sizes`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.split_with_sizes_copy(sn.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return _copies(_split_sizes("split_with_sizes_copy", input, split_sizes, dim))


def unsafe_split(input: Any, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
    """``split``.

    >>> import sensorium as sn
    >>> sn.unsafe_split(sn.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return split(input, split_size, dim)


def unsafe_split_with_sizes(
    input: Any, split_sizes: Sequence[int], dim: int = 0
) -> tuple[Any, ...]:
    """``split_with_sizes``.

    >>> import sensorium as sn
    >>> sn.arange(3).unsafe_split_with_sizes([1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return _split_sizes("unsafe_split_with_sizes", input, split_sizes, dim)


def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """``chunk``.

    >>> import sensorium as sn
    >>> sn.unsafe_chunk(sn.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return chunk(input, chunks, dim)
