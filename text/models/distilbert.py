"""DistilBERT: BERT with half the layers, taught by BERT; no token types and no pooler.

Sanh et al. 2019 (https://arxiv.org/abs/1910.01108). Keys and option names of Hugging Face's
checkpoints. ``token_type_ids`` are taken, so that what a BERT tokenizer gives fits, and not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sensorium import nn
from sensorium.tensor import Tensor

from ._blocks import additive_mask, check_activation, dense
from ._config import TextConfig, divides
from ._distilbert_layers import EPS, Embeddings, Transformer, fill_with_waves
from ._heads import (
    MaskedLM,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    vocabulary_layer,
)
from ._model import TextModel
from ._registry import register_family
from .outputs import BaseModelOutput


# -- config --------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class DistilBertConfig(TextConfig):
    """Options of the DistilBERT family; hidden_dim is the feed-forward network's."""

    model_type: ClassVar[str] = "distilbert"
    aliases: ClassVar[dict[str, str]] = {
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    }

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    sinusoidal_pos_embds: bool = False
    n_layers: int = 6
    n_heads: int = 12
    dim: int = 768
    hidden_dim: int = 3072
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation: str = "gelu"
    qa_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    pad_token_id: int | None = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        divides(type(self).__name__, self.n_heads, self.dim)
        check_activation(self.activation, "activation")

    @property
    def hidden_size(self) -> int:
        """``dim``."""
        return self.dim

    @property
    def token_dropout(self) -> float:
        """``dropout``."""
        return self.dropout

    @property
    def span_dropout(self) -> float:
        """``qa_dropout``."""
        return self.qa_dropout


# -- net -----------------------------------------------------------------------------------------
class DistilBertModel(TextModel):
    """ids (N, T) -> last_hidden_state (N, T, E).

    >>> import sensorium as sn
    >>> model = DistilBertModel(vocab_size=9, dim=8, n_layers=1, n_heads=2)
    >>> model(sn.tensor([[1, 2, 3]])).last_hidden_state.shape
    sensorium.Size([1, 3, 8])
    """

    config_class, base_model_prefix = DistilBertConfig, "distilbert"
    base_parts = ("embeddings", "transformer")

    def _build(self, c: Any) -> None:
        self.embeddings = Embeddings(c)
        self.transformer = Transformer(c)

    def _start(self) -> None:
        super()._start()
        if self.config.sinusoidal_pos_embds:
            fill_with_waves(self.embeddings.position_embeddings)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> BaseModelOutput:
        x = self.embeddings(input_ids, position_ids, inputs_embeds)
        mask = additive_mask(attention_mask, x)
        return BaseModelOutput(*self.transformer(x, mask, output_hidden_states))


class DistilBertForMaskedLM(MaskedLM):
    """DistilBERT and the words behind the masks."""

    config_class, base_class = DistilBertConfig, DistilBertModel
    base_model_prefix, base_parts = "distilbert", DistilBertModel.base_parts
    head_parts = ("vocab_transform", "vocab_layer_norm", "vocab_projector")
    tied: ClassVar[dict[str, str]] = {
        "vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight",
    }

    def _build_head(self, c: Any) -> None:
        self.vocab_transform = nn.Linear(c.dim, c.dim)
        self.vocab_layer_norm = nn.LayerNorm(c.dim, EPS)
        self.vocab_projector = vocabulary_layer(c, self.distilbert.embeddings.word_embeddings)

    def _logits(self, found: Any) -> Tensor:
        x = dense(found.last_hidden_state, self.vocab_transform, self.config.activation)
        return self.vocab_projector(self.vocab_layer_norm(x))


class DistilBertForSequenceClassification(SequenceClassification):
    """DistilBERT and the class of a text, from its first token."""

    config_class, base_class = DistilBertConfig, DistilBertModel
    base_model_prefix, base_parts = "distilbert", DistilBertModel.base_parts
    head_parts = ("pre_classifier", "classifier")

    def _build_head(self, c: Any) -> None:
        self.pre_classifier = nn.Linear(c.dim, c.dim)
        self.classifier = nn.Linear(c.dim, c.num_labels)
        self.dropout = nn.Dropout(c.seq_classif_dropout)

    def _logits(self, found: Any) -> Tensor:
        x = self.pre_classifier(found.last_hidden_state[:, 0]).relu()
        return self.classifier(self.dropout(x))


class DistilBertForTokenClassification(TokenClassification):
    """DistilBERT and the class of every token."""

    config_class, base_class = DistilBertConfig, DistilBertModel
    base_model_prefix, base_parts = "distilbert", DistilBertModel.base_parts


class DistilBertForQuestionAnswering(QuestionAnswering):
    """DistilBERT and the place of an answer in the text."""

    config_class, base_class = DistilBertConfig, DistilBertModel
    base_model_prefix, base_parts = "distilbert", DistilBertModel.base_parts


# -- variants ------------------------------------------------------------------------------------
VARIANTS: dict[str, dict[str, Any]] = {
    "distilbert_base": {},
    "distilbert_base_cased": {"vocab_size": 28996},
}
register_family(
    VARIANTS,
    DistilBertModel,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    DistilBertForQuestionAnswering,
)
