"""Out of several tensors, or into index tuples: block_diag, combinations, tensordot, argwhere, ..."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from itertools import combinations as _choices, combinations_with_replacement as _choices_again
from typing import Any

import numpy as np

from ..dtypes import int64
from ..errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from ..tensor import Tensor, wrap
from ._dims import many_dims, sizes
from ._out import with_out
from .cast import to_dtype
from .gather import nonzero
from .index import _take
from .join import _flip, cat, stack
from .matmul import matmul
from .reduce import sum
from .scatter import written
from .shape import _reshape, permute, sum_to
from .stacking import meshgrid


# -- several tensors -------------------------------------------------------------------------------
def _several(tensors: tuple[Any, ...]) -> list[Any]:
    """The tensors of ``f(a, b)`` or ``f([a, b])``."""
    listed = len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
    return list(tensors[0]) if listed else list(tensors)


def block_diag(*tensors: Any) -> Any:
    """The matrices along the diagonal of one, zeros elsewhere; vectors and numbers are rows.

    >>> import sensorium as sn
    >>> sn.block_diag(sn.tensor([[1, 2]]), sn.tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    blocks = _several(tensors)
    wrong = next((i for i, x in enumerate(blocks) if x.ndim > 2), None)
    if wrong is not None:
        raise ShapeError(
            f"block_diag: wants at most 2 dimensions, tensor {wrong} has shape "
            f"{tuple(blocks[wrong].shape)}"
        )
    if not blocks:
        return _empty((1, 0))
    shapes = [(1,) * (2 - x.ndim) + tuple(x.shape) for x in blocks]
    rows, columns = (builtins.sum(sizes) for sizes in zip(*shapes))
    values = cat([_reshape(x, (-1,)) for x in blocks])
    zeros = wrap(np.zeros((rows, columns), values.dtype, like=values.array))
    places = np.asarray(_block_places(shapes, columns), like=values.array)
    return written(zeros, places, values)


def _empty(shape: tuple[int, ...]) -> Any:
    from ..create import empty

    return empty(shape)


def _block_places(shapes: list[tuple[int, int]], columns: int) -> Any:
    """Where the elements of the blocks lie in the flattened matrix of so many columns."""
    row = column = 0
    places = []
    for n, m in shapes:
        there = (row + np.arange(n))[:, None] * columns + column + np.arange(m)
        places.append(there.reshape(-1))
        row, column = row + n, column + m
    return np.concatenate(places).astype(np.int64)


def cartesian_prod(*tensors: Any) -> Any:
    """All ways to take one element of each vector: (n, number of vectors); of one, the vector.

    >>> import sensorium as sn
    >>> sn.cartesian_prod(sn.tensor([1, 2]), sn.tensor([5, 6]))
    tensor([[1, 5],
            [1, 6],
            [2, 5],
            [2, 6]])
    """
    given = _several(tensors)
    wrong = next((x for x in given if x.ndim != 1), None)
    if not given or wrong is not None:
        shape = "nothing" if wrong is None else tuple(wrong.shape)
        raise ShapeError(f"cartesian_prod: wants vectors, got {shape}")
    if len(given) == 1:
        return given[0]
    grids = meshgrid(*given, indexing="ij")
    return stack([_reshape(x, (-1,)) for x in grids], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All ways to choose r elements of a vector in its order: (n, r).

    >>> import sensorium as sn
    >>> sn.combinations(sn.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if input.ndim != 1 or r < 0:
        raise ShapeError(
            f"combinations: wants a vector and r of at least 0, got {tuple(input.shape)}, r={r}"
        )
    if r == 0:
        return _reshape(input[:0], (0,))
    choose = _choices_again if with_replacement else _choices
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return _take(input, (np.asarray(places, like=input.array),))


# -- products --------------------------------------------------------------------------------------
@with_out
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """The sums of products over dimensions of a and b: the last and first dims, or two lists.

    >>> import sensorium as sn
    >>> sn.tensordot(sn.tensor([[1.0, 2.0]]), sn.tensor([3.0, 4.0]), dims=1)
    tensor([11.])
    """
    left, right = _contracted(a, b, dims)
    sizes_a, sizes_b = [a.shape[i] for i in left], [b.shape[i] for i in right]
    if any(m != n and 1 not in (m, n) for m, n in zip(sizes_a, sizes_b)):
        raise ShapeError(f"tensordot: contracted sizes differ, {sizes_a} and {sizes_b}")
    if a.dtype != b.dtype:
        raise DTypeError(f"tensordot: a is {a.dtype} but b {b.dtype}")
    if sizes_a != sizes_b:  # a size of 1 stands for all of the other's
        a = sum_to(a, _ones(a.shape, {i for i, n in zip(left, sizes_b) if n == 1}))
        b = sum_to(b, _ones(b.shape, {i for i, n in zip(right, sizes_a) if n == 1}))
    kept_a = [i for i in range(a.ndim) if i not in left]
    kept_b = [i for i in range(b.ndim) if i not in right]
    inner = math.prod(a.shape[i] for i in left)
    outer_a, outer_b = [a.shape[i] for i in kept_a], [b.shape[i] for i in kept_b]
    x = _reshape(permute(a, (*kept_a, *left)), (math.prod(outer_a), inner))
    y = _reshape(permute(b, (*right, *kept_b)), (inner, math.prod(outer_b)))
    return _reshape(matmul(x, y), (*outer_a, *outer_b))


def _ones(shape: Any, dims: set[int]) -> tuple[int, ...]:
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


def _contracted(a: Any, b: Any, dims: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions of a and of b that are summed over, pairwise."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot: dims is 0 to {min(a.ndim, b.ndim)} for tensors of {a.ndim} and {b.ndim} "
                f"dimensions, got {dims}"
            )
        return tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise ShapeError(f"tensordot: {len(left)} dimensions of a but {len(right)} of b")
    if not left:
        return (), ()
    return many_dims("tensordot", left, a.ndim), many_dims("tensordot", right, b.ndim)


# -- flips -----------------------------------------------------------------------------------------
def fliplr(input: Any) -> Any:
    """The columns in reverse order: dimension 1; a copy.

    >>> import sensorium as sn
    >>> sn.fliplr(sn.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    if input.ndim < 2:
        raise ShapeError(f"fliplr: wants at least 2 dimensions, got shape {tuple(input.shape)}")
    return _flip(input, (1,))


def flipud(input: Any) -> Any:
    """The rows in reverse order: dimension 0; a copy.

    >>> import sensorium as sn
    >>> sn.flipud(sn.tensor([1, 2]))
    tensor([2, 1])
    """
    if input.ndim < 1:
        raise ShapeError("flipud: wants at least 1 dimension, got a single value")
    return _flip(input, (0,))


# -- indices ---------------------------------------------------------------------------------------
def argwhere(input: Any) -> Any:
    """The indices of the nonzero elements, one row each: (n, ndim).

    >>> import sensorium as sn
    >>> sn.argwhere(sn.tensor([0, 3, 4]))
    tensor([[1],
            [2]])
    """
    return nonzero(input)


def nonzero_static(input: Any, *, size: int, fill_value: int = -1) -> Any:
    """The first size rows of ``nonzero``, rows of fill_value where there are fewer.

    >>> import sensorium as sn
    >>> sn.nonzero_static(sn.tensor([0, 3]), size=2)
    tensor([[ 1],
            [-1]])
    """
    if size < 0:
        raise ShapeError(f"nonzero_static: size must be at least 0, got {size}")
    found = nonzero(input).array[:size]
    missing = np.full((size - len(found), input.ndim), fill_value, np.int64, like=found)
    return wrap(np.concatenate((found, missing)))


def unravel_index(indices: Any, shape: int | Sequence[int]) -> tuple[Any, ...]:
    """The index in each dimension of these places of a flattened tensor of that shape.

    Places beyond the last element start again from the first.

    >>> import sensorium as sn
    >>> sn.unravel_index(sn.tensor([4, 5]), (3, 2))
    (tensor([2, 2]), tensor([0, 1]))
    """
    places = indices.array
    if places.dtype.kind not in "iu":
        raise DTypeError(f"unravel_index: indices must be integers, got {places.dtype}")
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    if min(wanted, default=0) < 0:
        raise OptionError(f"unravel_index: sizes must be at least 0, got {wanted}")
    if places.size and not math.prod(wanted):
        raise OutOfBoundsError(f"unravel_index: {places.size} places in the empty shape {wanted}")
    found = []
    for n in reversed(wanted):
        found.append(wrap(np.asarray(places % max(n, 1))))
        places = places // max(n, 1)
    return tuple(reversed(found))


def sum_to_size(input: Any, *size: Any) -> Any:
    """input summed down to a size that broadcasts to its own.

    >>> import sensorium as sn
    >>> sn.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    wanted = sizes("sum_to_size", size)
    missing = input.ndim - len(wanted)
    if missing < 0 or any(n not in (1, m) for n, m in zip(wanted, input.shape[missing:])):
        raise ShapeError(
            f"sum_to_size: {wanted} does not broadcast to the shape {tuple(input.shape)}"
        )
    extra = tuple(range(missing))
    axes = extra + tuple(
        i + missing for i, n in enumerate(wanted) if n == 1 and input.shape[i + missing] != 1
    )
    if not axes and wanted:
        return input
    return _reshape(sum(input, axes or None), wanted)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of every element of a vector as rows, falling from x**(N-1) to 1, or increasing.

    >>> import sensorium as sn
    >>> sn.vander(sn.tensor([2, 3]), 3)
    tensor([[4, 2, 1],
            [9, 3, 1]])
    """
    if x.ndim != 1:
        raise ShapeError(f"vander: want a vector, got shape {tuple(x.shape)}")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise ShapeError(f"vander: N must not be negative, got {N}")
    powers = np.arange(count) if increasing else np.arange(count)[::-1]
    wanted = x if x.dtype.kind in "fcV" else to_dtype(x, int64)
    return wanted[:, None] ** wrap(np.ascontiguousarray(powers))
