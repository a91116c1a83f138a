"""GPT-2: a decoder that writes a text on, token by token.

Radford et al. 2019, "Language models are unsupervised multitask learners". Keys, option names and
transposed weights (``Conv1D``) of Hugging Face's checkpoints. Left out: cross-attention, the
double-heads and classification heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sensorium import nn
from sensorium.nn.cache import KVCache
from sensorium.tensor import Tensor

from ._blocks import (
    Conv1D,
    attend,
    causal_mask,
    check_activation,
    dense,
    length_of,
    room_for,
    run_layers,
    split_heads,
)
from ._config import TextConfig, divides
from ._heads import token_loss, vocabulary_layer
from ._model import TextModel, residual_spread
from ._registry import register_family
from ._writing import CausalLM
from .outputs import BaseModelOutputWithPast, CausalLMOutputWithPast


# -- config --------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class GPT2Config(TextConfig):
    """Options of the GPT-2 family. n_inner None means 4 n_embd.

    scale_attn_weights: scores over sqrt(n_embd / n_head); scale_attn_by_inverse_layer_idx: and over
    the layer's number, from 1.
    """

    model_type: ClassVar[str] = "gpt2"
    aliases: ClassVar[dict[str, str]] = {
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    }

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    resid_pdrop: float = 0.1
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-5
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    bos_token_id: int | None = 50256
    eos_token_id: int | list[int] | None = 50256

    def __post_init__(self) -> None:
        super().__post_init__()
        divides(type(self).__name__, self.n_head, self.n_embd)
        check_activation(self.activation_function, "activation_function")

    @property
    def hidden_size(self) -> int:
        """``n_embd``."""
        return self.n_embd

    def attention_scale(self, layer: int) -> float:
        """What the scores of a layer, from 0, are multiplied by."""
        scale = (self.n_embd // self.n_head) ** -0.5 if self.scale_attn_weights else 1.0
        return scale / (layer + 1) if self.scale_attn_by_inverse_layer_idx else scale


# -- blocks --------------------------------------------------------------------------------------
class GPT2Attention(nn.Module):
    """Every token looks at itself and what came before: (N, T, E) -> (N, T, E)."""

    def __init__(self, c: Any, layer: int) -> None:
        super().__init__()
        self.c_attn, self.c_proj = Conv1D(3 * c.n_embd, c.n_embd), Conv1D(c.n_embd, c.n_embd)
        self.attn_dropout = nn.Dropout(c.attn_pdrop)
        self.resid_dropout = nn.Dropout(c.resid_pdrop)
        self.heads, self.layer, self.scale = c.n_head, layer, c.attention_scale(layer)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KVCache | None) -> Tensor:
        parts = self.c_attn(x).split(x.shape[-1], -1)
        query, key, value = (split_heads(part, self.heads) for part in parts)
        if cache is not None:
            key, value = cache.update(self.layer, key, value)
        y = attend(query, key, value, mask, self.attn_dropout, self.scale)
        return self.resid_dropout(self.c_proj(y))


class GPT2MLP(nn.Module):
    """c_proj(activation(c_fc(x))): (N, T, E) -> (N, T, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        inner = c.n_inner or 4 * c.n_embd
        self.c_fc, self.c_proj = Conv1D(inner, c.n_embd), Conv1D(c.n_embd, inner)
        self.activation = c.activation_function
        self.dropout = nn.Dropout(c.resid_pdrop)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(dense(x, self.c_fc, self.activation)))


