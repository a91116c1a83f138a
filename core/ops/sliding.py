"""Views that slide or turn: unfold, and the adjoint.

``unfold`` shares memory with its input. Where its windows overlap it is read-only, as an expanded
tensor is: one write would land in several of them. A complex adjoint is a copy, as conjugates are
computed here and not noted down.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import ShapeError
from ..tensor import Tensor
from ._declare import Array, op
from ._dims import one_dim
from .complex import conj
from .shape import _reshape, transpose


# -- unfold ----------------------------------------------------------------------------------------
@op(view=True)
def _windows(input: Array, dim: int, size: int, step: int) -> Array:
    """The windows of size slices along dim, every step slices, as a new last dimension; a view."""
    alone = {"writeable": True} if step >= size and input.flags.writeable else {}
    y = sliding_window_view(input, size, dim, **(alone if isinstance(input, np.ndarray) else {}))
    return y[(slice(None),) * dim + (slice(None, None, step),)]


@_windows.grad
def _(g, shapes, dim, size, step):
    return _from_windows(g, shapes[0], dim, size, step)


@_windows.samples(
    reference=lambda x, dim, size, step: np.stack(
        [
            np.moveaxis(np.take(x, range(i, i + size), dim), dim, -1)
            for i in range(0, x.shape[dim] - size + 1, step)
        ],
        dim,
    )
)
def _(rng):
    yield rng.normal(size=(3, 7)), 1, 3, 2
    yield rng.normal(size=(5, 2)), 0, 2, 3


@op
def _from_windows(input: Array, shape: tuple[int, ...], dim: int, size: int, step: int) -> Array:
    """Zeros of shape with every window added where it was read."""
    y = np.zeros(shape, input.dtype, like=input)
    head, count = (slice(None),) * dim, input.shape[dim]
    for i in range(size if count else 0):
        y[(*head, slice(i, i + (count - 1) * step + 1, step))] += input[..., i]
    return y


@_from_windows.grad
def _(g, dim, size, step):
    return _windows(g, dim, size, step)


@_from_windows.samples(reference=lambda *args: _slow_from_windows(*args))
def _(rng):
    yield rng.normal(size=(2, 3, 3)), (2, 7), 1, 3, 2


def _slow_from_windows(x: Any, shape: Any, dim: int, size: int, step: int) -> Any:
    y = np.zeros(shape)
    for row, i, k in np.ndindex(*x.shape):
        y[row, i * step + k] += x[row, i, k]
    return y


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """All windows of size slices along dimension, step apart, as a new last dimension; a view.

    >>> import sensorium as sn
    >>> sn.arange(5).unfold(0, 2, 3)
    tensor([[0, 1],
            [3, 4]])
    """
    d = one_dim("unfold", dimension, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if step < 1 or not 0 <= size <= n:
        raise ShapeError(
            f"unfold: want a step > 0 and a size of 0 to {n}, that of dim {dimension}; got step "
            f"{step}, size {size}"
        )
    if not input.ndim:
        return _reshape(input, (1,))[:size]
    if not size:  # NumPy has no empty windows
        return _reshape(input[(slice(None),) * d + (slice(0, 0),)], _none(input.shape, d, step))
    return _linked(_windows(input, d, size, step), input, (d, size, step))


def _none(shape: Any, d: int, step: int) -> tuple[int, ...]:
    return (*shape[:d], shape[d] // step + 1, *shape[d + 1 :], 0)


def _linked(out: Any, input: Any, options: tuple[Any, ...]) -> Any:
    """The view, known to its base: NumPy puts an object of its own between the two arrays."""
    from ._results import link_view

    if isinstance(input, Tensor) and out.array.base is not None:
        link_view(out, input, out.array.base, (_windows, options))
    return out


# -- adjoint ---------------------------------------------------------------------------------------
def adjoint(input: Any) -> Any:
    """The last two dimensions exchanged, and the conjugate: of real values a view.

    >>> import sensorium as sn
    >>> sn.adjoint(sn.tensor([[1j, 2]]))
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    if input.ndim < 2:
        raise ShapeError(f"adjoint: wants at least 2 dimensions, got shape {tuple(input.shape)}")
    turned = transpose(input, -2, -1)
    return conj(turned) if input.dtype.kind == "c" else turned


def _mH(self: Tensor) -> Tensor:
    """The adjoint of the last two dimensions (``x.mH``)."""
    return adjoint(self)


def _H(self: Tensor) -> Tensor:
    """The adjoint of a matrix (``x.H``)."""
    if self.ndim not in (0, 2):
        raise ShapeError(f"H: wants a matrix, got shape {tuple(self.shape)}; use mH")
    return adjoint(self) if self.ndim else conj(self)


mH, H = property(_mH), property(_H)
