"""Rotation and affine maps: each new pixel looks up where it comes from.

    (x, y) = M (x', y', 1)      M (2, 3): from the new image to the old, about the image's middle

Follows ``torchvision.transforms.v2.functional``; Pillow images go through ``Image.transform`` and
``Image.rotate``. Nearest takes the pixel whose centre is closest, bilinear the four around, with
zeros beyond the border. Left out: bicubic for arrays and Tensors, perspective and elastic maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.tensor import Tensor

from ._images import (
    ImageLike,
    cast,
    check_image,
    chosen,
    image_size,
    is_float,
    is_pil,
    like,
    mapped,
    per_channel,
    taken,
    working,
)
from ._interpolation import PILLOW, InterpolationMode, interpolation_mode

Fill = float | Sequence[float] | None


# -- matrices ------------------------------------------------------------------------------------
def inverse_matrix(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> np.ndarray:
    """M (2, 3), the inverse of T C RSS C⁻¹.

    T shifts by translate, C by center; RSS is the rotation by angle (degrees, clockwise to the eye,
    for y points down), with the shears of x and y and the scale. Inverting undoes the shifts and
    takes the 2 x 2 inverse.

    >>> inverse_matrix((0, 0), 0.0, (2, 3), 2.0, (0, 0))[:, 2].tolist()
    [-1.0, -1.5]
    """
    turn, (sx, sy) = math.radians(angle), (math.radians(s) for s in shear)
    lean = turn - sy
    forward = np.array(
        [
            [math.cos(lean), -math.cos(lean) * math.tan(sx) - math.sin(turn) * math.cos(sy)],
            [math.sin(lean), -math.sin(lean) * math.tan(sx) + math.cos(turn) * math.cos(sy)],
        ]
    ) / math.cos(sy)
    # Its determinant is 1, so swapping its entries inverts it.
    inverse = np.array([[forward[1, 1], -forward[0, 1]], [-forward[1, 0], forward[0, 0]]]) / scale
    middle = np.asarray(center, dtype=np.float64)
    offset = middle - inverse @ (middle + np.asarray(translate, dtype=np.float64))
    return np.column_stack([inverse, offset])


def _expanded(matrix: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """(height, width) that holds the whole of the turned image; 1e-4 pixels more do not count."""
    corners = np.array([[sx * width, sy * height, 2.0] for sx in (-1, 1) for sy in (-1, 1)]) / 2
    ends = corners @ matrix.T + np.array([width, height]) / 2
    low, high = (np.trunc(f(ends, axis=0) * 1e4) * 1e-4 for f in (np.min, np.max))
    across, down = np.ceil(high) - np.floor(low)
    return int(down), int(across)


# -- sampling ------------------------------------------------------------------------------------
def _sources(matrix: np.ndarray, old: tuple[int, int], new: tuple[int, int]) -> Any:
    """Where each new pixel's centre lies in the old image: x and y (H', W'), in pixel indices."""
    rows, columns = ((np.arange(n) - (n - 1) / 2) for n in new)
    x = matrix[0, 0] * columns + matrix[0, 1] * rows[:, None] + matrix[0, 2]
    y = matrix[1, 0] * columns + matrix[1, 1] * rows[:, None] + matrix[1, 2]
    return x + (old[1] - 1) / 2, y + (old[0] - 1) / 2


def _sampled(
    img: Any, matrix: np.ndarray, new: tuple[int, int], mode: InterpolationMode, fill: Fill
) -> Any:
    """An array or Tensor (..., C, H, W) looked up at M, (..., C, H', W')."""
    x, y = _sources(matrix, img.shape[-2:], new)
    # PyTorch's grid is float32; in float64 a tie between pixels is one only if it is to 1e-9.
    x, y = np.round(x, 9), np.round(y, 9)
    if mode is InterpolationMode.NEAREST:
        return _nearest(img, np.rint(y), np.rint(x), fill)
    return _bilinear(img, y, x, fill)


def _looked_up(img: Any, row: np.ndarray, column: np.ndarray) -> tuple[Any, np.ndarray]:
    """img[..., row, column] and whether that is inside; outside any pixel stands in."""
    height, width = img.shape[-2:]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    index = np.where(inside, row * width + column, 0).astype(np.int64)
    return taken(img.reshape(*img.shape[:-2], height * width), index), inside


def _nearest(img: Any, row: np.ndarray, column: np.ndarray, fill: Any) -> Any:
    values, inside = _looked_up(img, row, column)
    colour = per_channel("affine", "fill", 0 if fill is None else _whole(fill, img), values)
    return chosen(inside, values, colour)


def _whole(fill: Any, img: Any) -> Any:
    """fill rounded where the image has whole numbers."""
    return fill if is_float(img) else np.rint(np.asarray(fill, dtype=np.float64))


def _bilinear(img: Any, row: np.ndarray, column: np.ndarray, fill: Any) -> Any:
    """Weights of the four pixels around; beyond the border there are zeros.

    With a fill the result is (y - fill) covered + fill, as in torchvision, where covered (H', W') is
    how much of a pixel the image covers, though y has faded at the border already.
    """
    work = working(img)
    top, left = np.floor(row), np.floor(column)
    down, across = row - top, column - left
    total: Any = 0.0
    covered = np.zeros(row.shape)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        values, inside = _looked_up(work, top + i, left + j)
        weight = (down if i else 1 - down) * (across if j else 1 - across) * inside
        covered += weight
        total = total + values * like(work, weight)
    if fill is not None:
        colour = per_channel("affine", "fill", fill, total)
        total = (total - colour) * like(work, covered) + colour
    return total if is_float(img) else cast(total.round(), img.dtype)


