"""interpolate: images, signals and volumes at another size, by nearest value, line, cubic or area.

Every mode is separable, and linear in the input: along each spatial axis the output is a matrix
(output size, input size) times the input, and the gradient is the transposed matrix times the
gradient. ``nearest`` picks instead of multiplying. Sampling positions are PyTorch's: pixel centres at
half integers, or, with align_corners, corner pixels on corner pixels. The cubic kernel is Keys',
"Cubic convolution interpolation" (1981), with a = -0.75, and -0.5 under antialias as Pillow has it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..dtypes import FLOATING, float32
from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from ._dims import pair_up
from .cast import to_dtype

_NDIM = {"linear": (3,), "bilinear": (4,), "bicubic": (4,), "trilinear": (5,)}
_MODES = ("nearest", "nearest-exact", "area", *_NDIM)


# -- a matrix along an axis ----------------------------------------------------------------------
def _rows(x: Any, axis: int) -> tuple[Any, list[int], tuple[int, ...]]:
    """x as (before, n, after) in its memory's own order, that order, and the shape in it."""
    order = sorted(range(x.ndim), key=lambda i: -x.strides[i])
    stored = x.transpose(order)
    k = order.index(axis)
    after = math.prod(stored.shape[k + 1 :])
    return stored.reshape(-1, x.shape[axis], after), order, stored.shape


def _restore(y: Any, order: list[int], shape: tuple[int, ...], axis: int, n: int) -> Any:
    full = [n if i == axis else size for i, size in zip(order, shape)]
    return y.reshape(full).transpose(sorted(range(len(order)), key=order.__getitem__))


@op
def _resample(input: Array, matrix: Any, axis: int) -> Array:
    """matrix (m, n) times input along an axis of size n, which becomes m."""
    m = matrix.shape[0]
    if input.size == 0:
        empty = [m if i == axis else n for i, n in enumerate(input.shape)]
        return np.zeros(empty, input.dtype, like=input)
    kind = input.dtype if input.dtype.kind in "fc" and input.itemsize > 2 else np.dtype(np.float32)
    x, order, shape = _rows(input.astype(kind, copy=False), axis)
    weights = np.asarray(matrix, kind, like=input)
    one = x.shape[2] == 1  # (before, n): one product instead of many with a vector
    y = np.matmul(x[:, :, 0], weights.T) if one else np.matmul(weights, x)
    return _restore(y, order, shape, axis, m).astype(input.dtype, copy=False)


@_resample.grad
def _(g, matrix, axis):
    return _resample(g, matrix.T, axis)


@_resample.samples(
    reference=lambda x, matrix, axis: np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis),
    tolerance=1e-11,
)
def _(rng):
    yield rng.normal(size=(2, 3, 4)), rng.normal(size=(5, 3)), 1
    yield rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4)), 2
    yield rng.normal(size=(2, 4, 5, 3)).transpose(0, 3, 1, 2), rng.normal(size=(7, 5)), 3


@op(differentiable=0)
def _resample_bytes(input: Array, matrix: Any, axis: int) -> Array:
    """``_resample`` of uint8 in PyTorch's fixed point: 16-bit weights, rounded, kept in 0 to 255."""
    bits, largest = 0, float(matrix.max(initial=0))
    while bits < 22 and int(0.5 + largest * 2 ** (bits + 1)) < 2**15:
        bits += 1
    weights = np.trunc(matrix * 2**bits + np.copysign(0.5, matrix))
    total = _resample.op.formula(input.astype(np.float64), weights, axis)  # whole numbers: exact
    return np.clip(np.floor((total + 2 ** (bits - 1)) / 2**bits), 0, 255).astype(np.uint8)


@_resample_bytes.samples(
    reference=lambda x, matrix, axis: np.floor(
        np.moveaxis(np.tensordot(matrix, x.astype(float), (1, axis)), 0, axis) + 0.5
    ).astype(np.uint8)
)
def _(rng):
    x = rng.integers(0, 256, size=(2, 3, 4)).astype(np.uint8)
    yield x, np.array([[1.0, 0, 0], [0.25, 0.75, 0]]), 1


@op
def _pick(input: Array, index: Any, axis: int) -> Array:
    """The slices of input at index (rising) along axis."""
    return np.take(input, np.asarray(index, like=input), axis=axis)


@_pick.grad
def _(g, shapes, index, axis):
    return _unpick(g, index, axis, shapes[0][axis])


@_pick.samples(
    reference=lambda x, index, axis: np.stack([np.moveaxis(x, axis, 0)[i] for i in index], axis)
)
def _(rng):
    yield rng.normal(size=(2, 3, 4)), np.array([0, 0, 1, 1, 1, 2]), 1
    yield rng.normal(size=(2, 3, 4)), np.array([0, 2]), 2


