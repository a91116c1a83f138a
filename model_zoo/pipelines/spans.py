"""Parts of texts: answers to questions, named things. Models with an output for every token."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import sensorium as sn
from sensorium.errors import OptionError

from .text import _TextPipeline


class Answer(NamedTuple):
    """A part of the context, its probability, and the characters it stands at."""

    text: str
    score: float
    start: int
    end: int


class QuestionAnswering(_TextPipeline):
    """The part of a context that answers a question.

    The score of a part is the probability that it begins where it does times that of its end, among
    the tokens of the context (Devlin et al. 2019, section 4.2).
    """

    def __call__(self, question: str, context: str, *, max_answer_tokens: int = 15) -> Answer:
        """The best answer of at most max_answer_tokens tokens; the end of a long context is cut."""
        if max_answer_tokens < 1:
            raise OptionError(
                f"QuestionAnswering: max_answer_tokens is {max_answer_tokens}, want at least 1"
            )
        options = {"truncation": "only_second", "offsets": True}
        batch = self.tokenizer([question], pair=[context], **options)
        inside = np.array([number == 1 for number in batch.sequence_ids(0)])
        spans = batch.pop("offset_mapping")[0].tolist()
        if not inside.any():
            raise OptionError(
                f"QuestionAnswering: no token of the context {context[:40]!r} is left"
            )
        with sn.inference_mode():
            found = self.model(**batch.to(self.device))
        starts = _probabilities(found.start_logits[0].cpu().numpy(), inside)
        ends = _probabilities(found.end_logits[0].cpu().numpy(), inside)
        first, last = _best_span(starts, ends, max_answer_tokens)
        start, end = spans[first][0], spans[last][1]
        return Answer(context[start:end], float(starts[first] * ends[last]), start, end)


def _probabilities(logits: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """softmax of logits (T) over the tokens that count."""
    powers = np.where(inside, np.exp(logits - logits[inside].max()), 0)
    return powers / powers.sum()


def _best_span(starts: np.ndarray, ends: np.ndarray, longest: int) -> tuple[int, int]:
    """The first and last token of the likeliest part of at most ``longest`` tokens."""
    pairs = np.tril(np.triu(starts[:, None] * ends), longest - 1)
    return divmod(int(pairs.argmax()), len(ends))


class Entity(NamedTuple):
    """A named part of a text: its label, mean probability, and the characters it stands at."""

    text: str
    label: str
    score: float
    start: int
    end: int


class TokenClassification(_TextPipeline):
    """Named things in a text: neighbouring tokens of one label, read as B-I-O where it is written so."""

    def __call__(self, text: str, *, ignore: str = "O") -> list[Entity]:
        """The parts of a text in order; tokens labelled ``ignore`` are of none."""
        batch = self.tokenizer(text, offsets=True)
        kept = [number is not None for number in batch.sequence_ids(0)]
        spans = batch.pop("offset_mapping")[0].tolist()
        with sn.inference_mode():
            scores = sn.softmax(self.model(**batch.to(self.device)).logits[0], -1).cpu().numpy()
        names = self._names(scores.shape[1])
        found: list[list[Any]] = []  # label, start, end, scores
        for inside, (start, end), row in zip(kept, spans, scores):
            label = names[int(row.argmax())]
            if not inside or label == ignore:
                continue
            begins, _, plain = label.rpartition("-")
            touches = bool(found) and text[found[-1][2] : start].strip() == ""
            if touches and found[-1][0] == plain and begins != "B":
                found[-1][2] = end
                found[-1][3].append(float(row.max()))
            else:
                found.append([plain, start, end, [float(row.max())]])
        return [Entity(text[a:b], label, float(np.mean(s)), a, b) for label, a, b, s in found]
