"""PixelShuffle, PixelUnshuffle, ChannelShuffle: layers that only rearrange.

Follows ``torch.nn.modules.pixelshuffle`` and ``channelshuffle``.
"""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module


class PixelShuffle(Module):
    """(*, C r r, H, W) -> (*, C, H r, W r), r = upscale_factor.

    >>> import sensorium as sn
    >>> sn.nn.PixelShuffle(2)(sn.ones(1, 8, 3, 3)).shape
    sensorium.Size([1, 2, 6, 6])
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(*, C, H r, W r) -> (*, C r r, H, W), r = downscale_factor.

    >>> import sensorium as sn
    >>> sn.nn.PixelUnshuffle(2)(sn.ones(1, 2, 6, 6)).shape
    sensorium.Size([1, 8, 3, 3])
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of (N, C, *) in groups, dealt out one from each group in turn.

    >>> import sensorium as sn
    >>> sn.nn.ChannelShuffle(2)(sn.arange(4).reshape(1, 4, 1)).flatten()
    tensor([0, 2, 1, 3])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
