"""Adaptive pooling: output_size windows of nearly equal size, whatever the input's size.

Window i of out over n places goes from floor(i n / out) to ceil((i + 1) n / out). The mean is a
product with a small averaging matrix along each dimension; where n is a multiple of out it is a plain
pool.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from .avg_pool import _avg
from .index import _take
from .max_pool import _max
from .order import max as max_along
from .reduce import _sum
from .shape import reshape


def _sizes(name: str, n: int, input: Any, output_size: Any) -> tuple[int, ...]:
    """output_size as n numbers; None keeps the input's size."""
    wanted = (
        (output_size,) * n
        if output_size is None or isinstance(output_size, int)
        else (tuple(output_size))
    )
    if len(wanted) != n or input.ndim != n + 2:
        raise ShapeError(f"{name}: output_size {output_size} for x {tuple(input.shape)}")
    full = tuple(have if w is None else w for w, have in zip(wanted, input.shape[2:]))
    if min(full) < 1 or min(input.shape[2:]) < 1:
        raise ShapeError(f"{name}: output_size {full} and x {tuple(input.shape)} must not be empty")
    return full


def _windows(n: int, out: int) -> list[tuple[int, int]]:
    return [(i * n // out, -((-(i + 1) * n) // out)) for i in range(out)]


def _average_along(x: Any, dim: int, out: int) -> Any:
    """The mean of every adaptive window along dim, as a product with (n, out)."""
    n = x.shape[dim]
    if n == out:
        return x
    matrix = np.zeros((n, out), x.dtype)
    for j, (a, b) in enumerate(_windows(n, out)):
        matrix[a:b, j] = 1 / (b - a)
    from ..tensor import wrap
    from .matmul import matmul
    from .shape import movedim

    weights = wrap(np.asarray(matrix, like=x.array))
    return movedim(matmul(movedim(x, dim, -1), weights), -1, dim)


def _adaptive_avg(name: str, n: int, input: Any, output_size: Any) -> Any:
    if input.ndim == n + 1:
        return _adaptive_avg(name, n, input[None], output_size)[0]
    if input.dtype.kind not in "fVc":
        raise DTypeError(f"{name}: want a floating-point x, got {input.dtype}")
    out = _sizes(name, n, input, output_size)
    if out == (1,) * n:
        axes = tuple(range(2, n + 2))
        count = input.numel() // (input.shape[0] * input.shape[1]) if input.numel() else 1
        return _sum(input, axes, True) * (1 / count)
    if all(size % o == 0 for size, o in zip(input.shape[2:], out)):
        kernel = tuple(size // o for size, o in zip(input.shape[2:], out))
        return _avg(name, n, input, kernel, None, 0, False, True, None)
    for axis, o in enumerate(out):
        input = _average_along(input, axis + 2, o)
    return input


def _adaptive_max(name: str, n: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    if input.ndim == n + 1:
        y = _adaptive_max(name, n, input[None], output_size, return_indices)
        return (y[0][0], y[1][0]) if return_indices else y[0]
    out = _sizes(name, n, input, output_size)
    if all(size % o == 0 for size, o in zip(input.shape[2:], out)):
        kernel = tuple(size // o for size, o in zip(input.shape[2:], out))
        return _max(name, n, input, kernel, None, 0, 1, False, return_indices)
    places = _window_places(input.shape[2:], out)  # (*out, longest window)
    plane = reshape(input, (*input.shape[:2], -1))
    windows = _take(plane, (slice(None), slice(None), places))
    values, which = max_along(windows, -1)
    if not return_indices:
        return values
    from ..tensor import wrap

    every = np.broadcast_to(places, (*values.shape, places.shape[-1]))
    return values, wrap(np.take_along_axis(every, which.array[..., None], -1)[..., 0])


def _window_places(sizes: Any, out: tuple[int, ...]) -> Any:
    """The flat places of every window's elements; short windows repeat their first one."""
    axes = []
    for n, o in zip(sizes, out):
        spans = _windows(n, o)
        longest = max(b - a for a, b in spans)
        axes.append(
            np.array([[a + i if a + i < b else a for i in range(longest)] for a, b in spans])
        )
    flat = np.zeros((1,) * len(out) * 2, np.int64)
    for axis, table in enumerate(axes):
        shape = [1] * (2 * len(out))
        shape[axis], shape[len(out) + axis] = table.shape
        flat = flat * sizes[axis] + table.reshape(shape)
    return flat.reshape(*out, -1)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The means of output_size windows over T of (N, C, T).

    >>> import sensorium as sn
    >>> sn.nn.functional.adaptive_avg_pool1d(sn.tensor([[[1.0, 2.0, 3.0]]]), 2)
    tensor([[[1.5000, 2.5000]]])
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of output_size windows over H, W of (N, C, H, W); a size may be None (unchanged).

    >>> import sensorium as sn
    >>> sn.nn.functional.adaptive_avg_pool2d(sn.ones(1, 2, 7, 5), 1).shape
    sensorium.Size([1, 2, 1, 1])
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The means of output_size windows over D, H, W of (N, C, D, H, W).

    >>> import sensorium as sn
    >>> sn.nn.functional.adaptive_avg_pool3d(sn.ones(1, 2, 4, 4, 4), 2).shape
    sensorium.Size([1, 2, 2, 2, 2])
    """
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values of output_size windows over T of (N, C, T).

    >>> import sensorium as sn
    >>> sn.nn.functional.adaptive_max_pool1d(sn.tensor([[[1.0, 2.0, 3.0]]]), 2)
    tensor([[[2., 3.]]])
    """
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values of output_size windows over H, W of (N, C, H, W).

    >>> import sensorium as sn
    >>> sn.nn.functional.adaptive_max_pool2d(sn.ones(1, 2, 7, 5), 3).shape
    sensorium.Size([1, 2, 3, 3])
    """
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values of output_size windows over D, H, W of (N, C, D, H, W).

    >>> import sensorium as sn
    >>> sn.nn.functional.adaptive_max_pool3d(sn.ones(1, 2, 4, 4, 4), 2).shape
    sensorium.Size([1, 2, 2, 2, 2])
    """
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)
