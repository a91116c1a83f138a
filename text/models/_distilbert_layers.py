"""The layers of DistilBERT, under the names of its checkpoints: embeddings, transformer.

Sanh et al. 2019 (https://arxiv.org/abs/1910.01108). ``c`` is a ``DistilBertConfig``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium import nn
from sensorium.inplace import wrote
from sensorium.nn.fused import linear_act
from sensorium.tensor import Tensor

from ._blocks import add_dense, attend, dense, length_of, room_for, run_layers, split_heads

EPS = 1e-12


class Embeddings(nn.Module):
    """Word and position, summed and normalised: ids (N, T) -> (N, T, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(c.vocab_size, c.dim, c.pad_token_id)
        self.position_embeddings = nn.Embedding(c.max_position_embeddings, c.dim)
        self.LayerNorm = nn.LayerNorm(c.dim, EPS)
        self.dropout = nn.Dropout(c.dropout)

    def forward(
        self, input_ids: Tensor | None, position_ids: Tensor | None, inputs_embeds: Tensor | None
    ) -> Tensor:
        length = length_of("DistilBERT", input_ids, inputs_embeds)
        x = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if position_ids is None:
            room_for("DistilBERT", length, self.position_embeddings, "max_position_embeddings")
            places = self.position_embeddings.weight[:length]  # (T, E)
        else:
            places = self.position_embeddings(position_ids)
        return self.dropout(self.LayerNorm(x + places))


class DistilBertSelfAttention(nn.Module):
    """x + attention of every token on every token that mask shows: (N, T, E) -> (N, T, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.q_lin, self.k_lin = nn.Linear(c.dim, c.dim), nn.Linear(c.dim, c.dim)
        self.v_lin, self.out_lin = nn.Linear(c.dim, c.dim), nn.Linear(c.dim, c.dim)
        self.dropout = nn.Dropout(c.attention_dropout)
        self.heads = c.n_heads

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (
            split_heads(part(x), self.heads) for part in (self.q_lin, self.k_lin, self.v_lin)
        )
        return linear_act(attend(query, key, value, mask, self.dropout), self.out_lin, residual=x)


class FFN(nn.Module):
    """x + lin2(activation(lin1(x))): (N, T, E) -> (N, T, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(c.dim, c.hidden_dim), nn.Linear(c.hidden_dim, c.dim)
        self.activation = c.activation
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return add_dense(x, dense(x, self.lin1, self.activation), self.lin2, self.dropout)


class TransformerBlock(nn.Module):
    """Attention, then a feed-forward network at every place, each added and normalised."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.attention = DistilBertSelfAttention(c)
        self.sa_layer_norm = nn.LayerNorm(c.dim, EPS)
        self.ffn = FFN(c)
        self.output_layer_norm = nn.LayerNorm(c.dim, EPS)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.sa_layer_norm(self.attention(x, mask))
        return self.output_layer_norm(self.ffn(x))


class Transformer(nn.Module):
    """The layers, one after the other; returns the last output, and all if they are to be kept."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.layer = nn.ModuleList(TransformerBlock(c) for _ in range(c.n_layers))

    def forward(self, x: Tensor, mask: Tensor | None, keep: bool) -> tuple[Tensor, Any]:
        return run_layers(self.layer, x, mask, keep)


def fill_with_waves(table: nn.Embedding) -> None:
    """table[t, 2i] = sin(t / 10000^(2i / E)), table[t, 2i + 1] the cosine; no longer trained.

    Source: Vaswani et al. (2017), section 3.5.
    """
    length, size = table.weight.shape
    turns = np.arange(length)[:, None] / 10000 ** (np.arange(size) // 2 * 2 / size)  # (T, E)
    turns[:, 1::2] += np.pi / 2
    table.weight.requires_grad_(False)
    table.weight.array[...] = np.sin(turns)
    wrote(table.weight)