# -- public --------------------------------------------------------------------------------------
def affine(
    img: ImageLike,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | str | int = InterpolationMode.NEAREST,
    fill: Fill = None,
    center: Sequence[float] | None = None,
) -> ImageLike:
    """The image turned by angle degrees clockwise, scaled, sheared and shifted; its size stays.

    translate is (right, down) in pixels, shear (x, y) in degrees, center (x, y) in pixels from the
    top left corner (None: the middle). fill, a number or one for each channel, colours what the
    image does not cover.

    >>> affine(np.arange(4.0).reshape(1, 2, 2), 0, (1, 0), 1.0, (0, 0))
    array([[[0., 0.],
            [0., 2.]]])
    """
    mode = _mode("affine", img, interpolation)
    if not 0 < scale < math.inf:
        raise OptionError(f"affine: scale wants a positive number, got {scale}")
    lean = [float(s) for s in shear] if isinstance(shear, Sequence) else [float(shear), 0.0]
    lean = [*lean, 0.0] if len(lean) == 1 else lean
    if len(lean) != 2 or len(translate) != 2:
        raise ShapeError(
            f"affine: want two numbers for translate and shear, got {translate!r} and {shear!r}"
        )
    height, width = image_size(img)
    middle = (width / 2, height / 2)
    matrix = inverse_matrix(_about(center, middle), angle, translate, scale, lean)
    if is_pil(img):
        at = matrix[:, 2] + middle - matrix[:, :2] @ np.array(middle)
        values = [*matrix[0, :2], at[0], *matrix[1, :2], at[1]]
        colour = _colour(img, fill)
        return img.transform(
            (width, height), Image.Transform.AFFINE, values, PILLOW[mode], fillcolor=colour
        )
    return mapped(img, lambda x: _sampled(x, matrix, (height, width), mode, fill))


def rotate(
    img: ImageLike,
    angle: float,
    interpolation: InterpolationMode | str | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Fill = None,
) -> ImageLike:
    """The image turned by angle degrees against the clock.

    expand makes the result large enough for all of it; center does not matter then. Quarter turns
    about the middle move pixels without resampling. The rest as for ``affine``.

    >>> rotate(np.arange(4).reshape(1, 2, 2), 90)
    array([[[1, 3],
            [0, 2]]])
    """
    mode = _mode("rotate", img, interpolation)
    height, width = image_size(img)
    if is_pil(img):
        return img.rotate(
            angle, PILLOW[mode], expand, None if center is None else tuple(center),
            fillcolor=_colour(img, fill),
        )  # fmt: skip
    quarters = _quarters(angle) if center is None and (expand or height == width) else None
    if quarters is not None:
        return mapped(img, lambda x: _quarter_turned(x, quarters))
    about = (0.0, 0.0) if expand else _about(center, (width / 2, height / 2))
    matrix = inverse_matrix(about, -angle, (0, 0), 1.0, (0, 0))
    new = _expanded(matrix, height, width) if expand else (height, width)
    return mapped(img, lambda x: _sampled(x, matrix, new, mode, fill))


def _mode(op: str, img: ImageLike, interpolation: Any) -> InterpolationMode:
    mode = interpolation_mode(interpolation)
    allowed = [InterpolationMode.NEAREST, InterpolationMode.BILINEAR]
    allowed += [InterpolationMode.BICUBIC] if is_pil(img) else []
    if mode not in allowed:
        names = ", ".join(m.value for m in allowed)
        raise DTypeError(f"{op}: interpolation {mode.value!r} is not one of {names}")
    if not is_pil(img):
        check_image(op, img)
    return mode


def _about(center: Sequence[float] | None, middle: tuple[float, float]) -> tuple[float, float]:
    """center from the image's middle."""
    if center is None:
        return 0.0, 0.0
    if len(center) != 2:
        raise ShapeError(f"rotate: center wants (x, y), got {center!r}")
    return center[0] - middle[0], center[1] - middle[1]


def _quarters(angle: float) -> int | None:
    """How many quarter turns angle is, if it is that."""
    turns, rest = divmod(angle % 360, 90)
    return int(turns) if rest == 0 else None


def _quarter_turned(x: Any, quarters: int) -> Any:
    """Pixels turned against the clock, a copy."""
    if quarters % 2:
        x = x.swapaxes(-1, -2)
    rows, columns = quarters in (1, 2), quarters in (2, 3)
    if isinstance(x, Tensor):
        axes = [axis for axis, on in ((-2, rows), (-1, columns)) if on]
        return x.flip(*axes) if axes else x.clone()
    x = x[..., ::-1, :] if rows else x
    return np.array(x[..., ::-1] if columns else x, order="C", like=x)


def _colour(img: Image.Image, fill: Any) -> Any:
    """fill as Pillow wants it: a number or one for each band."""
    if fill is None:
        return None
    bands = len(img.getbands())
    values = list(fill) if isinstance(fill, Sequence) else [fill] * bands
    if len(values) == 1:
        values *= bands
    if len(values) != bands:
        raise ShapeError(f"affine: fill has {len(values)} values but mode {img.mode} has {bands}")
    values = values if img.mode == "F" else [int(v) for v in values]
    return tuple(values) if bands > 1 else values[0]