@op
def _unpick(input: Array, index: Any, axis: int, n: int) -> Array:
    """Slices added up where index (rising) took them from: the gradient of ``_pick``."""
    shape = [n if i == axis else size for i, size in enumerate(input.shape)]
    y = np.zeros(shape, input.dtype, like=input)
    if not len(index) or not input.size:
        return y
    starts = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
    at = (slice(None),) * axis
    if len(starts) == len(index):
        y[(*at, index)] = input
    else:
        y[(*at, index[starts])] = np.add.reduceat(input, starts, axis=axis)
    return y


@_unpick.grad
def _(g, index, axis):
    return _pick(g, index, axis)


@_unpick.samples(
    reference=lambda x, index, axis, n: np.moveaxis(
        np.tensordot(np.eye(n)[:, index], x, (1, axis)), 0, axis
    ),
    tolerance=1e-11,
)
def _(rng):
    yield rng.normal(size=(2, 6, 4)), np.array([0, 0, 1, 1, 1, 2]), 1, 4
    yield rng.normal(size=(2, 3, 2)), np.array([0, 2]), 2, 4


# -- sampling positions --------------------------------------------------------------------------
def _step(n: int, m: int, scale: float | None, align: bool) -> float:
    """Input pixels from one output pixel to the next."""
    if align:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return 1 / scale if scale else n / m


@lru_cache(maxsize=256)
def _nearest_index(n: int, m: int, scale: float | None, exact: bool) -> np.ndarray:
    step = np.float32(_step(n, m, scale, False))  # in float32, or halves would round differently
    places = np.arange(m, dtype=np.float32) + np.float32(0.5 if exact else 0.0)
    return np.minimum(np.floor(places * step).astype(np.int64), n - 1)


def _positions(n: int, m: int, scale: float | None, align: bool) -> np.ndarray:
    places = np.arange(m, dtype=np.float64)
    step = _step(n, m, scale, align)
    return places * step if align else (places + 0.5) * step - 0.5


