"""The two sides of Whisper: the encoder that listens and the decoder that writes.

Radford et al. 2022 (https://arxiv.org/abs/2212.04356), section 2.2. Letters: N recordings, M mel
filters, F frames (3000), S = F / 2 positions of the encoder, T tokens, E embedding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError, ShapeError
from sensorium.nn import functional as F
from sensorium.tensor import Tensor

from .whisper_config import WhisperConfig
from .whisper_layers import WhisperCache, WhisperDecoderLayer, WhisperEncoderLayer


def sinusoids(length: int, channels: int) -> Tensor:
    """sin(t w_i) beside cos(t w_i), w_i = 10000^(-i / (channels/2 - 1)): (length, channels)."""
    rates = np.exp(-math.log(10000) / max(channels // 2 - 1, 1) * np.arange(channels // 2))
    angles = np.arange(length)[:, None] * rates
    return sn.tensor(np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(np.float32))


class WhisperEncoder(nn.Module):
    """Two convolutions, the second halving the frames, positions, layers, a norm.

    (N, num_mel_bins, F) -> (N, F/2, E); F must be ``config.frames``.
    """

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv1d(config.num_mel_bins, config.d_model, 3, padding=1)
        self.conv2 = nn.Conv1d(config.d_model, config.d_model, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(config.max_source_positions, config.d_model)
        self.layers = nn.ModuleList(
            WhisperEncoderLayer(config) for _ in range(config.encoder_layers)
        )
        self.layer_norm = nn.LayerNorm(config.d_model)

    def forward(self, input_features: Tensor) -> Tensor:
        wanted = (self.config.num_mel_bins, self.config.frames)
        if input_features.ndim != 3 or tuple(input_features.shape[1:]) != wanted:
            raise ShapeError(
                f"WhisperEncoder: wants log-mel features (N, {wanted[0]}, {wanted[1]}), got "
                f"{tuple(input_features.shape)}"
            )
        x = F.gelu(self.conv1(input_features))  # (N, E, F)
        x = F.gelu(self.conv2(x)).transpose(1, 2)  # (N, F/2, E)
        x = x + self.embed_positions.weight
        x = F.dropout(x, self.config.dropout, self.training) if self.config.dropout else x
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x)


class WhisperDecoder(nn.Module):
    """Embedded tokens and positions, layers, a norm: (N, T) -> (N, T, E)."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.config = config
        padding = config.pad_token_id if config.pad_token_id < config.vocab_size else None
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, padding)
        self.embed_positions = nn.Embedding(config.max_target_positions, config.d_model)
        self.layers = nn.ModuleList(
            WhisperDecoderLayer(config) for _ in range(config.decoder_layers)
        )
        self.layer_norm = nn.LayerNorm(config.d_model)

    def forward(
        self,
        input_ids: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        cache: WhisperCache | None = None,
    ) -> Tensor:
        """input_ids (N, T) follow what the cache holds; attention_mask (N, T) is 0 at padding.

        encoder_hidden_states (N, S, E) may be left out once the cache has them; with a cache N may be
        a multiple of theirs (rows of one recording stand together).
        """
        start = 0 if cache is None else cache.length
        x = self._embedded(input_ids, start)
        heard = self._heard(encoder_hidden_states, cache)
        mask, is_causal = _mask(x, start, attention_mask)
        own = None if cache is None else cache.own
        for n, layer in enumerate(self.layers):
            x = layer(x, heard[n], mask, is_causal, own, n)
        return self.layer_norm(x)

    def _embedded(self, input_ids: Tensor, start: int) -> Tensor:
        stop = start + input_ids.shape[1]
        if stop > self.config.max_target_positions:
            raise ShapeError(
                f"WhisperDecoder: {stop} tokens, max_target_positions is "
                f"{self.config.max_target_positions}"
            )
        x = self.embed_tokens(input_ids) + self.embed_positions.weight[start:stop]
        return F.dropout(x, self.config.dropout, self.training) if self.config.dropout else x

    def _heard(self, states: Tensor | None, cache: WhisperCache | None) -> Any:
        """Keys and values of the encoder's output for every layer."""
        if cache is not None and cache.heard:
            return cache.heard
        if states is None:
            raise OptionError("WhisperDecoder: encoder_hidden_states or a filled cache is needed")
        heard = [layer.encoder_attn.keys_values(states) for layer in self.layers]
        if cache is not None:
            heard = cache.heard = [(k.contiguous(), v.contiguous()) for k, v in heard]
        return heard


def _mask(x: Tensor, start: int, attention_mask: Tensor | None) -> tuple[Tensor | None, bool]:
    """(mask, is_causal) for tokens x (N, T, E) behind start others: only the past, no padding."""
    length = x.array.shape[1]
    if attention_mask is None and (length == 1 or start == 0):
        return None, length > 1
    seen: Any = sn.ones(length, start + length, dtype=sn.bool, device=x.device).tril(start)
    if attention_mask is None:
        return seen, False
    if start or tuple(attention_mask.shape) != tuple(x.shape[:2]):
        raise ShapeError(
            f"WhisperDecoder: attention_mask {tuple(attention_mask.shape)} for tokens "
            f"{tuple(x.shape[:2])} after {start} others; it covers all tokens, without a cache"
        )
    shown: Any = attention_mask != 0
    return seen & shown[:, None, None], False  # (N, 1, T, T)
