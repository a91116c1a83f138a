"""Vision Transformer: an image as a sequence of patches, read by a transformer encoder.

Dosovitskiy et al. 2020 (https://arxiv.org/abs/2010.11929). Keys, shapes, numerics and starts of
``torchvision.models.vision_transformer``, so its checkpoints load as they are. Letters: P pixels
along a patch, E embedding, T tokens: one for the class and (H/P) (W/P) patches.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError, ShapeError
from sensorium.nn import functional as F, init
from sensorium.tensor import Tensor

from ._layers import Conv2dNormActivation, Norm
from ._registry import register
from ._vit_encoder import LAYER_NORM, Encoder, EncoderBlock, MLPBlock

__all__ = [
    "ConvStemConfig",
    "Encoder",
    "EncoderBlock",
    "MLPBlock",
    "VisionTransformer",
    "interpolate_embeddings",
]


POSITIONS = "encoder.pos_embedding"


# -- config --------------------------------------------------------------------------------------
class ConvStemConfig(NamedTuple):
    """A convolution of a stem that takes the place of the patches' single one (Xiao et al. 2021,
    https://arxiv.org/abs/2106.14881)."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Norm = nn.BatchNorm2d
    activation_layer: Callable[..., nn.Module] = nn.ReLU


# -- net -----------------------------------------------------------------------------------------
class VisionTransformer(nn.Module):
    """Patches and a class token through the encoder, a linear head on the class token:
    (N, 3, image_size, image_size) -> (N, num_classes).

    representation_size: the width of one more linear layer and tanh before the head.
    conv_stem_configs: convolutions in place of the patches' single one.

    >>> tiny = VisionTransformer(32, 16, 1, 2, hidden_dim=8, mlp_dim=16, num_classes=10)
    >>> tiny.seq_length, tiny(sn.zeros(1, 3, 32, 32)).shape
    (5, sensorium.Size([1, 10]))
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Norm = LAYER_NORM,
        conv_stem_configs: Sequence[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise OptionError(
                "VisionTransformer: image_size must be a multiple of patch_size, got "
                f"{image_size} and {patch_size}"
            )
        self.image_size, self.patch_size = image_size, patch_size
        self.hidden_dim, self.mlp_dim = hidden_dim, mlp_dim
        self.dropout, self.attention_dropout = dropout, attention_dropout
        self.num_classes, self.representation_size = num_classes, representation_size
        self.norm_layer = norm_layer
        self.conv_proj = _patches(patch_size, hidden_dim, conv_stem_configs)
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.class_token = nn.Parameter(sn.zeros(1, 1, hidden_dim))
        self.encoder = Encoder(
            self.seq_length,
            num_layers,
            num_heads,
            hidden_dim,
            mlp_dim,
            dropout,
            attention_dropout,
            norm_layer,
        )
        self.heads = _heads(hidden_dim, representation_size, num_classes)

    def _process_input(self, x: Tensor) -> Tensor:
        """Patches as tokens: (N, 3, H, W) -> (N, T - 1, E)."""
        size = self.image_size
        if x.ndim != 4 or x.shape[2:] != (size, size):
            raise ShapeError(
                f"VisionTransformer: want images (N, 3, {size}, {size}), got {tuple(x.shape)}; "
                "image_size= makes it for others, interpolate_embeddings fits a state to them"
            )
        return self.conv_proj(x).flatten(2).permute(0, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self._process_input(x)
        x = sn.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)  # (N, T, E)
        return self.heads(self.encoder(x)[:, 0])


def _patches(
    patch: int, hidden: int, configs: Sequence[ConvStemConfig] | None
) -> nn.Conv2d | nn.Sequential:
    """(N, 3, H, W) -> (N, E, H/P, W/P)."""
    if configs is None:
        conv = nn.Conv2d(3, hidden, patch, patch)
        _start(conv, 3 * patch**2)
        return conv
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for n, (outputs, kernel, stride, norm, activation) in enumerate(configs):
        layers[f"conv_bn_relu_{n}"] = Conv2dNormActivation(
            channels, outputs, kernel, stride, norm_layer=norm, activation_layer=activation
        )
        channels = outputs
    layers["conv_last"] = last = nn.Conv2d(channels, hidden, 1)
    init.normal_(last.weight, std=math.sqrt(2 / hidden))
    init.zeros_(last.bias)
    return nn.Sequential(layers)


def _heads(hidden: int, representation: int | None, classes: int) -> nn.Sequential:
    """The head starts at 0, so that every class is as likely as the others."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if representation is not None:
        layers["pre_logits"] = first = nn.Linear(hidden, representation)
        _start(first, hidden)
        layers["act"] = nn.Tanh()
    layers["head"] = head = nn.Linear(representation or hidden, classes)
    init.zeros_(head.weight)
    init.zeros_(head.bias)
    return nn.Sequential(layers)


def _start(layer: Any, fan_in: int) -> None:
    init.trunc_normal_(layer.weight, std=math.sqrt(1 / fan_in))
    init.zeros_(layer.bias)


# -- states for other image sizes ----------------------------------------------------------------
def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: Mapping[str, Any],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> OrderedDict[str, Any]:
    """model_state with its position embeddings (1, T, E) resized for images of image_size pixels.

    The class token's stays. reset_heads: without the heads, where anything was resized.

    >>> state = {"encoder.pos_embedding": sn.zeros(1, 5, 8)}
    >>> interpolate_embeddings(64, 16, state)["encoder.pos_embedding"].shape
    sensorium.Size([1, 17, 8])
    """
    state = OrderedDict(model_state)
    given = sn.as_tensor(state[POSITIONS])
    side, new = math.isqrt(given.shape[1] - 1), image_size // patch_size
    if given.ndim != 3 or len(given) != 1 or side**2 + 1 != given.shape[1]:
        raise ShapeError(
            f"interpolate_embeddings: want {POSITIONS} (1, 1 + a square, E), got "
            f"{tuple(given.shape)}"
        )
    if side == new:
        return state
    grid = given[:, 1:].permute(0, 2, 1).reshape(1, -1, side, side)  # (1, E, side, side)
    grid = F.interpolate(grid, size=(new, new), mode=interpolation_mode, align_corners=True)
    state[POSITIONS] = sn.cat([given[:, :1], grid.flatten(2).permute(0, 2, 1)], dim=1)
    kept = (key for key in state if not (reset_heads and key.startswith("heads")))
    return OrderedDict((key, state[key]) for key in kept)


# -- variants ------------------------------------------------------------------------------------
def _row(patch: int, layers: int, heads: int, hidden: int) -> dict[str, Any]:
    sizes = {"num_layers": layers, "num_heads": heads, "hidden_dim": hidden, "mlp_dim": 4 * hidden}
    return {"image_size": 224, "patch_size": patch, **sizes}


VARIANTS: dict[str, dict[str, Any]] = {
    "vit_b_16": _row(16, 12, 12, 768),
    "vit_b_32": _row(32, 12, 12, 768),
    "vit_l_16": _row(16, 24, 16, 1024),
    "vit_l_32": _row(32, 24, 16, 1024),
    "vit_h_14": _row(14, 32, 16, 1280),
}
register("vision_transformer", VisionTransformer, VARIANTS)
