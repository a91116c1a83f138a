"""pixel_shuffle, pixel_unshuffle, channel_shuffle: channels and places rearranged.

Follows ``torch.nn.functional``. Source of pixel_shuffle: Shi et al., "Real-time single image and
video super-resolution using an efficient sub-pixel convolutional neural network" (2016); of
channel_shuffle: Zhang et al., "ShuffleNet" (2017).
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from .shape import permute, reshape


def _factor(name: str, what: str, value: Any, input: Any) -> int:
    if input.ndim < 3:
        raise ShapeError(f"{name}: want (*, C, H, W), got shape {tuple(input.shape)}")
    if not hasattr(value, "__index__") or value.__index__() < 1:
        raise ShapeError(f"{name}: {what} must be a positive integer, got {value!r}")
    return value.__index__()


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(*, C r r, H, W) -> (*, C, H r, W r): every r r channels become a square of r r pixels.

    >>> import sensorium as sn
    >>> sn.pixel_shuffle(sn.arange(4).reshape(4, 1, 1), 2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    r = _factor("pixel_shuffle", "upscale_factor", upscale_factor, input)
    *batch, c, h, w = input.shape
    if c % (r * r):
        raise ShapeError(
            f"pixel_shuffle: {c} channels are no multiple of upscale_factor squared, {r * r} "
            f"(input {tuple(input.shape)})"
        )
    n = len(batch)
    x = reshape(input, (*batch, c // (r * r), r, r, h, w))
    x = permute(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))  # (*, C, H, r, W, r)
    return reshape(x, (*batch, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(*, C, H r, W r) -> (*, C r r, H, W): the inverse of ``pixel_shuffle``.

    >>> import sensorium as sn
    >>> sn.pixel_unshuffle(sn.arange(4).reshape(1, 2, 2), 2).flatten()
    tensor([0, 1, 2, 3])
    """
    r = _factor("pixel_unshuffle", "downscale_factor", downscale_factor, input)
    *batch, c, h, w = input.shape
    if h % r or w % r:
        raise ShapeError(
            f"pixel_unshuffle: height {h} and width {w} must be multiples of downscale_factor {r} "
            f"(input {tuple(input.shape)})"
        )
    n = len(batch)
    x = reshape(input, (*batch, c, h // r, r, w // r, r))
    x = permute(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))  # (*, C, r, r, H, W)
    return reshape(x, (*batch, c * r * r, h // r, w // r))


def channel_shuffle(input: Any, groups: int) -> Any:
    """The channels of (N, C, *) in groups, dealt out: the first of every group, the second, ...

    >>> import sensorium as sn
    >>> sn.channel_shuffle(sn.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    g = _factor("channel_shuffle", "groups", groups, input)
    n, c, *rest = input.shape
    if c % g:
        raise ShapeError(
            f"channel_shuffle: {c} channels are no multiple of groups {g} "
            f"(input {tuple(input.shape)})"
        )
    x = reshape(input, (n, g, c // g, *rest))
    return reshape(permute(x, (0, 2, 1, *range(3, x.ndim))), (n, c, *rest))
