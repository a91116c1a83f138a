"""unfold and fold: the windows of an image as columns, and columns added back into an image.

The two are each other's gradient. With geometry as a convolution's, a convolution is
``weight.view(O, -1) @ unfold(x)``. Follows ``torch.nn.functional.unfold`` and ``fold``.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from ._dims import pair_up
from .conv import Pairs, taps
from .pool import _out, _padded, _slow_windows


# -- the ops ---------------------------------------------------------------------------------------
@op(warns=False)
def _unfold(input: Array, kernel: Any, stride: Any, padding: Pairs, dilation: Any) -> Array:
    """The windows of (N, C, *n) as columns: (N, C * taps, windows)."""
    out = _out(input.shape, kernel, stride, padding, dilation)
    n, c = input.shape[:2]
    padded = _padded(input, padding, 0)
    columns: Any = np.empty((n, c, *kernel, *out), input.dtype, like=input)
    for place, where in taps(kernel, out, stride, dilation):
        columns[(slice(None), slice(None), *place)] = padded[where]
    return columns.reshape(n, c * prod(kernel), prod(out))


@_unfold.grad
def _(g, shapes, kernel, stride, padding, dilation):
    return _fold(g, shapes[0][2:], kernel, stride, padding, dilation)


@op
def _fold(
    input: Array, sizes: Any, kernel: Any, stride: Any, padding: Pairs, dilation: Any
) -> Array:
    """Columns (N, C * taps, windows) added up at the places of their windows: (N, C, *sizes)."""
    n, c = input.shape[0], input.shape[1] // prod(kernel)
    out = _out((n, c, *sizes), kernel, stride, padding, dilation)
    columns = input.reshape(n, c, *kernel, *out)
    padded = [size + a + b for size, (a, b) in zip(sizes, padding)]
    total: Any = np.zeros((n, c, *padded), input.dtype, like=input)
    for place, where in taps(kernel, out, stride, dilation):
        total[where] += columns[(slice(None), slice(None), *place)]
    return total[(..., *(slice(a, a + size) for size, (a, _) in zip(sizes, padding)))]


@_fold.grad
def _(g, kernel, stride, padding, dilation):
    return _unfold(g, kernel, stride, padding, dilation)


_WINDOWS = [  # x, kernel, stride, padding, dilation
    ((2, 3, 6, 5), (2, 3), (1, 2), ((0, 0), (1, 1)), (1, 1)),
    ((1, 2, 5, 6), (3, 2), (2, 1), ((1, 1), (0, 0)), (1, 2)),
]


def _slow_unfold(x: Any, kernel: Any, *rest: Any) -> Any:
    out = _out(x.shape, kernel, *rest)
    y = np.zeros((*x.shape[:2], prod(kernel), *out))
    for index, window in _slow_windows(x, kernel, *rest):
        y[(*index[:2], slice(None), *index[2:])] = [0 if at is None else x[at] for at in window]
    return y.reshape(x.shape[0], -1, prod(out))


def _slow_fold(x: Any, sizes: Any, kernel: Any, *rest: Any) -> Any:
    total = np.zeros((x.shape[0], x.shape[1] // prod(kernel), *sizes))
    columns = x.reshape(*total.shape[:2], prod(kernel), *_out(total.shape, kernel, *rest))
    for index, window in _slow_windows(total, kernel, *rest):
        for tap, at in enumerate(window):
            if at is not None:
                total[at] += columns[(*index[:2], tap, *index[2:])]
    return total


@_unfold.samples(reference=_slow_unfold)
def _(rng):
    for shape, *rest in _WINDOWS:
        yield rng.normal(size=shape), *rest


@_fold.samples(reference=_slow_fold)
def _(rng):
    for shape, kernel, *rest in _WINDOWS:
        columns = (
            shape[0],
            shape[1] * prod(kernel),
            prod(_out(shape, kernel, *rest)),
        )
        yield rng.normal(size=columns), shape[2:], kernel, *rest


# -- what users call -------------------------------------------------------------------------------
def _geometry(name: str, kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Any, ...]:
    """Checked kernel, stride, padding pairs and dilation over two dimensions."""
    k = pair_up(name, "kernel_size", kernel, 2, 1)
    p = pair_up(name, "padding", padding, 2)
    s, d = pair_up(name, "stride", stride, 2, 1), pair_up(name, "dilation", dilation, 2, 1)
    return k, s, tuple((a, a) for a in p), d


def _windows(name: str, sizes: Any, plan: tuple[Any, ...]) -> tuple[int, ...]:
    """How many windows fit along each dimension; at least one must."""
    out = _out((0, 0, *sizes), *plan)
    if min(out) < 1:
        k, s, pairs, d = plan
        raise ShapeError(
            f"{name}: no window of kernel_size {k}, dilation {d}, stride {s} fits into "
            f"{tuple(sizes)} with padding {tuple(a for a, _ in pairs)}"
        )
    return out


def _check_type(name: str, input: Any) -> None:
    if input.dtype.kind not in "fVcb":
        raise DTypeError(f"{name}: want a floating-point, complex or bool input, got {input.dtype}")


def unfold(
    input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Every window of (N, C, H, W) as a column: (N, C kh kw, L); (C, H, W) -> (C kh kw, L).

    L is the number of windows, row by row; a column counts its taps row by row for each channel.

    >>> import sensorium as sn
    >>> sn.nn.functional.unfold(sn.arange(6.0).reshape(1, 1, 2, 3), (2, 2))
    tensor([[[0., 1.],
             [1., 2.],
             [3., 4.],
             [4., 5.]]])
    """
    _check_type("unfold", input)
    shape = tuple(input.shape)
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise ShapeError(f"unfold: want (N, C, H, W) or (C, H, W), C, H, W not 0; got {shape}")
    plan = _geometry("unfold", kernel_size, dilation, padding, stride)
    _windows("unfold", shape[-2:], plan)
    if len(shape) == 3:
        return _unfold(input[None], *plan)[0]
    return _unfold(input, *plan)


def fold(
    input: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """Columns (N, C kh kw, L) added up where ``unfold`` takes them from: (N, C, *output_size).

    Overlapping windows add up, so that fold(unfold(x)) is x times how often each place was taken.

    >>> import sensorium as sn
    >>> sn.nn.functional.fold(sn.ones(1, 4, 2), (2, 3), (2, 2))
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    _check_type("fold", input)
    plan = _geometry("fold", kernel_size, dilation, padding, stride)
    sizes = pair_up("fold", "output_size", output_size, 2, 1)
    shape, taps_ = tuple(input.shape), prod(plan[0])
    if len(shape) not in (2, 3) or 0 in shape[-2:] or shape[-2] % taps_:
        raise ShapeError(
            f"fold: want (N, C kh kw, L) or (C kh kw, L) with kh kw = {taps_}, got {shape}"
        )
    windows = _windows("fold", sizes, plan)
    if shape[-1] != prod(windows):
        raise ShapeError(
            f"fold: output_size {sizes} has {prod(windows)} windows {windows}, "
            f"but input {shape} has {shape[-1]} columns"
        )
    if len(shape) == 2:
        return _fold(input[None], sizes, *plan)[0]
    return _fold(input, sizes, *plan)
