"""Joining and dividing along the usual dimensions: hstack, vstack, tensor_split, meshgrid, ...

Plain functions of cat, reshape and slices, with PyTorch's names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError
from ..tensor import Tensor
from ._dims import one_dim
from ._out import with_out
from .join import cat, flip
from .shape import expand, reshape, transpose


# -- at least so many dimensions -------------------------------------------------------------------
def _given(tensors: tuple[Any, ...]) -> tuple[list[Any], bool]:
    """The tensors, and whether a single one was given bare."""
    if len(tensors) == 1 and not isinstance(tensors[0], Tensor):
        return list(tensors[0]), False
    return list(tensors), len(tensors) == 1


def _each(tensors: tuple[Any, ...], change: Any) -> Any:
    given, alone = _given(tensors)
    found = tuple(change(x) for x in given)
    return found[0] if alone else found


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one dimension.

    >>> import sensorium as sn
    >>> sn.atleast_1d(sn.tensor(1.0)).shape
    sensorium.Size([1])
    """
    return _each(tensors, lambda x: x if x.ndim else reshape(x, (1,)))


def _two(x: Any) -> Any:
    return x if x.ndim >= 2 else reshape(x, (1, -1))


def _three(x: Any) -> Any:
    if x.ndim >= 3:
        return x
    return reshape(x, (*x.shape, 1) if x.ndim == 2 else (1, -1, 1))


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two dimensions; a vector becomes a row.

    >>> import sensorium as sn
    >>> sn.atleast_2d(sn.ones(3)).shape
    sensorium.Size([1, 3])
    """
    return _each(tensors, _two)


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three dimensions, new ones first and last as in NumPy.

    >>> import sensorium as sn
    >>> sn.atleast_3d(sn.ones(3)).shape
    sensorium.Size([1, 3, 1])
    """
    return _each(tensors, _three)


# -- joining ---------------------------------------------------------------------------------------
@with_out
def hstack(tensors: Sequence[Any]) -> Any:
    """Joined side by side: along dimension 1, vectors along 0.

    >>> import sensorium as sn
    >>> sn.hstack([sn.tensor([1, 2]), sn.tensor([3])])
    tensor([1, 2, 3])
    """
    given = [atleast_1d(x) for x in tensors]
    return cat(given, 0 if given and given[0].ndim == 1 else 1)


@with_out
def vstack(tensors: Sequence[Any]) -> Any:
    """Joined one below the other, vectors as rows.

    >>> import sensorium as sn
    >>> sn.vstack([sn.tensor([1, 2]), sn.tensor([3, 4])]).shape
    sensorium.Size([2, 2])
    """
    return cat([_two(x) for x in tensors], 0)


@with_out
def dstack(tensors: Sequence[Any]) -> Any:
    """Joined along the third dimension.

    >>> import sensorium as sn
    >>> sn.dstack([sn.tensor([1, 2]), sn.tensor([3, 4])]).shape
    sensorium.Size([1, 2, 2])
    """
    return cat([_three(x) for x in tensors], 2)


@with_out
def column_stack(tensors: Sequence[Any]) -> Any:
    """Joined side by side, vectors as columns.

    >>> import sensorium as sn
    >>> sn.column_stack([sn.tensor([1, 2]), sn.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return cat([x if x.ndim > 1 else reshape(x, (-1, 1)) for x in tensors], 1)


row_stack, concat, concatenate = vstack, cat, cat


# -- dividing --------------------------------------------------------------------------------------
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Parts of nearly equal size, the larger ones first; or cut before each of the given places.

    >>> import sensorium as sn
    >>> [len(part) for part in sn.tensor_split(sn.arange(7), 3)]
    [3, 2, 2]
    """
    d = one_dim("tensor_split", dim, input.ndim)
    size = input.shape[d]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1:
            raise ShapeError(f"tensor_split: want at least 1 section, got {indices_or_sections}")
        least, more = divmod(size, indices_or_sections)
        cuts = np.cumsum([least + 1] * more + [least] * (indices_or_sections - more)).tolist()[:-1]
    else:
        cuts = [int(place) for place in indices_or_sections]
    edges = [slice(a, b) for a, b in zip([None, *cuts], [*cuts, None])]
    before = (slice(None),) * d
    return tuple(input[(*before, edge)] for edge in edges)


