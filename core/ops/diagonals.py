"""Diagonals: read as a view, laid out as matrices, written into; and the indices of triangles.

``diagonal`` shares memory with its input: what is written into it shows there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import as_dtype, int64
from ..errors import ShapeError
from ..inplace import check_writable, wrote
from ..tensor import Tensor, wrap
from ._declare import Array, op
from ._dims import one_dim
from ._out import with_out
from .cast import clone, to_dtype
from .scatter import written
from .select import as_value
from .shape import _reshape


# -- the view --------------------------------------------------------------------------------------
def _view(x: Any, offset: int, dim1: int, dim2: int) -> Any:
    y = x.diagonal(offset, dim1, dim2)
    if isinstance(y, np.ndarray) and x.flags.writeable:
        y.flags.writeable = True  # NumPy's are read-only; they are views all the same
    return y


@op(view=True)
def _diagonal(input: Array, offset: int, dim1: int, dim2: int) -> Array:
    """The elements [i, i + offset] of two dimensions as a new last one; a view."""
    return _view(input, offset, dim1, dim2)


@_diagonal.grad
def _(g, shapes, offset, dim1, dim2):
    return _on_diagonal(g, shapes[0], offset, dim1, dim2)


@_diagonal.samples(
    reference=lambda x, offset, dim1, dim2: np.array(np.diagonal(x, offset, dim1, dim2))
)
def _(rng):
    yield rng.normal(size=(3, 4)), 1, 0, 1
    yield rng.normal(size=(2, 3, 3)), -1, 1, 2


@op
def _on_diagonal(input: Array, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Array:
    """Zeros of shape with input on a diagonal: what ``_diagonal`` reads back."""
    y = np.zeros(shape, input.dtype, like=input)
    _view(y, offset, dim1, dim2)[...] = input
    return y


@_on_diagonal.grad
def _(g, offset, dim1, dim2):
    return _diagonal(g, offset, dim1, dim2)


@_on_diagonal.samples(
    reference=lambda x, shape, offset, dim1, dim2: np.stack([np.diag(row, offset) for row in x])
)
def _(rng):
    yield rng.normal(size=(2, 3)), (2, 4, 4), 1, 1, 2


def _two(name: str, dim1: int, dim2: int, ndim: int) -> tuple[int, int]:
    a, b = one_dim(name, dim1, ndim), one_dim(name, dim2, ndim)
    if a == b or ndim < 2:
        raise ShapeError(
            f"{name}: wants two different dimensions, got dim1 {dim1} and dim2 {dim2} of {ndim}"
        )
    return a, b


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The elements [i, i + offset] of dim1 and dim2 as a new last dimension; a view.

    >>> import sensorium as sn
    >>> sn.diagonal(sn.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return _diagonal(input, offset, *_two("diagonal", dim1, dim2, input.ndim))


@with_out
def diagonal_copy(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """``diagonal`` in memory of its own.

    >>> import sensorium as sn
    >>> sn.diagonal_copy(sn.tensor([[1, 2], [3, 4]]), 1)
    tensor([2])
    """
    return clone(diagonal(input, offset, dim1, dim2))


# -- matrices with a diagonal ----------------------------------------------------------------------
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Square matrices, in dimensions dim1 and dim2, with the last dimension on their diagonal.

    >>> import sensorium as sn
    >>> sn.diag_embed(sn.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if not input.ndim:
        raise ShapeError("diag_embed: wants at least one dimension, got a single value")
    a, b = _two("diag_embed", dim1, dim2, input.ndim + 1)
    side = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = tuple(side if i in (a, b) else next(rest) for i in range(input.ndim + 1))
    return _on_diagonal(input, shape, offset, a, b)


@with_out
def diag(input: Any, diagonal: int = 0) -> Any:
    """A matrix with a vector on its diagonal; or the diagonal of a matrix, a copy.

    >>> import sensorium as sn
    >>> sn.diag(sn.tensor([1, 2])), sn.diag(sn.tensor([[1, 2], [3, 4]]), 1)
    (tensor([[1, 0],
            [0, 2]]), tensor([2]))
    """
    if input.ndim not in (1, 2):
        raise ShapeError(f"diag: wants a vector or a matrix, got shape {tuple(input.shape)}")
    return (diag_embed if input.ndim == 1 else diagonal_copy)(input, diagonal)


def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with the elements of input, in row-major order, on its diagonal.

    >>> import sensorium as sn
    >>> sn.diagflat(sn.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(_reshape(input, (-1,)), offset)


# -- written into ----------------------------------------------------------------------------------
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of input with src in place of ``diagonal(input, offset, dim1, dim2)``.

    >>> import sensorium as sn
    >>> sn.diagonal_scatter(sn.zeros(2, 2), sn.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    a, b = _two("diagonal_scatter", dim1, dim2, input.ndim)
    every = np.arange(input.numel(), like=input.array).reshape(tuple(input.shape))
    places = every.diagonal(offset, a, b)
    if tuple(src.shape) != places.shape:
        raise ShapeError(
            f"diagonal_scatter: the diagonal has shape {places.shape}, src {tuple(src.shape)}"
        )
    return written(input, places.reshape(-1), _reshape(to_dtype(src, input.dtype), (-1,)))


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write a number on the main diagonal: [i, i], [i, i, i], ... of equally large dimensions.

    wrap: in a matrix of more rows than columns, go on after each square and the row below it.

    >>> import sensorium as sn
    >>> sn.zeros(2, 2).fill_diagonal_(1)
    tensor([[1., 0.],
            [0., 1.]])
    """
    shape = tuple(self.shape)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(f"fill_diagonal_: wants a matrix or equal dimensions, got shape {shape}")
    number = as_value("fill_diagonal_", fill_value, self.dtype)
    places = np.asarray(_main_places(shape, wrap), like=self.array)
    if self.needs_grad:
        return self.copy_(written(self, places, number))
    check_writable("fill_diagonal_", self)
    self.array[np.unravel_index(places, shape)] = number
    wrote(self)
    return self


def _main_places(shape: tuple[int, ...], wrap: bool) -> Any:
    """Where the main diagonal lies in the flattened tensor."""
    step = sum(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    count = np.prod(shape) if wrap and len(shape) == 2 else min(shape) * step
    return np.arange(0, min(int(count), int(np.prod(shape))), step)


# -- triangles -------------------------------------------------------------------------------------
def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Any:
    """Row and column numbers of the elements on and below a diagonal of a row x col matrix: (2, n).

    >>> import sensorium as sn
    >>> sn.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle("tril_indices", row, col, offset, dtype, device, layout, True)


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Any:
    """Row and column numbers of the elements on and above a diagonal of a row x col matrix: (2, n).

    >>> import sensorium as sn
    >>> sn.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle("triu_indices", row, col, offset, dtype, device, layout, False)


def _triangle(
    name: str, row: int, col: int, offset: int, dtype: Any, device: Any, layout: Any, lower: bool
) -> Any:
    from ..create import check_layout

    check_layout(name, layout)
    if row < 0 or col < 0:
        raise ShapeError(f"{name}: wants sizes of at least 0, got {row} x {col}")
    ahead = np.arange(col)[None, :] - np.arange(row)[:, None]
    places = np.nonzero(ahead <= offset if lower else ahead >= offset)
    found = wrap(np.stack(places).astype(int64 if dtype is None else as_dtype(dtype)))
    return found if device is None else found.to(device=device)
