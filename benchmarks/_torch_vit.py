"""ViT-B/16 in torch.nn layers, with torchvision's key names.

The peer of ``sensorium.vision.models.vit_b_16``, written as torchvision's users have it: PyTorch's
own multi-head attention, which has a fused path for inference.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

PATCH, WIDTH, HEADS, LAYERS = 16, 768, 12, 12


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): (N, T, E) keeps its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH, 1e-6), nn.LayerNorm(WIDTH, 1e-6)
        self.self_attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.dropout = nn.Dropout(0.0)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH),
            nn.GELU(),
            nn.Dropout(0.0),
            nn.Linear(4 * WIDTH, WIDTH),
            nn.Dropout(0.0),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.ln_1(x)
        y, _ = self.self_attention(y, y, y, need_weights=False)
        x = self.dropout(y) + x
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """norm(blocks(x + positions)): (N, T, E) keeps its shape."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.randn(1, tokens, WIDTH) * 0.02)
        self.dropout = nn.Dropout(0.0)
        blocks = ((f"encoder_layer_{n}", EncoderBlock()) for n in range(LAYERS))
        self.layers, self.ln = nn.Sequential(OrderedDict(blocks)), nn.LayerNorm(WIDTH, 1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ln(self.layers(self.dropout(x + self.pos_embedding)))


class ViTB16(nn.Module):
    """(N, 3, 224, 224) -> (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.class_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.encoder = Encoder((224 // PATCH) ** 2 + 1)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(WIDTH, 1000)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_proj(x).flatten(2).permute(0, 2, 1)  # (N, T - 1, E)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)  # (N, T, E)
        return self.heads(self.encoder(x)[:, 0])