class GPT2Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): (N, T, E) -> (N, T, E)."""

    def __init__(self, c: Any, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(c.n_embd, c.layer_norm_epsilon)
        self.attn = GPT2Attention(c, layer)
        self.ln_2 = nn.LayerNorm(c.n_embd, c.layer_norm_epsilon)
        self.mlp = GPT2MLP(c)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KVCache | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), mask, cache)
        return x + self.mlp(self.ln_2(x))


# -- net -----------------------------------------------------------------------------------------
class GPT2Model(TextModel):
    """ids (N, T) -> last_hidden_state (N, T, E).

    attention_mask (N, S) is 0 at padding; S counts what past_key_values holds too. position_ids
    (N, T) count from there unless given: a text padded on the left needs its own.

    >>> import sensorium as sn
    >>> model = GPT2Model(vocab_size=9, n_embd=8, n_layer=1, n_head=2)
    >>> model(sn.tensor([[1, 2, 3]])).last_hidden_state.shape
    sensorium.Size([1, 3, 8])
    """

    config_class, base_model_prefix = GPT2Config, "transformer"
    base_parts = ("wte", "wpe", "h", "ln_f")

    def _build(self, c: Any) -> None:
        self.wte = nn.Embedding(c.vocab_size, c.n_embd)
        self.wpe = nn.Embedding(c.n_positions, c.n_embd)
        self.drop = nn.Dropout(c.embd_pdrop)
        self.h = nn.ModuleList(GPT2Block(c, layer) for layer in range(c.n_layer))
        self.ln_f = nn.LayerNorm(c.n_embd, c.layer_norm_epsilon)

    def _spread(self, name: str) -> float:
        std = self.config.initializer_range
        return residual_spread(std, self.config.n_layer) if name.endswith("c_proj") else std

    def forward(
        self,
        input_ids: Tensor | None = None,
        past_key_values: KVCache | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool = False,
        output_hidden_states: bool = False,
    ) -> BaseModelOutputWithPast:
        cache = past_key_values
        if cache is None and use_cache:
            cache = KVCache(self.config.n_layer)
        past = 0 if cache is None else cache.length
        x = self._embed(input_ids, position_ids, inputs_embeds, past)
        mask = causal_mask(attention_mask, x, past)
        x, kept = run_layers(self.h, x, mask, output_hidden_states, cache)
        x = self.ln_f(x)
        return BaseModelOutputWithPast(x, cache, kept and (*kept[:-1], x))

    def _embed(
        self, ids: Tensor | None, places: Tensor | None, embeds: Tensor | None, past: int
    ) -> Tensor:
        stop = past + length_of("GPT-2", ids, embeds)
        x = self.wte(ids) if embeds is None else embeds
        if places is None:
            room_for("GPT-2", stop, self.wpe, "n_positions")
            return self.drop(x + self.wpe.weight[past:stop])
        return self.drop(x + self.wpe(places))


class GPT2LMHeadModel(CausalLM):
    """GPT-2 and the next token after every place: logits (N, T, V).

    labels (N, T) are the ids themselves (-100 counts for nothing): the loss compares the logits of a
    place with the label of the next one.
    """

    config_class, base_model_prefix = GPT2Config, "transformer"
    base_parts, head_parts = GPT2Model.base_parts, ("lm_head",)
    tied: ClassVar[dict[str, str]] = {"lm_head.weight": "transformer.wte.weight"}

    def _build(self, c: Any) -> None:
        self.transformer = GPT2Model(c)
        self.lm_head = vocabulary_layer(c, self.transformer.wte, bias=False)

    _spread = GPT2Model._spread

    def forward(
        self,
        input_ids: Tensor | None = None,
        past_key_values: KVCache | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool = False,
        output_hidden_states: bool = False,
        logits_to_keep: int = 0,
    ) -> CausalLMOutputWithPast:
        """logits_to_keep: compute the logits of so many places only, the last ones; 0 means all."""
        found = self.transformer(
            input_ids,
            past_key_values,
            attention_mask,
            position_ids,
            inputs_embeds,
            use_cache,
            output_hidden_states,
        )
        x = found.last_hidden_state
        logits = self.lm_head(x[:, -logits_to_keep:] if logits_to_keep else x)
        loss = None if labels is None else token_loss(logits[:, :-1], labels[:, 1:])
        return CausalLMOutputWithPast(loss, logits, found.past_key_values, found.hidden_states)


# -- variants ------------------------------------------------------------------------------------
VARIANTS: dict[str, dict[str, Any]] = {
    "distilgpt2": {"n_layer": 6},
    "gpt2": {},
    "gpt2_medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
    "gpt2_large": {"n_embd": 1280, "n_layer": 36, "n_head": 20},
    "gpt2_xl": {"n_embd": 1600, "n_layer": 48, "n_head": 25},
}
register_family(VARIANTS, GPT2Model, GPT2LMHeadModel)
