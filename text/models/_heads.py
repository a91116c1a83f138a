"""Tasks on top of an encoder, the same for BERT, RoBERTa and DistilBERT, and their losses.

A family adds what differs: its base model, its classification head and its vocabulary head. Losses
are those of transformers: labels of -100 count for nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sensorium import nn
from sensorium.errors import OptionError
from sensorium.nn import functional as F
from sensorium.tensor import Tensor

from ._model import TextModel
from .outputs import (
    MaskedLMOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)


# -- losses --------------------------------------------------------------------------------------
def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of logits (N, T, K) at the places whose label (N, T) is not -100."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))


def sequence_loss(logits: Tensor, labels: Tensor, problem_type: str | None) -> Tensor:
    """The loss of logits (N, K): squared error, cross-entropy or one binary entropy a class.

    problem_type None is told from the labels: one class is a regression, integers (N) are classes,
    floats (N, K) are several classes at once.
    """
    if problem_type is None:
        problem_type = _told(logits, labels)
    if problem_type == "regression":
        if logits.shape[-1] == 1:
            logits, labels = logits.reshape(-1), labels.reshape(-1)
        return F.mse_loss(logits, labels)
    if problem_type == "single_label_classification":
        return F.cross_entropy(logits, labels.reshape(-1))
    return F.binary_cross_entropy_with_logits(logits, labels)


def _told(logits: Tensor, labels: Tensor) -> str:
    if logits.shape[-1] == 1:
        return "regression"
    integers = labels.dtype.kind in "iu"
    return "single_label_classification" if integers else "multi_label_classification"


def span_loss(start: Tensor, end: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """The mean of the cross-entropies of start and end (N, T); places outside the text do not count."""
    length = start.shape[1]
    first, last = (
        F.cross_entropy(logits, places.reshape(-1).clamp(0, length), ignore_index=length)
        for logits, places in ((start, starts), (end, ends))
    )
    return (first + last) / 2


# -- layers --------------------------------------------------------------------------------------
def vocabulary_layer(config: Any, words: nn.Embedding, bias: bool = True) -> nn.Linear:
    """(N, T, E) -> (N, T, V), whose weight is that of the words unless the configuration unties it."""
    layer = nn.Linear(config.hidden_size, config.vocab_size, bias)
    if config.tie_word_embeddings:
        layer.weight = words.weight
    return layer


# -- tasks ---------------------------------------------------------------------------------------
class Head(TextModel):
    """An encoder and what turns its output into logits."""

    base_class: ClassVar[Any]
    pools: ClassVar[bool] = False  # whether the head reads the pooler's output

    def _build(self, config: Any) -> None:
        setattr(self, self.base_model_prefix, self.base_class(config.for_base(self.pools)))
        self._build_head(config)

    def _build_head(self, config: Any) -> None:
        raise TypeError(f"{type(self).__name__} defines no _build_head()")


class Labelled(Head):
    """One tensor of logits, and a loss where labels are given."""

    output_class: ClassVar[Any]

    def _logits(self, found: Any) -> Tensor:
        """The logits for what the encoder returned."""
        raise TypeError(f"{type(self).__name__} defines no _logits()")

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return token_loss(logits, labels)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> Any:
        found = self.base_model(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_hidden_states,
        )
        logits = self._logits(found)
        loss = None if labels is None else self._loss(logits, labels)
        return self.output_class(loss=loss, logits=logits, hidden_states=found.hidden_states)


class MaskedLM(Labelled):
    """The words behind the masks: logits (N, T, V). labels (N, T), -100 where there is none."""

    output_class = MaskedLMOutput


class SequenceClassification(Labelled):
    """The class of a text: logits (N, K). labels (N) or (N, K), see ``sequence_loss``."""

    output_class = SequenceClassifierOutput
    head_parts: ClassVar[tuple[str, ...]] = ("classifier",)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return sequence_loss(logits, labels, self.config.problem_type)


class TokenClassification(Labelled):
    """The class of every token: logits (N, T, K). labels (N, T), -100 where there is none."""

    output_class, head_parts = TokenClassifierOutput, ("classifier",)

    def _build_head(self, config: Any) -> None:
        self.dropout = nn.Dropout(config.token_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def _logits(self, found: Any) -> Tensor:
        return self.classifier(self.dropout(found.last_hidden_state))


class QuestionAnswering(Head):
    """Where in the text the answer begins and ends: two logits (N, T)."""

    head_parts = ("qa_outputs",)

    def _build_head(self, config: Any) -> None:
        if config.num_labels != 2:
            raise OptionError(
                f"{type(self).__name__}: num_labels is 2, start and end, got {config.num_labels}"
            )
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.dropout = nn.Dropout(config.span_dropout)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> QuestionAnsweringModelOutput:
        found = self.base_model(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_hidden_states,
        )
        both = self.qa_outputs(self.dropout(found.last_hidden_state))  # (N, T, 2)
        start, end = both[..., 0], both[..., 1]
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start, end, start_positions, end_positions)
        return QuestionAnsweringModelOutput(
            loss=loss, start_logits=start, end_logits=end, hidden_states=found.hidden_states
        )
