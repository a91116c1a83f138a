"""RoBERTa: BERT trained longer, with positions that start after the padding id and other heads.

Liu et al. 2019 (https://arxiv.org/abs/1907.11692). Keys of Hugging Face's checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError
from sensorium.jit import is_tracing
from sensorium.tensor import Tensor

from ._bert_layers import BertEmbeddings
from ._blocks import dense, room_for
from ._heads import (
    MaskedLM,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    vocabulary_layer,
)
from ._registry import register_family
from .bert import BertConfig, BertModel


# -- config --------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class RobertaConfig(BertConfig):
    """Options of the RoBERTa family; pad_token_id is needed, positions are counted from it."""

    model_type: ClassVar[str] = "roberta"

    vocab_size: int = 50265
    pad_token_id: int | None = 1
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pad_token_id is None:
            raise OptionError("RobertaConfig: pad_token_id must be a number, got None")


# -- blocks --------------------------------------------------------------------------------------
class RobertaEmbeddings(BertEmbeddings):
    """Position of token t that is not padding: pad_token_id + how many such there are up to it."""

    padding_idx: int

    def _position_table(self, c: Any) -> nn.Embedding:
        self.padding_idx = c.pad_token_id
        return nn.Embedding(c.max_position_embeddings, c.hidden_size, c.pad_token_id)

    def _positions(self, input_ids: Tensor | None, length: int) -> Tensor:
        table, pad = self.position_embeddings, self.padding_idx
        room_for("RoBERTa", length + pad + 1, table, "max_position_embeddings")
        if input_ids is not None:
            real = sn.ne(input_ids, pad)
            if is_tracing() or real.is_cuda or not real.array.all():
                return table(real.long().cumsum(1) * real + pad)  # (N, T, E)
        return table.weight[pad + 1 : pad + 1 + length]  # (T, E)


class RobertaLMHead(nn.Module):
    """(N, T, E) -> (N, T, V). ``bias`` is the decoder's, under its older name too."""

    def __init__(self, c: Any, words: nn.Embedding) -> None:
        super().__init__()
        self.dense = nn.Linear(c.hidden_size, c.hidden_size)
        self.layer_norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.decoder = vocabulary_layer(c, words)
        self.bias = self.decoder.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.layer_norm(dense(x, self.dense, "gelu")))


class RobertaClassificationHead(nn.Module):
    """out_proj(tanh(dense(first token))): (N, T, E) -> (N, K)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(c.hidden_size, c.hidden_size)
        self.dropout = nn.Dropout(c.token_dropout)
        self.out_proj = nn.Linear(c.hidden_size, c.num_labels)

    def forward(self, x: Tensor) -> Tensor:
        x = dense(self.dropout(x[:, 0]), self.dense, "tanh")
        return self.out_proj(self.dropout(x))


# -- net -----------------------------------------------------------------------------------------
class RobertaModel(BertModel):
    """ids (N, T) -> last_hidden_state (N, T, E), pooler_output (N, E). See ``BertModel``.

    >>> import sensorium as sn
    >>> model = RobertaModel(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    >>> model(sn.tensor([[0, 5, 2]])).pooler_output.shape
    sensorium.Size([1, 8])
    """

    config_class, base_model_prefix = RobertaConfig, "roberta"
    embeddings_class = RobertaEmbeddings


class RobertaForMaskedLM(MaskedLM):
    """RoBERTa and the words behind the masks."""

    config_class, base_class = RobertaConfig, RobertaModel
    base_model_prefix, base_parts = "roberta", RobertaModel.base_parts
    head_parts = ("lm_head",)
    tied: ClassVar[dict[str, str]] = {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    }

    def _build_head(self, c: Any) -> None:
        self.lm_head = RobertaLMHead(c, self.roberta.embeddings.word_embeddings)

    def _logits(self, found: Any) -> Tensor:
        return self.lm_head(found.last_hidden_state)


class RobertaForSequenceClassification(SequenceClassification):
    """RoBERTa and the class of a text, from its first token."""

    config_class, base_class = RobertaConfig, RobertaModel
    base_model_prefix, base_parts = "roberta", RobertaModel.base_parts

    def _build_head(self, c: Any) -> None:
        self.classifier = RobertaClassificationHead(c)

    def _logits(self, found: Any) -> Tensor:
        return self.classifier(found.last_hidden_state)


class RobertaForTokenClassification(TokenClassification):
    """RoBERTa and the class of every token."""

    config_class, base_class = RobertaConfig, RobertaModel
    base_model_prefix, base_parts = "roberta", RobertaModel.base_parts


class RobertaForQuestionAnswering(QuestionAnswering):
    """RoBERTa and the place of an answer in the text."""

    config_class, base_class = RobertaConfig, RobertaModel
    base_model_prefix, base_parts = "roberta", RobertaModel.base_parts


# -- variants ------------------------------------------------------------------------------------
_PUBLISHED = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
_SIX = {"num_hidden_layers": 6}

VARIANTS: dict[str, dict[str, Any]] = {
    "roberta_base": _PUBLISHED,
    "roberta_large": {**_PUBLISHED, **_LARGE, "intermediate_size": 4096},
    "distilroberta_base": {**_PUBLISHED, **_SIX},
}
register_family(
    VARIANTS,
    RobertaModel,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaForQuestionAnswering,
)
