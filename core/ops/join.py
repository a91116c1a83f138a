"""Joining, splitting, repeating and padding: cat, stack, split, chunk, repeat, flip, roll, pad."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..tensor import Tensor
from ._declare import Array, Arrays, op
from ._dims import many_dims, one_dim, sizes
from ._out import with_out
from ._results import no_list
from .gather import index_select
from .index import _view_index, select
from .shape import expand, reshape


# -- join ----------------------------------------------------------------------------------------
def _check_join(name: str, tensors: Any, d: int) -> None:
    first = tuple(tensors[0].shape)
    for i, x in enumerate(tensors):
        other = tuple(x.shape)
        if len(other) != len(first) or other[:d] + other[d + 1 :] != first[:d] + first[d + 1 :]:
            raise ShapeError(
                f"{name}: shapes must agree except in dim {d}: tensor 0 is {first}, tensor {i} {other}"
            )


@with_out
@op(promote="common")
def cat(tensors: Arrays, dim: int = 0) -> Array:
    """The tensors one after another along dim; other sizes must agree.

    Legacy empty tensors of shape (0,) are left out, as in PyTorch.

    >>> import sensorium as sn
    >>> sn.cat([sn.tensor([1, 2]), sn.tensor([3])])
    tensor([1, 2, 3])
    """
    try:
        return np.concatenate(tensors, axis=dim)
    except ValueError:  # a size that does not fit, or an empty tensor to leave out
        return _joined(tensors, dim)


def _joined(tensors: Any, dim: int) -> Any:
    """``cat`` without the empty tensors of shape (0,), or the error that says what does not fit."""
    joined = [x for x in tensors if x.shape != (0,)] or tensors[:1]
    if joined[0].ndim == 0:
        raise ShapeError("cat: zero-dimensional tensors cannot be joined; use stack")
    d = one_dim("cat", dim, joined[0].ndim)
    _check_join("cat", joined, d)
    return np.concatenate(joined, axis=d)


@cat.grad
def _(g, shapes, dim):
    start, parts = 0, []
    for shape in shapes[0]:
        if shape == (0,):
            parts.append(None)
            continue
        d = dim % len(shape)
        index = (slice(None),) * d + (slice(start, start + shape[d]),)
        parts.append(g[index])
        start += shape[d]
    return parts


@cat.samples(
    reference=lambda xs, dim=0: (
        np.array([row for x in xs for row in np.moveaxis(x, dim, 0)]).swapaxes(0, dim)
        if xs[0].ndim == 2
        else None
    )
)
def _(rng):
    yield ([rng.normal(size=(2, 3)), rng.normal(size=(4, 3))],)
    yield [rng.normal(size=(3, 2)), rng.normal(size=(3, 1)), rng.normal(size=(3, 4))], -1


@with_out
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """The tensors, all of one shape, side by side along a new dimension.

    >>> import sensorium as sn
    >>> sn.stack([sn.tensor([1, 2]), sn.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    if isinstance(tensors, Tensor):
        raise no_list("stack", tensors)
    tensors = list(tensors)
    if not tensors:
        raise ShapeError("stack: want at least one tensor, got an empty list")
    return _stack(tensors, one_dim("stack", dim, len(tensors[0].shape) + 1))


@op(promote="common", warns=False)
def _stack(tensors: Arrays, dim: int) -> Array:
    """The tensors side by side along a new dimension."""
    shapes = {x.shape for x in tensors}
    if len(shapes) > 1:
        raise ShapeError(f"stack: want tensors of one shape, got {sorted(shapes)}")
    shape = tensors[0].shape
    wide = (*shape[:dim], 1, *shape[dim:])
    return np.concatenate([x.reshape(wide) for x in tensors], axis=dim)


@_stack.grad
def _(g, shapes, dim):
    head = (slice(None),) * dim
    return [g[(*head, i)] for i in range(len(shapes[0]))]


@_stack.samples(reference=lambda xs, dim: np.moveaxis(np.array([x.tolist() for x in xs]), 0, dim))
def _(rng):
    yield [rng.normal(size=(2, 3)), rng.normal(size=(2, 3))], 1
    yield [rng.normal(size=()), rng.normal(size=())], 0


# -- split ---------------------------------------------------------------------------------------
def split(input: Any, split_size: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Pieces of split_size along dim, the last one shorter if need be; or pieces of given sizes.

    >>> import sensorium as sn
    >>> sn.split(sn.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    d = one_dim("split", dim, input.ndim)
    n = input.shape[d]
    if isinstance(split_size, int):
        if split_size <= 0 and not (split_size == 0 and n == 0):
            raise ShapeError(f"split: split_size must be positive, got {split_size}")
        pieces = [min(split_size, n - i) for i in range(0, n, max(split_size, 1))] or [0]
    else:
        pieces = list(split_size)
        if sum(pieces) != n or min(pieces, default=0) < 0:
            raise ShapeError(f"split: sizes {pieces} do not add up to {n}, the size of dim {d}")
    ends, before = list(accumulate(pieces)), (slice(None),) * d
    return tuple([_view_index(input, (*before, slice(e - m, e))) for e, m in zip(ends, pieces)])


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most chunks pieces of equal size along dim, the last one shorter if need be.

    >>> import sensorium as sn
    >>> sn.chunk(sn.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if chunks < 1:
        raise ShapeError(f"chunk: chunks must be at least 1, got {chunks}")
    n = input.shape[one_dim("chunk", dim, input.ndim)]
    return split(input, max(-(-n // chunks), 1), dim)


def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """The slices along dim, without that dimension.

    >>> import sensorium as sn
    >>> sn.unbind(sn.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    d = one_dim("unbind", dim, input.ndim)
    if not input.ndim:
        raise ShapeError("unbind: a single value has no slices")
    return tuple(select(input, d, i) for i in range(input.shape[d]))


# -- repeat --------------------------------------------------------------------------------------
def repeat(input: Any, *repeats: Any) -> Any:
    """The tensor laid side by side repeats[i] times along dimension i.

    >>> import sensorium as sn
    >>> sn.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = sizes("repeat", repeats)
    if len(times) < input.ndim or min(times, default=0) < 0:
        raise ShapeError(f"repeat: {times} for a tensor of {input.ndim} dimensions")
    shape = (1,) * (len(times) - input.ndim) + tuple(input.shape)
    spread = reshape(input, [n for size in shape for n in (1, size)])
    spread = expand(spread, [n for pair in zip(times, shape) for n in pair])
    return reshape(spread, [r * n for r, n in zip(times, shape)])


def tile(input: Any, dims: Any) -> Any:
    """``repeat`` that adds missing leading 1s to dims.

    >>> import sensorium as sn
    >>> sn.tile(sn.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    times = sizes("tile", (tuple(dims) if not isinstance(dims, int) else (dims,),))
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Every slice along dim repeated, next to itself; dim None flattens first.

    repeats is one number or one for each slice; output_size, if given, is what they add up to.
    With repeats alone, ``repeat_interleave(repeats)`` is the number of each slice, repeated.

    >>> import sensorium as sn
    >>> sn.repeat_interleave(sn.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        from ..tensor import wrap

        counts = _counts(input, input.shape[0] if input.ndim else 1)
        return wrap(np.repeat(np.arange(counts.size, like=counts), counts))
    if dim is None or not input.ndim:
        input, dim = reshape(input, (-1,)), dim or 0
    d = one_dim("repeat_interleave", dim, input.ndim)
    counts = _counts(repeats, input.shape[d])
    index = np.repeat(np.arange(input.shape[d]), counts)
    if output_size is not None and index.size != output_size:
        raise ShapeError(
            f"repeat_interleave: repeats add up to {index.size}, not to output_size {output_size}"
        )
    return index_select(input, d, index)


def _counts(repeats: Any, n: int) -> Any:
    """How often each of n slices is repeated."""
    counts = np.asarray(repeats) if isinstance(repeats, (int, list, tuple)) else repeats
    counts = getattr(counts, "array", counts)
    if counts.dtype.kind not in "iu" or (counts.size and counts.min() < 0):
        raise DTypeError(
            f"repeat_interleave: repeats must be integers of at least 0, got {repeats}"
        )
    if counts.ndim > 1 or counts.size not in (1, n):
        raise ShapeError(
            f"repeat_interleave: {n} slices want one repeat or {n}, got shape {counts.shape}"
        )
    return np.broadcast_to(counts, (n,)) if counts.size == 1 else counts


# -- flip and roll -------------------------------------------------------------------------------
@op
def _flip(input: Array, dims: tuple[int, ...]) -> Array:
    """The order along each of dims reversed."""
    return np.flip(input, dims).copy(order="K")


@_flip.grad
def _(g, dims):
    return _flip(g, dims)


@_flip.samples(
    reference=lambda x, dims: x[
        tuple(slice(None, None, -1) if i in dims else slice(None) for i in range(x.ndim))
    ]
)
def _(rng):
    yield rng.normal(size=(2, 3, 4)), (0, 2)


def flip(input: Any, *args: Any, dims: Any = None) -> Any:
    """The order along each of dims reversed; a copy. ``flip(x, (0, 1))``, ``x.flip(0, 1)``.

    >>> import sensorium as sn
    >>> sn.flip(sn.tensor([1, 2, 3]), [0])
    tensor([3, 2, 1])
    """
    wanted = sizes("flip", args if dims is None else (dims,))
    return _flip(input, many_dims("flip", wanted, input.ndim) if wanted else ())


@op
def _roll(input: Array, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Array:
    """Values moved along dims, those pushed out coming in at the other end."""
    return np.roll(input, shifts, dims)


@_roll.grad
def _(g, shifts, dims):
    return _roll(g, tuple(-s for s in shifts), dims)


@_roll.samples(
    reference=lambda x, shifts, dims: x[
        np.ix_(
            *((np.arange(n) - dict(zip(dims, shifts)).get(i, 0)) % n for i, n in enumerate(x.shape))
        )
    ]
)
def _(rng):
    yield rng.normal(size=(3, 4)), (1, -2), (0, 1)


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Values moved by shifts along dims, those pushed out coming in at the other end.

    >>> import sensorium as sn
    >>> sn.roll(sn.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    if dims is None:
        return reshape(roll(reshape(input, (-1,)), shifts, 0), tuple(input.shape))
    moves = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    along = many_dims("roll", dims, input.ndim)
    if len(moves) != len(along):
        raise ShapeError(f"roll: {len(moves)} shifts for {len(along)} dims")
    return _roll(input, moves, along)


# -- pad -----------------------------------------------------------------------------------------
@op
def _pad_constant(input: Array, widths: tuple[tuple[int, int], ...], value: float) -> Array:
    """input with widths[i] = (before, after) of value along each dimension; negative ones crop."""
    crop = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(input.shape, widths))
    grow = [(max(a, 0), max(b, 0)) for a, b in widths]
    return np.pad(input[crop], grow, constant_values=value)


@_pad_constant.grad
def _(g, widths):
    return _pad_constant(g, tuple((-a, -b) for a, b in widths), 0.0)


@_pad_constant.samples(reference=lambda x, widths, value: _slow_pad(x, widths, value))
def _(rng):
    yield rng.normal(size=(2, 3)), ((1, 0), (-1, 2)), 0.5


def _slow_pad(x: Any, widths: Any, value: float) -> Any:
    y = np.full([n + a + b for n, (a, b) in zip(x.shape, widths)], value)
    for index in np.ndindex(*y.shape):
        source = [i - a for i, (a, _) in zip(index, widths)]
        if all(0 <= s < n for s, n in zip(source, x.shape)):
            y[index] = x[tuple(source)]
    return y


_PAD_INDEX = {
    "reflect": lambda n, a, b: _reflect(np.arange(-a, n + b), n),
    "replicate": lambda n, a, b: np.clip(np.arange(-a, n + b), 0, n - 1),
    "circular": lambda n, a, b: _wrapped(n, a, b),
}


def _wrapped(n: int, a: int, b: int) -> Any:
    """What a negative width crops is gone before the rest goes round."""
    first, left = max(-a, 0), n - max(-a, 0) - max(-b, 0)
    return first + np.arange(-max(a, 0), left + max(b, 0)) % max(left, 1)


def _reflect(index: Any, n: int) -> Any:
    return (n - 1) - np.abs((n - 1) - np.abs(index))


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """input grown (or, negative, cropped) at the edges; pairs (before, after), last dimension first.

    mode: "constant" (value, default 0), "reflect" (without repeating the edge), "replicate",
    "circular"; the latter three on the last 1 to 3 dimensions.

    >>> import sensorium as sn
    >>> sn.nn.functional.pad(sn.tensor([[1, 2]]), (1, 1), mode="replicate")
    tensor([[1, 1, 2, 2]])
    """
    widths = sizes("pad", (tuple(pad),))
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise ShapeError(f"pad: {widths} are no pairs for the {input.ndim} dimensions of the input")
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)]
    if mode == "constant":
        full = ((0, 0),) * (input.ndim - len(pairs)) + tuple(reversed(pairs))
        return _pad_constant(input, full, 0 if value is None else value)
    if mode not in _PAD_INDEX:
        raise DTypeError(
            f"pad: mode must be constant, reflect, replicate or circular, got {mode!r}"
        )
    for i, (a, b) in enumerate(pairs):
        d = input.ndim - 1 - i
        n = input.shape[d]
        _check_pad(mode, n, a, b)
        input = index_select(input, d, _PAD_INDEX[mode](n, a, b)) if a or b else input
    return input


def _check_pad(mode: str, n: int, a: int, b: int) -> None:
    limit = {"reflect": n - 1, "circular": n + min(a, b, 0), "replicate": max(a, b)}[mode]
    if max(a, b) > limit or n + a + b < 0 or n == 0:
        raise ShapeError(f"pad: mode {mode!r} cannot pad {(a, b)} around a dimension of size {n}")
