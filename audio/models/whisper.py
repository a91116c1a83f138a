"""Whisper: an encoder of 30 s of sound and a decoder that writes what was said.

Radford et al. 2022, "Robust speech recognition via large-scale weak supervision"
(https://arxiv.org/abs/2212.04356). Classes, parameter names and options are Hugging Face's. Letters:
N recordings, F frames of features (3000), S = F / 2 positions of the encoder, T tokens, E embedding,
V vocabulary, H heads. Left out: masking of the features
and LayerDrop in training, attention maps as an output.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError, ShapeError
from sensorium.nn import functional as F, init
from sensorium.tensor import Tensor

from ._registry import register
from .whisper_config import VARIANTS, WhisperConfig, config_of
from .whisper_layers import ACTIVATIONS, WhisperCache, WhisperDecoderLayer, WhisperEncoderLayer


# -- net -----------------------------------------------------------------------------------------
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
        self.scale = math.sqrt(config.d_model) if config.scale_embedding else None

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
        x = self.embed_tokens(input_ids)
        x = (x if self.scale is None else x * self.scale) + self.embed_positions.weight[start:stop]
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
    seen = sn.ones(length, start + length, dtype=sn.bool, device=x.device).tril(start)
    if attention_mask is None:
        return seen, False
    if start or tuple(attention_mask.shape) != tuple(x.shape[:2]):
        raise ShapeError(
            f"WhisperDecoder: attention_mask {tuple(attention_mask.shape)} for tokens "
            f"{tuple(x.shape[:2])} after {start} others; it covers all tokens, without a cache"
        )
    return seen & (attention_mask != 0)[:, None, None], False  # (N, 1, T, T)


class _Whisper(nn.Module):
    """Made from a configuration or its options, with the published random start."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__signature__ = inspect.signature(WhisperConfig)  # type: ignore[attr-defined]

    def __init__(self, config: WhisperConfig | None = None, /, **options: Any) -> None:
        super().__init__()
        self.config = config_of(config, options)
        if self.config.activation_function not in ACTIVATIONS:
            raise OptionError(
                f"Whisper: activation_function is one of {[*ACTIVATIONS]}, got "
                f"{self.config.activation_function!r}"
            )
        with init.skip_random():  # the layers' own start is not this one
            self._build(self.config)
        self._start()

    def _build(self, config: WhisperConfig) -> None:
        raise TypeError(f"{type(self).__name__} defines no _build()")

    @sn.no_grad()
    def _start(self) -> None:
        """Normal weights, biases of zero; the encoder's positions are sinusoids and not trained."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d, nn.Embedding)):
                init.normal_(module.weight, std=self.config.init_std)
                if getattr(module, "bias", None) is not None:
                    init.zeros_(module.bias)
            if isinstance(module, WhisperEncoder):
                encoder = module
        table = encoder.embed_positions.weight
        table.copy_(sinusoids(*table.shape))
        table.requires_grad = False
        pad = self.get_decoder().embed_tokens
        if pad.padding_idx is not None:
            pad.weight[pad.padding_idx].zero_()

    def get_encoder(self) -> WhisperEncoder:
        """The part that listens."""
        return getattr(self, "model", self).encoder

    def get_decoder(self) -> WhisperDecoder:
        """The part that writes."""
        return getattr(self, "model", self).decoder


class WhisperModel(_Whisper):
    """Encoder and decoder without a head: (N, M, F) and (N, T) -> (N, T, E).

    >>> model = WhisperModel(vocab_size=50, d_model=8, encoder_attention_heads=2,
    ...     decoder_attention_heads=2, max_source_positions=10)
    >>> model(sn.zeros(1, 80, 20), sn.tensor([[1, 2, 3]])).shape
    sensorium.Size([1, 3, 8])
    """

    def _build(self, config: WhisperConfig) -> None:
        self.encoder = WhisperEncoder(config)
        self.decoder = WhisperDecoder(config)

    def forward(
        self,
        input_features: Tensor,
        decoder_input_ids: Tensor,
        decoder_attention_mask: Tensor | None = None,
    ) -> Tensor:
        states = self.encoder(input_features)
        return self.decoder(decoder_input_ids, states, decoder_attention_mask)


@dataclass(eq=False)
class WhisperOutput:
    """logits (N, T, V), the encoder's output (N, S, E), and the loss where labels were given."""

    logits: Tensor
    encoder_last_hidden_state: Tensor
    loss: Tensor | None = None


class WhisperForConditionalGeneration(_Whisper):
    """Whisper with the logits of the next token, by the embedding's own weight.

    State dicts are those of Hugging Face's files: the tied ``proj_out.weight`` is not stored twice,
    and ignored where a file has it.
    """

    def _build(self, config: WhisperConfig) -> None:
        self.model = WhisperModel(config)
        self.register_load_state_dict_pre_hook(_drop_tied)

    def project(self, hidden: Tensor) -> Tensor:
        """The logits (..., V) of hidden states (..., E)."""
        return F.linear(hidden, self.model.decoder.embed_tokens.weight)

    def forward(
        self,
        input_features: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        encoder_outputs: Tensor | None = None,
    ) -> WhisperOutput:
        """Features (N, M, F) or the encoder's output (N, S, E), and tokens (N, T).

        labels (N, T) are the tokens to write, -100 where none counts; ``decoder_input_ids`` are then
        the same ones behind the start token unless they are given.
        """
        if labels is not None and decoder_input_ids is None:
            decoder_input_ids = self._shifted(labels)
        if decoder_input_ids is None or (input_features is None) == (encoder_outputs is None):
            raise OptionError(
                "WhisperForConditionalGeneration: give input_features or encoder_outputs, and "
                "decoder_input_ids or labels"
            )
        states = self.model.encoder(input_features) if encoder_outputs is None else encoder_outputs
        hidden = self.model.decoder(decoder_input_ids, states, decoder_attention_mask)
        logits = self.project(hidden)
        if labels is None:
            return WhisperOutput(logits, states)
        flat = logits.view(-1, self.config.vocab_size)
        return WhisperOutput(logits, states, F.cross_entropy(flat, labels.reshape(-1)))

    def _shifted(self, labels: Tensor) -> Tensor:
        """labels one place later behind the start token; padding where they are -100."""
        start = sn.full((len(labels), 1), self.config.decoder_start_token_id, dtype=labels.dtype)
        shifted = sn.cat([start.to(labels.device), labels[:, :-1]], 1)
        return sn.where(shifted == -100, self.config.pad_token_id, shifted)

    def new_cache(self) -> WhisperCache:
        """An empty cache for ``WhisperDecoder``."""
        return WhisperCache(self.config.decoder_layers)


def _drop_tied(module: Any, state: Any, prefix: str, *_: Any) -> None:
    state.pop(f"{prefix}proj_out.weight", None)


register("whisper", WhisperForConditionalGeneration, VARIANTS)
