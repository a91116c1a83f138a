"""max_unpool: pooled values put back where ``max_pool`` with return_indices found them.

Follows ``torch.nn.functional.max_unpool1d/2d/3d``. Where two values claim one place the last one
stays, and each of them gets that place's gradient, as in PyTorch.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ._dims import pair_up
from .gather import scatter
from .shape import reshape


def _sizes(name: str, n: int, input: Any, k: Any, s: Any, p: Any, wanted: Any) -> tuple[int, ...]:
    """The result's spatial sizes; output_size may differ from the usual by less than a stride."""
    usual = tuple((m - 1) * b + a - 2 * c for m, a, b, c in zip(input.shape[-n:], k, s, p))
    if wanted is None:
        sizes = usual
    else:
        sizes = tuple(int(size) for size in wanted)
        sizes = sizes[2:] if len(sizes) == n + 2 else sizes
        if len(sizes) != n:
            raise ShapeError(f"{name}: output_size wants {n} or {n + 2} values, got {len(sizes)}")
        for d, (size, m, step) in enumerate(zip(sizes, usual, s)):
            if not m - step < size < m + step:
                raise ShapeError(
                    f"{name}: output_size {sizes} in dimension {d} must be {m - step + 1} to "
                    f"{m + step - 1}, got {size} (input {tuple(input.shape)}, kernel_size {k}, "
                    f"stride {s}, padding {p})"
                )
    if min(sizes) < 0:
        raise ShapeError(f"{name}: the output would have negative sizes, {sizes}")
    return sizes


def _check(name: str, n: int, input: Any, indices: Any) -> None:
    if indices.dtype != np.int64:
        raise DTypeError(f"{name}: indices must be int64, got {indices.dtype}")
    if tuple(indices.shape) != tuple(input.shape):
        raise ShapeError(
            f"{name}: indices {tuple(indices.shape)} and input {tuple(input.shape)} differ in shape"
        )
    if input.ndim not in (n + 1, n + 2) or 0 in input.shape[1 if input.ndim == n + 2 else 0 :]:
        raise ShapeError(
            f"{name}: want {n + 1} or {n + 2} dimensions of which only the batch may be 0, "
            f"got {tuple(input.shape)}"
        )


def _unpool(
    name: str,
    n: int,
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Any:
    k = pair_up(name, "kernel_size", kernel_size, n, 1)
    s = k if stride is None else pair_up(name, "stride", stride, n, 1)
    p = pair_up(name, "padding", padding, n)
    _check(name, n, input, indices)
    sizes = _sizes(name, n, input, k, s, p, output_size)
    from ..tensor import wrap

    places = indices.array
    if places.size and not 0 <= int(places.min()) <= int(places.max()) < prod(sizes):
        worst = int(places.min()) if int(places.min()) < 0 else int(places.max())
        raise OutOfBoundsError(
            f"{name}: index {worst} is out of range for output size {sizes} ({prod(sizes)} places)"
        )
    lead = tuple(input.shape[:-n])
    count = prod(input.shape[-n:])
    plane = np.zeros((*lead, prod(sizes)), input.dtype, like=input.array)
    flat, where = reshape(input, (*lead, count)), reshape(wrap(places), (*lead, count))
    return reshape(scatter(wrap(plane), len(lead), where, flat), (*lead, *sizes))


def max_unpool1d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """Zeros with the values of (N, C, T) at the indices that ``max_pool1d`` gave.

    >>> import sensorium as sn
    >>> F = sn.nn.functional
    >>> y, places = F.max_pool1d(sn.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2, return_indices=True)
    >>> F.max_unpool1d(y, places, 2)
    tensor([[[0., 3., 2., 0.]]])
    """
    return _unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """Zeros with the values of (N, C, H, W) at the indices that ``max_pool2d`` gave.

    The size is (H - 1) stride - 2 padding + kernel_size; output_size may say one that a pool would
    have rounded to the same.

    >>> import sensorium as sn
    >>> F = sn.nn.functional
    >>> F.max_unpool2d(sn.ones(1, 1, 1), sn.tensor([[[2]]]), 2)
    tensor([[[0., 0.],
             [1., 0.]]])
    """
    return _unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """Zeros with the values of (N, C, D, H, W) at the indices that ``max_pool3d`` gave.

    >>> import sensorium as sn
    >>> sn.nn.functional.max_unpool3d(sn.ones(1, 1, 1, 1), sn.tensor([[[[5]]]]), 2).flatten()
    tensor([0., 0., 0., 0., 0., 1., 0., 0.])
    """
    return _unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