def _hat(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _keys(a: float) -> Any:
    """The cubic convolution kernel, of support 2."""

    def kernel(x: np.ndarray) -> np.ndarray:
        x = np.abs(x)
        inner = ((a + 2) * x - (a + 3)) * x * x + 1
        outer = (((x - 5) * x + 8) * x - 4) * a
        return np.where(x <= 1, inner, np.where(x < 2, outer, 0.0))

    return kernel


def _taps(n: int, at: np.ndarray, kernel: Any, reach: int) -> np.ndarray:
    """Weights of the 2 * reach pixels around every position; those beyond an edge are the edge's."""
    matrix = np.zeros((len(at), n))
    base = np.floor(at).astype(np.int64)
    for k in range(1 - reach, reach + 1):
        np.add.at(
            matrix, (np.arange(len(at)), np.clip(base + k, 0, n - 1)), kernel(at - (base + k))
        )
    return matrix


def _smoothed(n: int, m: int, step: float, kernel: Any, reach: int) -> np.ndarray:
    """Antialiased weights: the kernel is stretched over all pixels that one output pixel covers."""
    wide = max(step, 1.0)
    centre = (np.arange(m) + 0.5) * step
    low = np.maximum((centre - reach * wide + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + reach * wide + 0.5).astype(np.int64), n)
    pixel = np.arange(n)
    weights = kernel((pixel + 0.5 - centre[:, None]) / wide)
    weights[(pixel < low[:, None]) | (pixel >= high[:, None])] = 0
    return weights / weights.sum(1, keepdims=True)


def _area(n: int, m: int) -> np.ndarray:
    """Means over floor(i n / m) <= pixel < ceil((i + 1) n / m)."""
    places, pixel = np.arange(m)[:, None], np.arange(n)
    inside = (pixel >= places * n // m) & (pixel < -(-(places + 1) * n // m))
    return inside / inside.sum(1, keepdims=True)


@lru_cache(maxsize=256)
def _matrix(
    mode: str, n: int, m: int, scale: float | None, align: bool, antialias: bool
) -> np.ndarray:
    """The (m, n) weights of a mode along one axis."""
    if mode == "area":
        return _area(n, m)
    cubic = mode == "bicubic"
    reach = 2 if cubic else 1
    if antialias:
        return _smoothed(n, m, _step(n, m, scale, align), _keys(-0.5) if cubic else _hat, reach)
    at = _positions(n, m, scale, align)
    if cubic:
        return _taps(n, at, _keys(-0.75), reach)
    return _taps(n, np.maximum(at, 0), _hat, reach)


# -- interpolate ---------------------------------------------------------------------------------
def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """input (N, C, *spatial) at another spatial size, or scaled by a factor; differentiable.

    mode: "nearest", "nearest-exact" or "area" in 1 to 3 dimensions, "linear" in 1, "bilinear" or
    "bicubic" in 2, "trilinear" in 3. Give size or scale_factor, one value or one for each dimension.
    align_corners: corner pixels stay corner pixels. antialias smooths when shrinking ("bilinear" and
    "bicubic").

    >>> import sensorium as sn
    >>> sn.nn.functional.interpolate(sn.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    _check(input, mode, align_corners, antialias)
    spatial = tuple(input.shape[2:])
    target, scales = _target(spatial, size, scale_factor, recompute_scale_factor)
    if min(spatial) < 1 or min(target) < 1:
        raise ShapeError(f"interpolate: sizes must be at least 1, got {spatial} to {target}")
    axes = list(enumerate(zip(spatial, target, scales), 2))
    if mode in ("nearest", "nearest-exact"):
        for axis, (n, m, scale) in axes:
            if n != m:
                input = _pick(input, _nearest_index(n, m, scale, mode == "nearest-exact"), axis)
        return input
    matrices = [
        (_matrix(mode, n, m, scale, bool(align_corners), antialias), axis)
        for axis, (n, m, scale) in axes
    ]
    matrices = [(w, axis) for w, axis in matrices if not _changes_nothing(w)]
    if input.dtype == np.uint8:  # columns first, as PyTorch: every axis rounds
        for matrix, axis in reversed(matrices):
            input = _resample_bytes(input, matrix, axis)
        return input
    kind = input.dtype
    if kind.itemsize == 2 and len(matrices) > 1:  # half types round once, at the end
        input = to_dtype(input, float32)
    for matrix, axis in matrices:
        input = _resample(input, matrix, axis)
    return to_dtype(input, kind)


def _changes_nothing(matrix: np.ndarray) -> bool:
    return matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, np.eye(len(matrix)))


def _check(input: Any, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in _MODES:
        raise DTypeError(f"interpolate: mode must be one of {', '.join(_MODES)}, got {mode!r}")
    if input.ndim not in _NDIM.get(mode, (3, 4, 5)):
        raise ShapeError(
            f"interpolate: mode {mode!r} wants {' to '.join(map(str, _NDIM.get(mode, (3, 5))))} "
            f"dimensions (N, C, *spatial), got shape {tuple(input.shape)}"
        )
    if align_corners is not None and mode not in _NDIM:
        raise DTypeError(f"interpolate: align_corners has no meaning for mode {mode!r}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise DTypeError(f"interpolate: antialias is for bilinear and bicubic, not {mode!r}")
    byte = input.dtype == np.uint8 and mode in ("bilinear", "bicubic")
    if not mode.startswith("nearest") and input.dtype not in FLOATING and not byte:
        raise DTypeError(f"interpolate: mode {mode!r} wants floating-point, got {input.dtype}")


def _target(
    spatial: tuple[int, ...], size: Any, factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The wanted spatial size, and the scale factors where they decide the positions."""
    if (size is None) == (factor is None):
        raise ShapeError(f"interpolate: give size or scale_factor, got {size} and {factor}")
    if size is not None:
        if recompute:
            raise ShapeError("interpolate: recompute_scale_factor wants scale_factor, not size")
        if hasattr(size, "__len__") and len(size) != len(spatial):
            raise ShapeError(f"interpolate: size {tuple(size)} is not one for each of {spatial}")
        return pair_up("interpolate", "size", size, len(spatial)), (None,) * len(spatial)
    scales = tuple(factor) if hasattr(factor, "__len__") else (factor,) * len(spatial)
    if len(scales) != len(spatial) or min(scales) <= 0:
        raise ShapeError(
            f"interpolate: want {len(spatial)} positive scale factors or one, got {factor}"
        )
    target = tuple(math.floor(n * s) for n, s in zip(spatial, scales))
    return target, (None,) * len(spatial) if recompute else tuple(float(s) for s in scales)


# -- interpolate by its older names --------------------------------------------------------------
def upsample(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """``interpolate`` by its older name.

    >>> import sensorium as sn
    >>> sn.nn.functional.upsample(sn.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """``interpolate`` with mode "nearest".

    >>> import sensorium as sn
    >>> sn.nn.functional.upsample_nearest(sn.tensor([[[1.0, 2.0]]]), 4)
    tensor([[[1., 1., 2., 2.]]])
    """
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """``interpolate`` with mode "bilinear" and the corners aligned.

    >>> import sensorium as sn
    >>> sn.nn.functional.upsample_bilinear(sn.tensor([[[[1.0, 2.0]]]]), (1, 3))
    tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)
