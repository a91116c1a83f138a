"""The layers of BERT and RoBERTa, under the names of their checkpoints: embeddings, encoder, pooler.

Devlin et al. 2019 (https://arxiv.org/abs/1810.04805). ``c`` is a ``BertConfig``.
"""

from __future__ import annotations

from typing import Any

from sensorium import nn
from sensorium.jit import is_tracing
from sensorium.tensor import Tensor

from ._blocks import add_dense, attend, dense, length_of, room_for, run_layers, split_heads


class BertEmbeddings(nn.Module):
    """Word, position and token type, summed and normalised: ids (N, T) -> (N, T, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(c.vocab_size, c.hidden_size, c.pad_token_id)
        self.position_embeddings = self._position_table(c)
        self.token_type_embeddings = nn.Embedding(c.type_vocab_size, c.hidden_size)
        self.LayerNorm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.dropout = nn.Dropout(c.hidden_dropout_prob)

    def _position_table(self, c: Any) -> nn.Embedding:
        return nn.Embedding(c.max_position_embeddings, c.hidden_size)

    def _positions(self, input_ids: Tensor | None, length: int) -> Tensor:
        """The position vectors of a text: (T, E), or (N, T, E) where texts differ."""
        room_for("BERT", length, self.position_embeddings, "max_position_embeddings")
        return self.position_embeddings.weight[:length]

    def _types(self, token_type_ids: Tensor | None) -> Tensor:
        """The token type vectors: (E) where all are of type 0, else (N, T, E)."""
        ids = token_type_ids
        if ids is None or not (is_tracing() or ids.is_cuda or ids.array.any()):
            return self.token_type_embeddings.weight[0]
        return self.token_type_embeddings(ids)

    def forward(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        length = length_of("BERT", input_ids, inputs_embeds)
        x = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if position_ids is None:
            places = self._positions(input_ids, length)
        else:
            places = self.position_embeddings(position_ids)
        x = x + (places + self._types(token_type_ids))  # (N, T, E)
        return self.dropout(self.LayerNorm(x))


class BertSelfAttention(nn.Module):
    """Every token looks at every token that mask shows: (N, T, E) -> (N, T, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.query = nn.Linear(c.hidden_size, c.hidden_size)
        self.key = nn.Linear(c.hidden_size, c.hidden_size)
        self.value = nn.Linear(c.hidden_size, c.hidden_size)
        self.dropout = nn.Dropout(c.attention_probs_dropout_prob)
        self.heads = c.num_attention_heads

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (
            split_heads(part(x), self.heads) for part in (self.query, self.key, self.value)
        )
        return attend(query, key, value, mask, self.dropout)


class BertOutput(nn.Module):
    """LayerNorm(dense(x) + residual), with dropout on the first."""

    def __init__(self, c: Any, inputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, c.hidden_size)
        self.LayerNorm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.dropout = nn.Dropout(c.hidden_dropout_prob)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(add_dense(residual, x, self.dense, self.dropout))


class BertAttention(nn.Module):
    """Self-attention and what joins its heads; ``self`` and ``output`` are the checkpoints' names."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.self = BertSelfAttention(c)
        self.output = BertOutput(c, c.hidden_size)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.output(self.self(x, mask), x)


class BertIntermediate(nn.Module):
    """activation(dense(x)): (N, T, E) -> (N, T, intermediate_size)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(c.hidden_size, c.intermediate_size)
        self.activation = c.hidden_act

    def forward(self, x: Tensor) -> Tensor:
        return dense(x, self.dense, self.activation)


class BertLayer(nn.Module):
    """Attention, then a feed-forward network at every place: (N, T, E) -> (N, T, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.attention = BertAttention(c)
        self.intermediate = BertIntermediate(c)
        self.output = BertOutput(c, c.intermediate_size)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.attention(x, mask)
        return self.output(self.intermediate(x), x)


class BertEncoder(nn.Module):
    """The layers, one after the other; returns the last output, and all if they are to be kept."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(c) for _ in range(c.num_hidden_layers))

    def forward(self, x: Tensor, mask: Tensor | None, keep: bool) -> tuple[Tensor, Any]:
        return run_layers(self.layer, x, mask, keep)


class BertPooler(nn.Module):
    """tanh(dense(first token)): (N, T, E) -> (N, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(c.hidden_size, c.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return dense(x[:, 0], self.dense, "tanh")
