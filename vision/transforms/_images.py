"""What the transforms accept, and the few operations that arrays and Tensors spell differently.

An image is a Pillow image, or an array or Tensor (..., C, H, W); arrays are NumPy's or CuPy's. A
Tensor that wants no gradient is worked on as its array; one that does, with operators, so that
gradients flow through a transform.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

import sensorium as sn
from sensorium.dtypes import as_dtype, is_floating_point
from sensorium.errors import DTypeError, ShapeError
from sensorium.tensor import Tensor

ImageLike = Any
"""A Pillow image, or an array or Tensor (..., C, H, W)."""


def is_pil(img: Any) -> bool:
    """Whether img is a Pillow image."""
    return isinstance(img, Image.Image)


def check_image(op: str, img: Any, ndim: int = 3) -> Any:
    """img if it is an array or Tensor with at least ndim dimensions and some pixels."""
    if not isinstance(img, Tensor) and not (hasattr(img, "dtype") and hasattr(img, "strides")):
        raise DTypeError(f"{op}: want a PIL image, an array or a Tensor, got {type(img).__name__}")
    as_dtype(img.dtype)
    if img.ndim < ndim:
        wanted = "(..., C, H, W)" if ndim == 3 else "(..., H, W)"
        raise ShapeError(f"{op}: want an image of shape {wanted}, got {tuple(img.shape)}")
    if 0 in img.shape[-ndim:]:
        raise ShapeError(f"{op}: the image has no pixels, shape {tuple(img.shape)}")
    return img


def image_size(img: Any) -> tuple[int, int]:
    """(height, width)."""
    if is_pil(img):
        return img.height, img.width
    height, width = check_image("get_dimensions", img, 2).shape[-2:]
    return height, width


def mapped(img: Any, work: Callable[[Any], Any]) -> Any:
    """work(img): on the bare array where no gradient is wanted, then back to a Tensor."""
    if isinstance(img, Tensor) and not img.requires_grad:
        return Tensor(work(img.array))
    return work(img)


def is_float(x: Any) -> bool:
    """Whether x has a real floating-point type."""
    return is_floating_point(as_dtype(x.dtype))


def cast(x: Any, dtype: Any) -> Any:
    """x in another element type; itself where it has it."""
    if x.dtype == dtype:
        return x
    return x.to(dtype) if isinstance(x, Tensor) else x.astype(dtype, order="C")


def like(x: Any, array: Any) -> Any:
    """array as what x is: its type, its device, a Tensor beside Tensors."""
    if isinstance(x, Tensor):
        return Tensor(like(x.array, array))
    return np.asarray(array, dtype=x.dtype, like=x)


def namespace(x: Any) -> Any:
    """Where the functions of x live: ``sensorium`` for a Tensor, else ``numpy``."""
    return sn if isinstance(x, Tensor) else np


def working(x: Any) -> Any:
    """x as floats to reckon with: integers become float32, floats stay."""
    return x if is_float(x) else cast(x, np.dtype(np.float32))


def join(parts: Sequence[Any], axis: int) -> Any:
    """The parts one after the other along axis."""
    if isinstance(parts[0], Tensor):
        return sn.cat(list(parts), axis)
    return np.concatenate(parts, axis)


def stacked(parts: Sequence[Any]) -> Any:
    """The parts, all of one shape, side by side along a new first axis."""
    return namespace(parts[0]).stack(list(parts))


def gathered(x: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """x[..., rows, :][..., columns], for index arrays; x (..., H, W)."""
    array = x.array if isinstance(x, Tensor) else x
    at = [np.asarray(index, like=array) for index in (rows, columns)]
    if isinstance(x, Tensor):
        return x[..., Tensor(at[0][:, None]), Tensor(at[1])]
    return np.take(np.take(x, at[0], axis=-2), at[1], axis=-1)


def taken(x: Any, index: np.ndarray) -> Any:
    """x[..., index]."""
    if isinstance(x, Tensor):
        return x[..., Tensor(np.asarray(index, like=x.array))]
    return np.take(x, np.asarray(index, like=x), axis=-1)


def chosen(mask: np.ndarray, x: Any, other: Any) -> Any:
    """x where mask, other elsewhere; mask is (H, W), other broadcasts against x."""
    if isinstance(x, Tensor):
        return sn.where(Tensor(np.asarray(mask, like=x.array)), x, other)
    return np.where(np.asarray(mask, like=x), x, other)


def per_channel(op: str, name: str, values: Any, x: Any) -> Any:
    """values (a number, or one for each channel) as (C, 1, 1) or scalar, of x's kind and type."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim > 1 or (numbers.ndim == 1 and _clash(len(numbers), x.shape[-3])):
        raise ShapeError(
            f"{op}: {name} has {numbers.size} values but the image has {x.shape[-3]} channels "
            f"(shape {tuple(x.shape)}, want (..., C, H, W))"
        )
    return like(x, numbers.reshape(-1, 1, 1) if numbers.ndim else numbers)


def _clash(values: int, channels: int) -> bool:
    """Whether values can not be spread over channels by broadcasting."""
    return values != channels and 1 not in (values, channels)
