"""Whisper: an encoder of 30 s of sound and a decoder that writes what was said.

Radford et al. 2022, "Robust speech recognition via large-scale weak supervision"
(https://arxiv.org/abs/2212.04356). Classes, parameter names and options are Hugging Face's. Letters:
N recordings, F frames of features (3000), S = F / 2 positions of the encoder, T tokens, E embedding,
V vocabulary, H heads. Left out: masking of the features
and LayerDrop in training, attention maps as an output.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError
from sensorium.nn import functional as F, init
from sensorium.tensor import Tensor

from ._registry import register
from .whisper_config import VARIANTS, WhisperConfig, config_of
from .whisper_layers import ACTIVATIONS, WhisperCache
from .whisper_sides import WhisperDecoder, WhisperEncoder, sinusoids


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
