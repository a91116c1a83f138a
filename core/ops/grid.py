"""grid_sample and affine_grid: an image read at given places, and the places of an affine map.

Places are coordinates in [-1, 1]: x (along the last dimension) first. They are turned into pixels
by one small op with a known slope; the rest is a sum of pixels times weights, made of
differentiable ops, so derivatives of any order exist (PyTorch has the first). Follows
``torch.nn.functional``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from .index import _take
from .join import cat
from .named_products import bmm
from .shape import movedim, reshape

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


# -- coordinates -----------------------------------------------------------------------------------
def _reflected(x: Any, low: float, span: float) -> tuple[Any, Any]:
    """x bounced to and fro between low and low + span, and the slope, 1 or -1."""
    if span == 0:
        return np.zeros_like(x), np.zeros_like(x)
    away = np.abs(x - low)
    extra, turns = np.fmod(away, span), np.floor(away / span)
    back = turns % 2 == 1
    slope = np.where(back, -1.0, 1.0) * np.where(x < low, -1.0, 1.0)
    return np.where(back, span - extra, extra) + low, slope.astype(x.dtype)


def _bounded(x: Any, n: int, padding: str, align: bool) -> tuple[Any, Any]:
    """Pixel coordinates as the padding mode maps them, and the slope of that map."""
    slope = np.ones_like(x)
    if padding == "reflection":
        low, span = (0.0, float(n - 1)) if align else (-0.5, float(n))
        x, slope = _reflected(x, low, span)
    if padding != "zeros":
        slope = np.where((x > 0) & (x < n - 1), slope, 0).astype(x.dtype)
        x = np.clip(x, 0, n - 1).astype(x.dtype)
    return x, slope


def _pixels(x: Any, n: int, align: bool) -> Any:
    """[-1, 1] as pixels: the centres of the corner pixels (align), or their outer edges."""
    one = x.dtype.type(1)
    return (x + one) / 2 * (n - 1) if align else ((x + one) * n - one) / 2


@op
def _grid_pixels(input: Array, n: int, padding: str, align: bool, nearest: bool) -> Array:
    """The pixel coordinate of every place in [-1, 1] along an axis of n pixels."""
    x, _ = _bounded(_pixels(input, n, align), n, padding, align)
    x = np.where(np.isfinite(x), x, -100).astype(input.dtype)  # nowhere: outside
    return np.rint(x) if nearest else x


@_grid_pixels.grad
def _(g, input, n, padding, align, nearest):
    return g * _slope(getattr(input, "array", input), n, padding, align, nearest)


def _slope(x: Any, n: int, padding: str, align: bool, nearest: bool) -> Any:
    """d pixel / d place, constant between the kinks."""
    if nearest:
        return np.zeros_like(x)
    pixels = _pixels(x, n, align)
    _, slope = _bounded(pixels, n, padding, align)
    scale = (n - 1) / 2 if align else n / 2
    return np.where(np.isfinite(pixels), slope * scale, 0).astype(x.dtype)


def _slow_pixels(x: Any, n: int, padding: str, align: bool, nearest: bool) -> Any:
    def one(v: float) -> float:
        low, high = (0, n - 1) if align else (-0.5, n - 0.5)
        p = (v + 1) / 2 * (high - low) + low
        while padding == "reflection" and not low <= p <= high:
            p = 2 * low - p if p < low else 2 * high - p
        p = p if padding == "zeros" else min(max(p, 0), n - 1)
        return float(round(p)) if nearest else p

    return np.array([one(float(v)) for v in x.ravel()]).reshape(x.shape)


@_grid_pixels.samples(reference=_slow_pixels)
def _(rng):
    places = rng.uniform(-2.5, 2.5, size=(3, 4))
    for padding in _PADDINGS:
        yield places, 5, padding, True, False
        yield places, 4, padding, False, False
    yield places, 5, "border", True, True


# -- taps ------------------------------------------------------------------------------------------
def _linear_taps(grid: Any, n: int, padding: str, align: bool, mode: str) -> list[Any]:
    """(pixel, weight) of the one or two pixels around every place along an axis."""
    nearest = mode == "nearest"
    at = _grid_pixels(grid, n, padding, align, nearest)
    base = np.floor(at.array)
    low = base.astype(np.int64)
    if nearest:
        return [(low, 1 - (at - _wrap(base)))]  # a weight of 1, whose gradient is 0
    return [(low, _wrap(base + base.dtype.type(1)) - at), (low + 1, at - _wrap(base))]


def _cubic_taps(grid: Any, n: int, padding: str, align: bool, mode: str) -> list[Any]:
    """(pixel, weight) of the four pixels around every place; Keys' kernel with a = -0.75."""
    a = -0.75
    at = _grid_pixels(grid, n, "zeros", align, False)
    base = np.floor(at.array)
    t = at - _wrap(base)
    u, v, w = t + 1, 1 - t, 2 - t
    weights = (
        ((a * u - 5 * a) * u + 8 * a) * u - 4 * a,
        ((a + 2) * t - (a + 3)) * t * t + 1,
        ((a + 2) * v - (a + 3)) * v * v + 1,
        ((a * w - 5 * a) * w + 8 * a) * w - 4 * a,
    )
    pixels = (_bounded(base + k, n, padding, align)[0] for k in (-1, 0, 1, 2))
    return [(p.astype(np.int64), weight) for p, weight in zip(pixels, weights)]


def _wrap(array: Any) -> Any:
    from ..tensor import wrap

    return wrap(array)


