"""BERT: an encoder that reads a text in both directions.

Devlin et al. 2019 (https://arxiv.org/abs/1810.04805). Keys of Hugging Face's checkpoints. RoBERTa
shares all of it but positions and heads. Left out: decoders with cross-attention, relative
positions, the next-sentence head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sensorium import nn
from sensorium.tensor import Tensor

from ._bert_layers import BertEmbeddings, BertEncoder, BertPooler
from ._blocks import additive_mask, check_activation, dense
from ._config import TextConfig, divides
from ._heads import (
    MaskedLM,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    vocabulary_layer,
)
from ._model import TextModel
from ._registry import register_family
from .outputs import BaseModelOutputWithPooling


# -- config --------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class BertConfig(TextConfig):
    """Options of the BERT family. add_pooling_layer=False leaves the pooler out."""

    model_type: ClassVar[str] = "bert"

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | None = None
    add_pooling_layer: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        divides(type(self).__name__, self.num_attention_heads, self.hidden_size)
        check_activation(self.hidden_act, "hidden_act")

    @property
    def token_dropout(self) -> float:
        """The dropout before a classifier."""
        chosen = self.classifier_dropout
        return self.hidden_dropout_prob if chosen is None else chosen

    span_dropout: ClassVar[float] = 0.0  # before the answers' head

    def for_base(self, pools: bool) -> BertConfig:
        return replace(self, add_pooling_layer=pools)


# -- net -----------------------------------------------------------------------------------------
class BertModel(TextModel):
    """ids (N, T) -> last_hidden_state (N, T, E), pooler_output (N, E).

    attention_mask (N, T) is 0 at padding. Takes inputs_embeds (N, T, E) in place of ids.

    >>> import sensorium as sn
    >>> model = BertModel(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    >>> model(sn.tensor([[1, 2, 3]])).last_hidden_state.shape
    sensorium.Size([1, 3, 8])
    """

    config_class, base_model_prefix = BertConfig, "bert"
    base_parts = ("embeddings", "encoder", "pooler")
    embeddings_class: ClassVar[Any] = BertEmbeddings

    def _build(self, c: Any) -> None:
        self.embeddings = self.embeddings_class(c)
        self.encoder = BertEncoder(c)
        self.pooler = BertPooler(c) if c.add_pooling_layer else None

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> BaseModelOutputWithPooling:
        x = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        mask = additive_mask(attention_mask, x)
        x, layers = self.encoder(x, mask, output_hidden_states)
        pooled = None if self.pooler is None else self.pooler(x)
        return BaseModelOutputWithPooling(x, pooled, layers)


# -- heads ---------------------------------------------------------------------------------------
class BertPredictionHeadTransform(nn.Module):
    """LayerNorm(activation(dense(x))): (N, T, E) -> (N, T, E)."""

    def __init__(self, c: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(c.hidden_size, c.hidden_size)
        self.LayerNorm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.activation = c.hidden_act

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(dense(x, self.dense, self.activation))


class BertLMPredictionHead(nn.Module):
    """(N, T, E) -> (N, T, V). ``bias`` is the decoder's, under its older name too."""

    def __init__(self, c: Any, words: nn.Embedding) -> None:
        super().__init__()
        self.transform = BertPredictionHeadTransform(c)
        self.decoder = vocabulary_layer(c, words)
        self.bias = self.decoder.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.transform(x))


class BertOnlyMLMHead(nn.Module):
    """What the checkpoints call ``cls``."""

    def __init__(self, c: Any, words: nn.Embedding) -> None:
        super().__init__()
        self.predictions = BertLMPredictionHead(c, words)

    def forward(self, x: Tensor) -> Tensor:
        return self.predictions(x)


class BertForMaskedLM(MaskedLM):
    """BERT and the words behind the masks."""

    config_class, base_class = BertConfig, BertModel
    base_model_prefix, base_parts = "bert", BertModel.base_parts
    head_parts = ("cls",)
    tied: ClassVar[dict[str, str]] = {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }

    def _build_head(self, c: Any) -> None:
        self.cls = BertOnlyMLMHead(c, self.bert.embeddings.word_embeddings)

    def _logits(self, found: Any) -> Tensor:
        return self.cls(found.last_hidden_state)


class BertForSequenceClassification(SequenceClassification):
    """BERT and the class of a text, from the pooled first token."""

    config_class, base_class = BertConfig, BertModel
    base_model_prefix, base_parts = "bert", BertModel.base_parts
    pools = True

    def _build_head(self, c: Any) -> None:
        self.dropout = nn.Dropout(c.token_dropout)
        self.classifier = nn.Linear(c.hidden_size, c.num_labels)

    def _logits(self, found: Any) -> Tensor:
        return self.classifier(self.dropout(found.pooler_output))


class BertForTokenClassification(TokenClassification):
    """BERT and the class of every token."""

    config_class, base_class = BertConfig, BertModel
    base_model_prefix, base_parts = "bert", BertModel.base_parts


class BertForQuestionAnswering(QuestionAnswering):
    """BERT and the place of an answer in the text."""

    config_class, base_class = BertConfig, BertModel
    base_model_prefix, base_parts = "bert", BertModel.base_parts


# -- variants ------------------------------------------------------------------------------------
def _size(hidden: int, layers: int, heads: int, vocab: int = 30522) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "vocab_size": vocab,
    }


VARIANTS = {
    "bert_tiny": _size(128, 2, 2),
    "bert_mini": _size(256, 4, 4),
    "bert_small": _size(512, 4, 8),
    "bert_medium": _size(512, 8, 8),
    "bert_base": _size(768, 12, 12),
    "bert_base_cased": _size(768, 12, 12, vocab=28996),
    "bert_large": _size(1024, 24, 16),
    "minilm_l6": _size(384, 6, 12),
    "minilm_l12": _size(384, 12, 12),
}
register_family(
    VARIANTS,
    BertModel,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertForQuestionAnswering,
)