def _named_split(name: str, input: Any, sections: Any, dim: int, least: int) -> tuple[Any, ...]:
    if input.ndim < least:
        raise ShapeError(
            f"{name}: want at least {least} dimensions, got shape {tuple(input.shape)}"
        )
    if isinstance(sections, int) and (sections < 1 or input.shape[dim] % sections):
        raise ShapeError(
            f"{name}: {sections} sections do not divide dimension {dim} of {tuple(input.shape)}"
        )
    return tensor_split(input, sections, dim)


def hsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """``tensor_split`` along dimension 1, of a vector along 0; sections must divide it.

    >>> import sensorium as sn
    >>> len(sn.hsplit(sn.ones(2, 4), 2))
    2
    """
    return _named_split("hsplit", input, indices_or_sections, 1 if input.ndim > 1 else 0, 1)


def vsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """``tensor_split`` along dimension 0; sections must divide it.

    >>> import sensorium as sn
    >>> len(sn.vsplit(sn.ones(4, 2), 2))
    2
    """
    return _named_split("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """``tensor_split`` along dimension 2; sections must divide it.

    >>> import sensorium as sn
    >>> len(sn.dsplit(sn.ones(1, 2, 4), 2))
    2
    """
    return _named_split("dsplit", input, indices_or_sections, 2, 3)


# -- rearranging -----------------------------------------------------------------------------------
def ravel(input: Any) -> Any:
    """All elements in one dimension.

    >>> import sensorium as sn
    >>> sn.ravel(sn.ones(2, 3)).shape
    sensorium.Size([6])
    """
    return reshape(input, (-1,))


def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Turned by k quarter turns from the first of two dimensions towards the second.

    >>> import sensorium as sn
    >>> sn.rot90(sn.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        raise ShapeError(f"rot90: want two dims, got {tuple(dims)}")
    first, second = (one_dim("rot90", d, input.ndim) for d in dims)
    if first == second:
        raise ShapeError(f"rot90: the two dims must differ, got {tuple(dims)}")
    turns = k % 4
    if turns == 2:
        return flip(input, (first, second))
    if turns == 0:
        return input.clone()
    turned = flip(input, (second,)) if turns == 1 else flip(input, (first,))
    return transpose(turned, first, second)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Coordinates of every point of a grid: vectors of sizes n_1, n_2, ... -> tensors (n_1, n_2, ...).

    indexing="xy" exchanges the first two dimensions.

    >>> import sensorium as sn
    >>> x, y = sn.meshgrid(sn.arange(2), sn.arange(3), indexing="ij")
    >>> y
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    given, _ = _given(tensors)
    if indexing not in ("ij", "xy"):
        raise OptionError(f"meshgrid: indexing is 'ij' or 'xy', got {indexing!r}")
    if not given or any(x.ndim > 1 for x in given):
        shapes = [tuple(x.shape) for x in given]
        raise ShapeError(f"meshgrid: wants vectors or single numbers, got shapes {shapes}")
    if len({x.dtype for x in given}) > 1:
        raise ShapeError(f"meshgrid: wants one element type, got {[str(x.dtype) for x in given]}")
    swap = indexing == "xy" and len(given) > 1
    order = [1, 0, *range(2, len(given))] if swap else list(range(len(given)))
    sizes = [given[n].numel() for n in order]
    grids = [
        expand(reshape(x, [-1 if n == place else 1 for place in order]), *sizes)
        for n, x in enumerate(given)
    ]
    return tuple(grids)


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that tensors of these shapes broadcast to.

    >>> import sensorium as sn
    >>> sn.broadcast_shapes((2, 1), (3,))
    sensorium.Size([2, 3])
    """
    from ..size import Size

    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    try:
        return Size(np.broadcast_shapes(*given))
    except ValueError:
        raise ShapeError(f"broadcast_shapes: {given} do not broadcast") from None
