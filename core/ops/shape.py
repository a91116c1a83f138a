"""Other shapes of the same values: reshape, permute, expand, and summing back down.

What NumPy can express by strides is a view and shares memory (reshape where possible, permute,
expand, ...); the tape knows and in-place writes reach both. Two things differ from PyTorch: an
expanded tensor must be copied before it is written to, and ``view`` copies a channels-last image,
because that layout is the library's choice and not the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ._declare import Array, op
from ._dims import many_dims, one_dim, sizes
from ._promote import wide


# -- reshape -------------------------------------------------------------------------------------
def resolve_shape(op_name: str, shape: tuple[int, ...], count: int, given: Any) -> tuple[int, ...]:
    """shape with its one -1 replaced by what count elements leave for it."""
    unknown = [i for i, n in enumerate(shape) if n == -1]
    known = 1
    for n in shape:
        known *= n if n != -1 else 1
    if len(unknown) > 1 or min(shape, default=0) < -1:
        raise ShapeError(f"{op_name}: want sizes >= 0 and at most one -1, got {shape}")
    if unknown and known > 0 and count % known == 0:
        return tuple(count // known if n == -1 else n for n in shape)
    if unknown or known != count:
        raise ShapeError(f"{op_name}: {count} elements of shape {tuple(given)} do not fill {shape}")
    return shape


@op(view=True)
def _reshape(input: Array, shape: tuple[int, ...]) -> Array:
    """The same elements, in row-major order, under another shape."""
    try:
        return input.reshape(shape)
    except (ValueError, TypeError):
        return input.reshape(resolve_shape("reshape", shape, input.size, input.shape))


@_reshape.grad
def _(g, shapes):
    return _reshape(g, shapes[0])


@_reshape.samples(reference=lambda x, shape: np.array(list(x.flat)).reshape(shape))
def _(rng):
    yield rng.normal(size=(2, 6)), (3, -1)
    yield rng.normal(size=(4, 3)).T, (12,)
    yield rng.normal(size=(0, 3)), (3, 0)


def reshape(input: Any, *shape: Any) -> Any:
    """The same elements, in row-major order, under another shape; one size may be -1.

    A view where the layout allows, else a copy.

    >>> import sensorium as sn
    >>> sn.reshape(sn.arange(4), (2, -1))
    tensor([[0, 1],
            [2, 3]])
    """
    whole = len(shape) == 1 and shape[0].__class__ is tuple
    return _reshape(input, shape[0] if whole else sizes("reshape", shape))


def view(input: Any, *shape: Any) -> Any:
    """The same elements under another shape, sharing memory; ``view(dtype)`` casts the bits.

    Images in the library's channels-last layout are copied instead; any other layout that would need
    a copy is an error.

    >>> import sensorium as sn
    >>> sn.arange(4).view(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    if len(shape) == 1 and isinstance(shape[0], (np.dtype, type)):
        return _bits(input, np.dtype(shape[0]))
    wanted, array = sizes("view", shape), input.array
    if -1 in wanted or math.prod(wanted) != array.size:
        wanted = resolve_shape("view", wanted, array.size, array.shape)
    if not array.flags.c_contiguous and not _is_channels_last(array):
        shared = array.view()
        try:
            shared.reshape(wanted, copy=False) if isinstance(array, np.ndarray) else None
        except ValueError:
            raise ShapeError(
                f"view: shape {tuple(input.shape)} with strides {input.stride()} cannot become "
                f"{wanted} without a copy; use reshape"
            ) from None
    return _reshape(input, wanted)


def _is_channels_last(array: Any) -> bool:
    if array.ndim < 3:
        return False
    order = (0, *range(2, array.ndim), 1)
    return bool(array.transpose(order).flags.c_contiguous)


@op(view=True, differentiable=0)
def _bits(input: Array, dtype: Any) -> Array:
    """The same memory read as another element type."""
    if not input.flags.c_contiguous or (input.ndim == 0 and input.itemsize != dtype.itemsize):
        raise ShapeError(f"view: bits of shape {input.shape} cannot be read as {dtype}")
    return input.view(dtype)


@_bits.samples(reference=lambda x, dtype: np.frombuffer(x.tobytes(), dtype).reshape(x.shape))
def _(rng):
    yield rng.normal(size=(3, 4)), np.dtype(np.int64)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions start_dim to end_dim as one.

    >>> import sensorium as sn
    >>> sn.flatten(sn.ones(2, 3, 4), 1).shape
    sensorium.Size([2, 12])
    """
    shape = input.shape
    start, end = one_dim("flatten", start_dim, len(shape)), one_dim("flatten", end_dim, len(shape))
    if start > end:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    if not shape:
        return _reshape(input, (1,))
    merged = math.prod(shape[start : end + 1])
    return _reshape(input, (*shape[:start], merged, *shape[end + 1 :]))


def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Dimension dim split into sizes, one of which may be -1.

    >>> import sensorium as sn
    >>> sn.unflatten(sn.ones(2, 12), 1, (3, -1)).shape
    sensorium.Size([2, 3, 4])
    """
    d = one_dim("unflatten", dim, input.ndim)
    inner = resolve_shape("unflatten", tuple(sizes), input.shape[d], (input.shape[d],))
    return _reshape(input, (*input.shape[:d], *inner, *input.shape[d + 1 :]))


def squeeze(input: Any, dim: Any = None) -> Any:
    """input without its dimensions of size 1, or without those of dim that have size 1.

    >>> import sensorium as sn
    >>> sn.squeeze(sn.ones(1, 2, 1)).shape
    sensorium.Size([2])
    """
    dims = many_dims("squeeze", dim, input.ndim) if dim != () else ()
    kept = tuple(n for i, n in enumerate(input.shape) if not (i in dims and n == 1))
    return _reshape_view(input, kept)


def unsqueeze(input: Any, dim: int) -> Any:
    """input with a new dimension of size 1 at dim.

    >>> import sensorium as sn
    >>> sn.unsqueeze(sn.ones(3), 0).shape
    sensorium.Size([1, 3])
    """
    shape = input.shape
    d = one_dim("unsqueeze", dim, len(shape) + 1)
    return _reshape_view(input, (*shape[:d], 1, *shape[d:]))


@op(view=True)
def _reshape_view(input: Array, shape: tuple[int, ...]) -> Array:
    """Dimensions of size 1 added or removed, which never needs a copy."""
    return input.reshape(shape)


@_reshape_view.grad
def _(g, shapes):
    return _reshape_view(g, shapes[0])


@_reshape_view.samples(reference=lambda x, shape: np.array(list(x.flat)).reshape(shape))
def _(rng):
    yield rng.normal(size=(2, 1, 6)).transpose(2, 0, 1), (1, 6, 2)


# -- permute -------------------------------------------------------------------------------------
@op(view=True)
def _permute(input: Array, dims: tuple[int, ...]) -> Array:
    """The dimensions in another order; a view."""
    return input.transpose(dims)


@_permute.grad
def _(g, dims):
    back = sorted(range(len(dims)), key=dims.__getitem__)
    return _permute(g, tuple(back))


@_permute.samples(reference=lambda x, dims: np.moveaxis(x, dims, range(len(dims))))
def _(rng):
    yield rng.normal(size=(2, 3, 4)), (2, 0, 1)


def permute(input: Any, *args: Any, dims: Any = None) -> Any:
    """The dimensions in another order; a view. ``permute(x, (1, 0))``, ``x.permute(1, 0)``.

    >>> import sensorium as sn
    >>> sn.permute(sn.ones(2, 3, 4), (2, 0, 1)).shape
    sensorium.Size([4, 2, 3])
    """
    wanted = sizes("permute", args if dims is None else (tuple(dims),))
    n = input.ndim
    order = tuple([one_dim("permute", d, n) for d in wanted])
    if len(order) != n or len(set(order)) != n:
        raise ShapeError(f"permute: dims {wanted} are no order of {n} dimensions")
    return _permute(input, order)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged; a view.

    >>> import sensorium as sn
    >>> sn.transpose(sn.ones(2, 3), 0, 1).shape
    sensorium.Size([3, 2])
    """
    n = input.ndim
    a, b = one_dim("transpose", dim0, n), one_dim("transpose", dim1, n)
    if n == 2:
        return _permute(input, (1, 0) if a != b else (0, 1))
    order = list(range(n))
    if order:
        order[a], order[b] = b, a
    return _permute(input, tuple(order))


def t(input: Any) -> Any:
    """The transpose of a matrix; a vector or a single value as it is.

    >>> import sensorium as sn
    >>> sn.t(sn.ones(2, 3)).shape
    sensorium.Size([3, 2])
    """
    if input.ndim > 2:
        raise ShapeError(f"t: want at most 2 dimensions, got shape {tuple(input.shape)}")
    return _permute(input, tuple(reversed(range(input.ndim))))


def reversed_dims(input: Any) -> Any:
    """All dimensions in reverse order; a view (``x.T``).

    >>> import sensorium as sn
    >>> sn.ones(2, 3).T.shape
    sensorium.Size([3, 2])
    """
    ndim = input.array.ndim
    return _permute(input, (1, 0) if ndim == 2 else tuple(range(ndim - 1, -1, -1)))


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions moved from source to destination, the others in their order; a view.

    >>> import sensorium as sn
    >>> sn.movedim(sn.ones(2, 3, 4), 0, -1).shape
    sensorium.Size([3, 4, 2])
    """
    start = many_dims("movedim", source, input.ndim)
    end = many_dims("movedim", destination, input.ndim)
    if len(start) != len(end):
        raise ShapeError(f"movedim: {len(start)} sources but {len(end)} destinations")
    placed = dict(zip(end, start))
    rest = iter(d for d in range(input.ndim) if d not in start)
    return _permute(
        input, tuple(placed.get(i, -1) if i in placed else next(rest) for i in range(input.ndim))
    )


# -- expand and sum_to ---------------------------------------------------------------------------
_BUFFERS = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


@op(view=True)
def _expand(input: Array, shape: tuple[int, ...]) -> Array:
    """Dimensions of size 1, and missing leading ones, repeated without a copy."""
    if input.size == math.prod(shape):
        return input.reshape(shape)  # nothing is repeated: a view like any other, to be written to
    if input.__class__ is np.ndarray and input.dtype in _BUFFERS and input.flags.c_contiguous:
        return _repeated(input, shape)
    return np.broadcast_to(input, shape)


def _repeated(x: Any, shape: tuple[int, ...]) -> Any:
    """``np.broadcast_to`` of memory without gaps, 2 us sooner: shape is known to fit."""
    missing = len(shape) - x.ndim
    steps = [0 if n != m else s for n, m, s in zip(x.shape, shape[missing:], x.strides)]
    y = np.ndarray(shape, x.dtype, x, 0, (*(0,) * missing, *steps))
    y.flags.writeable = False
    return y


@_expand.grad
def _(g):
    return g  # the engine sums it back to the input's shape


@_expand.samples(reference=lambda x, shape: x + np.zeros(shape))
def _(rng):
    yield rng.normal(size=(3, 1)), (2, 3, 4)
    yield rng.normal(size=()), (2,)


def expand(input: Any, *shape: Any) -> Any:
    """Dimensions of size 1, and missing leading ones, repeated without a copy; -1 keeps a size.

    >>> import sensorium as sn
    >>> sn.tensor([[1], [2]]).expand(-1, 2)
    tensor([[1, 1],
            [2, 2]])
    """
    wanted, given = sizes("expand", shape), input.shape
    missing = len(wanted) - len(given)
    full = list(wanted)
    for i, h in enumerate(given, missing):
        if missing >= 0 and full[i] != h:
            full[i] = h if full[i] == -1 else full[i] if h == 1 else -1
    if missing < 0 or min(full, default=0) < 0:
        raise ShapeError(f"expand: shape {tuple(given)} does not expand to {wanted}")
    return _expand(input, tuple(full))


def broadcast_to(input: Any, shape: Any) -> Any:
    """``expand`` under its other name.

    >>> import sensorium as sn
    >>> sn.broadcast_to(sn.ones(3), (2, 3)).shape
    sensorium.Size([2, 3])
    """
    return expand(input, tuple(shape))


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """All tensors expanded to their common shape.

    >>> import sensorium as sn
    >>> [tuple(x.shape) for x in sn.broadcast_tensors(sn.ones(3, 1), sn.ones(2))]
    [(3, 2), (3, 2)]
    """
    try:
        shape = np.broadcast_shapes(*(tuple(x.shape) for x in tensors))
    except ValueError:
        shapes = ", ".join(str(tuple(x.shape)) for x in tensors)
        raise ShapeError(f"broadcast_tensors: shapes {shapes} do not broadcast") from None
    return tuple(_expand(x, shape) for x in tensors)


@op
def sum_to(input: Array, shape: tuple[int, ...]) -> Array:
    """input summed down to a shape that broadcasts to its own: the gradient of broadcasting.

    >>> import sensorium as sn
    >>> sn.ops.sum_to(sn.ones(2, 3), (3,))
    tensor([2., 2., 2.])
    """
    extra = input.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and input.shape[i + extra] != 1
    )
    y = np.add.reduce(input, axis=axes, dtype=wide(input.dtype), keepdims=True).reshape(shape)
    return y.astype(input.dtype, copy=False)


@sum_to.grad
def _(g, shapes):
    return _expand(g, shapes[0])


@sum_to.samples(reference=lambda x, shape: _slow_sum_to(x, shape), tolerance=1e-10)
def _(rng):
    yield rng.normal(size=(2, 3, 4)), (3, 1)
    yield rng.normal(size=(2, 3)), ()


def _slow_sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    total = np.zeros(shape)
    for index in np.ndindex(*x.shape):
        short = index[len(index) - len(shape) :]
        total[tuple(0 if n == 1 else i for i, n in zip(short, shape))] += x[index]
    return total