def _places(taps: tuple[Any, ...], sizes: Any) -> tuple[Any, Any]:
    """The flat pixel of one tap of every axis, -1 outside, and the product of their weights."""
    flat: Any = 0
    inside: Any = True
    weight: Any = None
    for (pixel, part), n in zip(taps, sizes):
        inside = inside & (pixel >= 0) & (pixel < n)
        flat = flat * n + pixel
        weight = part if weight is None else weight * part
    return np.where(inside, flat, -1), weight


def _terms(input: Any, grid: Any, mode: str, padding: str, align: bool) -> Iterator[Any]:
    """Weighted pixels (N * places, C), to be added up."""
    n, c, *sizes = input.shape
    area = int(np.prod(sizes))
    rows = reshape(movedim(input, 1, -1), (n * area, c))
    rows = cat([rows, _wrap(np.zeros((1, c), input.dtype, like=input.array))])  # what is outside
    along = _cubic_taps if mode == "bicubic" else _linear_taps
    axes = [
        along(grid[..., len(sizes) - 1 - d], size, padding, align, mode)
        for d, size in enumerate(sizes)
    ]
    first = np.arange(n).reshape(-1, *(1,) * len(sizes)) * area
    for taps in product(*axes):
        flat, weight = _places(taps, sizes)
        index = np.where(flat < 0, n * area, flat + first).reshape(-1)
        yield _take(rows, (index,)) * reshape(weight, (-1, 1))


# -- what users call -------------------------------------------------------------------------------
def _check_sample(input: Any, grid: Any, mode: str, padding: str) -> None:
    if mode not in _MODES:
        raise DTypeError(f"grid_sample: mode must be one of {', '.join(_MODES)}, got {mode!r}")
    if padding not in _PADDINGS:
        raise DTypeError(
            f"grid_sample: padding_mode must be one of {', '.join(_PADDINGS)}, got {padding!r}"
        )
    x, g = tuple(input.shape), tuple(grid.shape)
    if len(x) not in (4, 5) or len(g) != len(x) or g[0] != x[0] or g[-1] != len(x) - 2:
        raise ShapeError(
            "grid_sample: want input (N, C, H, W) and grid (N, H', W', 2), or (N, C, D, H, W) and "
            f"(N, D', H', W', 3); got input {x} and grid {g}"
        )
    if 0 in x[2:]:
        raise ShapeError(f"grid_sample: the spatial sizes of input must not be 0, got {x}")
    if mode == "bicubic" and len(x) == 5:
        raise ShapeError(f"grid_sample: mode 'bicubic' wants 4 dimensions, got input {x}")
    if input.dtype != grid.dtype or input.dtype.kind not in "fV":
        raise DTypeError(
            "grid_sample: input and grid must be of one floating-point type, "
            f"got {input.dtype} and {grid.dtype}"
        )


def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """input (N, C, H, W) read at grid (N, H', W', 2) -> (N, C, H', W'); likewise in 3 dimensions.

    grid holds x, y (, z) in [-1, 1]: the corners' centres with align_corners, else the outer edges.
    mode: "bilinear" (trilinear in 3 dimensions), "nearest" or "bicubic" (2 dimensions). Beyond the
    image padding_mode reads "zeros", the "border" pixel, or the "reflection" of the image.

    >>> import sensorium as sn
    >>> image = sn.tensor([[[[1.0, 3.0]]]])
    >>> sn.nn.functional.grid_sample(image, sn.tensor([[[[0.0, 0.0], [-0.5, 0.0]]]]))
    tensor([[[[2., 1.]]]])
    """
    _check_sample(input, grid, mode, padding_mode)
    total: Any = None
    for term in _terms(input, grid, mode, padding_mode, bool(align_corners)):
        total = term if total is None else total + term
    n, c = input.shape[:2]
    return movedim(reshape(total, (n, *grid.shape[1:-1], c)), -1, 1)


def _axis(n: int, align: bool, dtype: Any) -> Any:
    """n places from -1 to 1: at the ends, or in the middles of n equal parts."""
    if n < 2:
        return np.zeros(n, dtype)
    places = np.linspace(-1, 1, n)
    return (places if align else places * ((n - 1) / n)).astype(dtype)


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid theta (x, y, 1) for an output of the given size: theta (N, 2, 3) -> (N, H, W, 2).

    size: (N, C, H, W), or (N, C, D, H, W) with theta (N, 3, 4). Made for ``grid_sample``.

    >>> import sensorium as sn
    >>> turn = sn.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    >>> sn.nn.functional.affine_grid(turn, (1, 1, 1, 2), align_corners=True)
    tensor([[[[ 0.,  1.],
              [ 0., -1.]]]])
    """
    sizes, shape = tuple(int(n) for n in size), tuple(theta.shape)
    d = len(sizes) - 2
    if d not in (2, 3) or min(sizes) < 1 or shape != (sizes[0], d, d + 1):
        raise ShapeError(
            "affine_grid: want theta (N, 2, 3) for a size (N, C, H, W) or (N, 3, 4) for "
            f"(N, C, D, H, W), sizes at least 1; got theta {shape} and size {sizes}"
        )
    if theta.dtype.kind not in "fV":
        raise DTypeError(f"affine_grid: want a floating-point theta, got {theta.dtype}")
    axes = [_axis(n, bool(align_corners), theta.dtype) for n in sizes[2:]]
    base = np.stack([*reversed(np.meshgrid(*axes, indexing="ij")), np.ones(sizes[2:])], -1)
    base = np.broadcast_to(base.reshape(1, -1, d + 1), (sizes[0], base.size // (d + 1), d + 1))
    base = _wrap(np.asarray(base.astype(theta.dtype), like=theta.array))
    return reshape(bmm(base, movedim(theta, 1, 2)), (sizes[0], *sizes[2:], d))
