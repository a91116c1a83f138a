"""The encoder of a Vision Transformer: blocks of attention and a small network, norms before them.

Dosovitskiy et al. 2020 (https://arxiv.org/abs/2010.11929), figure 1. Keys and starts are those of
``torchvision.models.vision_transformer``; keys of its first version (``mlp.linear_1``) load too.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

import sensorium as sn
from sensorium import nn
from sensorium.errors import ShapeError
from sensorium.nn import init
from sensorium.nn.fused import linear_act
from sensorium.tensor import Tensor

from ._layers import Norm

LAYER_NORM: Norm = partial(nn.LayerNorm, eps=1e-6)


class MLPBlock(nn.Sequential):
    """Linear, GELU, dropout, linear, dropout: (N, T, in_dim) keeps its shape."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(in_dim, mlp_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_dim, in_dim),
            nn.Dropout(dropout),
        )
        for linear in (self[0], self[3]):
            init.xavier_uniform_(linear.weight)
            init.normal_(linear.bias, std=1e-6)

    def add(self, x: Tensor, residual: Tensor) -> Tensor:
        """residual + self(x), as two steps where nothing is dropped and nobody watches."""
        layers = self._members()
        if self._hooks or len(layers) != 5 or not _plain(*layers[1:3], layers[4]):
            return residual + self(x)
        return linear_act(linear_act(x, layers[0], "gelu"), layers[3], residual=residual)

    def _plan_load(self, prefix: str, version: int | None, plan: Any) -> None:
        """Keys of version 1 are renamed before the layers inside look for theirs."""
        for old, new in (("linear_1", "0"), ("linear_2", "3")) if (version or 1) < 2 else ():
            for kind in ("weight", "bias"):
                key = f"{prefix}{old}.{kind}"
                if key in plan.state:
                    plan.state[f"{prefix}{new}.{kind}"] = plan.state.pop(key)
        super()._plan_load(prefix, version, plan)


def _plain(gelu: nn.Module, *dropouts: nn.Module) -> bool:
    """Whether between two products there is the exact GELU alone."""
    exact = type(gelu) is nn.GELU and gelu.approximate == "none" and not gelu._hooks
    return exact and not any(
        type(drop) is not nn.Dropout or drop._hooks or (drop.training and drop.p)
        for drop in dropouts
    )


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): (N, T, hidden_dim) keeps its shape."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = LAYER_NORM,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence("EncoderBlock", input)
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return self.mlp.add(self.ln_2(x), x)


def _check_sequence(name: str, x: Tensor) -> None:
    if x.ndim != 3:
        raise ShapeError(f"{name}: want (N, T, hidden_dim), got {tuple(x.shape)}")


class Encoder(nn.Module):
    """norm(blocks(x + pos_embedding)): (N, seq_length, hidden_dim) keeps its shape."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = LAYER_NORM,
    ) -> None:
        super().__init__()
        positions = init.normal_(sn.empty(1, seq_length, hidden_dim), std=0.02)
        self.pos_embedding = nn.Parameter(positions)
        self.dropout = nn.Dropout(dropout)
        sizes = (num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
        names = [f"encoder_layer_{n}" for n in range(num_layers)]
        self.layers = nn.Sequential(OrderedDict((name, EncoderBlock(*sizes)) for name in names))
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence("Encoder", input)
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))
