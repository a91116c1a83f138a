"""The layers of Whisper: attention, an encoder's and a decoder's layer, and the cache of decoding.

Pre-norm transformer layers (Vaswani et al. 2017; Xiong et al. 2020) with Hugging Face's names. Letters:
N recordings, S positions of the encoder, T tokens, E embedding, H heads.
"""

from __future__ import annotations

from typing import Any

import sensorium as sn
from sensorium import nn, ops
from sensorium.nn import functional as F
from sensorium.nn.cache import KVCache
from sensorium.tensor import Tensor

from .whisper_config import WhisperConfig

ACTIVATIONS: dict[str, Any] = {
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
}  # names that linear_act knows too


# -- blocks --------------------------------------------------------------------------------------
def dense(
    x: Tensor, layer: nn.Linear, activation: str | None = None, residual: Any = None
) -> Tensor:
    """activation(layer(x)) or layer(x) + residual: one op where no gradient is wanted."""
    if not sn.is_grad_enabled() and type(layer) is nn.Linear and not layer._hooks:
        return ops.linear_act(x, layer.weight, layer.bias, residual, activation)
    y = layer(x)
    y = y if residual is None else residual + y
    return y if activation is None else ACTIVATIONS[activation](y)


class WhisperAttention(nn.Module):
    """Multi-head attention; the projection of the keys has no bias."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.dropout = num_heads, embed_dim // num_heads, dropout
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (N, H, S, E/H) of x (N, S, E)."""
        shape = (x.array.shape[0], -1, self.num_heads, self.head_dim)
        key, value = dense(x, self.k_proj), dense(x, self.v_proj)
        return key.view(shape).transpose(1, 2), value.view(shape).transpose(1, 2)

    def forward(
        self,
        x: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        is_causal: bool = False,
        residual: Tensor | None = None,
    ) -> Tensor:
        """residual + attention of x (N, T, E) on keys and values of N, or of N/B recordings.

        Several rows of one recording (B beams) become B T queries on its keys, which are then read
        once; that needs no mask.
        """
        shape = x.array.shape
        query = dense(x, self.q_proj).view(key.array.shape[0], -1, self.num_heads, self.head_dim)
        p = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(query.transpose(1, 2), key, value, mask, p, is_causal)
        return dense(y.transpose(1, 2).reshape(shape), self.out_proj, None, residual)


class WhisperEncoderLayer(nn.Module):
    """Attention, then two linear layers, each with a norm before and its input added: (N, S, E)."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        size, heads = config.d_model, config.encoder_attention_heads
        self.self_attn = WhisperAttention(size, heads, config.attention_dropout)
        self.self_attn_layer_norm = nn.LayerNorm(size)
        self.fc1 = nn.Linear(size, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, size)
        self.final_layer_norm = nn.LayerNorm(size)
        self.activation, self.rates = config.activation_function, _rates(config)

    def forward(self, x: Tensor) -> Tensor:
        y = self.self_attn_layer_norm(x)
        x = _attended(self, self.self_attn, x, y, *self.self_attn.keys_values(y))
        return _fed_forward(self, x)


class WhisperDecoderLayer(nn.Module):
    """Attention to the tokens before, attention to the encoder, two linear layers: (N, T, E)."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        size, heads = config.d_model, config.decoder_attention_heads
        self.self_attn = WhisperAttention(size, heads, config.attention_dropout)
        self.self_attn_layer_norm = nn.LayerNorm(size)
        self.encoder_attn = WhisperAttention(size, heads, config.attention_dropout)
        self.encoder_attn_layer_norm = nn.LayerNorm(size)
        self.fc1 = nn.Linear(size, config.decoder_ffn_dim)
        self.fc2 = nn.Linear(config.decoder_ffn_dim, size)
        self.final_layer_norm = nn.LayerNorm(size)
        self.activation, self.rates = config.activation_function, _rates(config)

    def forward(
        self,
        x: Tensor,
        heard: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        is_causal: bool = False,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """x (N, T, E); heard: the keys and values of the encoder's output for this layer."""
        y = self.self_attn_layer_norm(x)
        key, value = self.self_attn.keys_values(y)
        if cache is not None:
            key, value = cache.update(layer, key, value)
        x = _attended(self, self.self_attn, x, y, key, value, mask, is_causal)
        x = _attended(self, self.encoder_attn, x, self.encoder_attn_layer_norm(x), *heard)
        return _fed_forward(self, x)


def _rates(config: WhisperConfig) -> tuple[float, float]:
    return config.dropout, config.activation_dropout


def _attended(
    layer: Any,
    attention: WhisperAttention,
    x: Tensor,
    y: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    is_causal: bool = False,
) -> Tensor:
    """x + dropout(attention(y))."""
    if layer.training and layer.rates[0]:
        return x + F.dropout(attention(y, key, value, mask, is_causal), layer.rates[0])
    return attention(y, key, value, mask, is_causal, x)


def _fed_forward(layer: Any, x: Tensor) -> Tensor:
    """x + dropout(fc2(dropout(activation(fc1(norm(x))))))."""
    y = dense(layer.final_layer_norm(x), layer.fc1, layer.activation)
    if not (layer.training and any(layer.rates)):
        return dense(y, layer.fc2, None, x)
    after, inside = layer.rates
    return x + F.dropout(layer.fc2(F.dropout(y, inside)), after)


# -- cache ---------------------------------------------------------------------------------------
class WhisperCache:
    """What a decoder keeps of N recordings: its own keys and values, and the encoder's, made once."""

    def __init__(self, layers: int) -> None:
        self.own = KVCache(layers)
        self.heard: list[tuple[Tensor, Tensor]] = []

    @property
    def length(self) -> int:
        """Tokens that were read so far."""
        return self.own.length

    def reorder(self, index: Any) -> None:
        """Row n of the tokens becomes what row index[n] was; recordings stay where they are."""
        self.own.reorder(index)
