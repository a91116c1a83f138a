"""How far a transcript is from the truth: edit distance, word and character error rates.

``edit_distance`` is torchaudio's; ``count_edits`` says of which kind the edits are, and the two
error rates are edits over the reference's length, summed over all pairs (not averaged), as in the
NIST scoring tools. Left out: language-specific rewriting of numbers and spellings before scoring;
``plain_words`` only lowers the case and drops punctuation.
"""

from __future__ import annotations

import dataclasses
import math
import unicodedata
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from sensorium.errors import DTypeError, ShapeError

__all__ = [
    "Edits",
    "char_edits",
    "char_error_rate",
    "count_edits",
    "edit_distance",
    "plain_words",
    "word_edits",
    "word_error_rate",
]

Texts = str | Sequence[str]


@dataclasses.dataclass(frozen=True)
class Edits:
    """Counts of a smallest set of edits that makes the hypothesis of the reference.

    >>> count_edits("a b c".split(), "a x c d".split())
    Edits(hits=2, substitutions=1, deletions=0, insertions=1)
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """substitutions + deletions + insertions: the edit distance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def length(self) -> int:
        """Items of the reference: hits + substitutions + deletions."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """errors / length; of an empty reference 0 without insertions, infinity with some."""
        if self.length == 0:
            return math.inf if self.errors else 0.0
        return self.errors / self.length

    def __add__(self, other: Edits) -> Edits:
        mine, others = dataclasses.astuple(self), dataclasses.astuple(other)
        return Edits(*(a + b for a, b in zip(mine, others)))


# -- distances -----------------------------------------------------------------------------------
def edit_distance(seq1: Sequence[Hashable], seq2: Sequence[Hashable]) -> int:
    """Fewest insertions, deletions and substitutions from seq1 to seq2 (Levenshtein, 1966).

    Sequences of anything that can be compared and hashed; a string is one of characters.

    >>> edit_distance("kitten", "sitting")
    3
    """
    first, second = _numbered(seq1, seq2)
    row = np.arange(len(second) + 1)
    for item in first:
        row = _next_row(row, second != item)
    return int(row[-1])


def count_edits(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> Edits:
    """The edits of one smallest alignment; where several are, substitutions are preferred.

    Takes len(reference) * len(hypothesis) bytes.
    """
    first, second = _numbered(reference, hypothesis)
    # Neighbours differ by at most one, so the last eight bits are enough to find the way back.
    table = np.empty((len(first) + 1, len(second) + 1), np.uint8)
    row = np.arange(len(second) + 1)
    table[0] = row
    for i, item in enumerate(first):
        row = _next_row(row, second != item)
        table[i + 1] = row
    return _way_back(table, first, second)


def _numbered(*sequences: Sequence[Hashable]) -> list[np.ndarray]:
    """Each sequence as numbers, equal where its items are."""
    numbers: dict[Hashable, int] = {}
    return [
        np.fromiter((numbers.setdefault(item, len(numbers)) for item in items), np.int64)
        for items in sequences
    ]


def _next_row(row: np.ndarray, differs: np.ndarray) -> np.ndarray:
    """D[i, j] = min(D[i-1, j] + 1, D[i, j-1] + 1, D[i-1, j-1] + differs[j]), a row at once.

    The middle term looks along the row itself: min over k <= j of D[i, k] + (j - k).
    """
    steps = np.arange(len(row))
    best = row + 1
    np.minimum(best[1:], row[:-1] + differs, out=best[1:])
    return np.minimum.accumulate(best - steps) + steps


def _way_back(table: np.ndarray, first: np.ndarray, second: np.ndarray) -> Edits:
    """Counts along one shortest path from the last corner of table to the first."""
    i, j = len(first), len(second)
    hits = substitutions = deletions = insertions = 0
    while i and j:
        differs = first[i - 1] != second[j - 1]
        here = int(table[i, j])
        if here == (int(table[i - 1, j - 1]) + differs) % 256:
            hits, substitutions = hits + (not differs), substitutions + differs
            i, j = i - 1, j - 1
        elif here == (int(table[i - 1, j]) + 1) % 256:
            deletions, i = deletions + 1, i - 1
        else:
            insertions, j = insertions + 1, j - 1
    return Edits(int(hits), int(substitutions), deletions + i, insertions + j)


# -- error rates ---------------------------------------------------------------------------------
def word_edits(
    reference: Texts, hypothesis: Texts, *, normalize: Callable[[str], str] | None = None
) -> Edits:
    """Edits between words, summed over all pairs of texts.

    Both are one text or equally many; words are what white space parts. normalize rewrites every
    text first, ``plain_words`` for one. ShapeError for lists of different lengths.

    >>> word_edits(["one two", "three"], ["one too", "three four"])
    Edits(hits=2, substitutions=1, deletions=0, insertions=1)
    """
    return _summed("word_edits", reference, hypothesis, normalize, str.split)


def char_edits(
    reference: Texts, hypothesis: Texts, *, normalize: Callable[[str], str] | None = None
) -> Edits:
    """Edits between characters, white space included; else as ``word_edits``."""
    return _summed("char_edits", reference, hypothesis, normalize, list)


def word_error_rate(
    reference: Texts, hypothesis: Texts, *, normalize: Callable[[str], str] | None = None
) -> float:
    """Word edits over words of the reference; may exceed 1. Arguments as for ``word_edits``.

    >>> word_error_rate("And you always want it.", "and you want it", normalize=plain_words)
    0.2
    """
    return _summed("word_error_rate", reference, hypothesis, normalize, str.split).rate


def char_error_rate(
    reference: Texts, hypothesis: Texts, *, normalize: Callable[[str], str] | None = None
) -> float:
    """Character edits over characters of the reference. Arguments as for ``word_edits``.

    >>> char_error_rate("cats", "cat")
    0.25
    """
    return _summed("char_error_rate", reference, hypothesis, normalize, list).rate


def _summed(
    op: str,
    reference: Texts,
    hypothesis: Texts,
    normalize: Callable[[str], str] | None,
    split: Callable[[str], list[str]],
) -> Edits:
    references, hypotheses = _texts(op, reference), _texts(op, hypothesis)
    if len(references) != len(hypotheses):
        raise ShapeError(f"{op}: {len(references)} references but {len(hypotheses)} hypotheses")
    clean = normalize or str
    pairs = zip(references, hypotheses)
    return sum((count_edits(split(clean(r)), split(clean(h))) for r, h in pairs), Edits())


def _texts(op: str, texts: Texts) -> list[str]:
    listed = [texts] if isinstance(texts, str) else list(texts)
    for text in listed:
        if not isinstance(text, str):
            raise DTypeError(f"{op}: want texts, got {type(text).__name__}")
    return listed


def plain_words(text: str) -> str:
    """Lower case, compatibility forms, no punctuation but apostrophes inside words, single spaces.

    >>> plain_words("Don't -- you  KNOW?")
    "don't you know"
    """
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    kept = "".join(
        " " if unicodedata.category(char)[0] == "P" and char != "'" else char for char in text
    )
    return " ".join(word for part in kept.split() if (word := part.strip("'")))
