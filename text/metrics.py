"""Metrics of generated text: BLEU and perplexity."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from sensorium.errors import OptionError, ShapeError
from sensorium.ops import cross_entropy
from sensorium.tensor import Tensor

Tokens = Sequence[str]


def bleu_score(
    candidate_corpus: Sequence[Tokens],
    references_corpus: Sequence[Sequence[Tokens]],
    max_n: int = 4,
    weights: Sequence[float] | None = None,
) -> float:
    """BLEU of a corpus: BP * exp(sum_n w_n log p_n), in [0, 1].

    p_n is the share of the candidates' n-grams that a reference holds, each counted at most as often
    as in the reference that has most of it; BP = min(1, exp(1 - r/c)) with c the candidates' length
    and r that of the closest references. weights default to 1/max_n each. 0 where some p_n is 0: there
    is no smoothing. Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine
    Translation", 2002; the signature is torchtext's.

    >>> candidates = [["My", "full", "pytorch", "test"], ["Another", "Sentence"]]
    >>> references = [[["My", "full", "pytorch", "test"], ["Completely", "Different"]], [["No", "Match"]]]
    >>> round(bleu_score(candidates, references), 4)
    0.8409
    """
    shares = [1 / max_n] * max_n if weights is None else list(weights)
    if len(shares) != max_n:
        raise OptionError(f"bleu_score: {len(shares)} weights for max_n {max_n}")
    if len(candidate_corpus) != len(references_corpus):
        raise ShapeError(
            f"bleu_score: {len(candidate_corpus)} candidates but {len(references_corpus)} references"
        )
    if not all(references_corpus):
        raise ShapeError("bleu_score: every candidate needs at least one reference")
    pairs = list(zip(candidate_corpus, references_corpus))
    hits = [sum(_hits(c, refs, n) for c, refs in pairs) for n in range(1, max_n + 1)]
    totals = [sum(max(len(c) - n + 1, 0) for c, _ in pairs) for n in range(1, max_n + 1)]
    if not hits or min(hits) == 0:
        return 0.0
    length = sum(len(c) for c, _ in pairs)
    closest = sum(min((abs(len(ref) - len(c)), i, len(ref)) for i, ref in enumerate(refs))[2]
                  for c, refs in pairs)  # fmt: skip
    log_precision = sum(w * math.log(h / t) for w, h, t in zip(shares, hits, totals))
    return math.exp(log_precision + min(1 - closest / length, 0))


def _hits(candidate: Tokens, references: Sequence[Tokens], n: int) -> int:
    """The candidate's n-grams that are in a reference, clipped."""
    most: Counter[tuple[str, ...]] = Counter()
    for reference in references:
        most |= _ngrams(reference, n)
    return (_ngrams(candidate, n) & most).total()


def _ngrams(tokens: Tokens, n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def perplexity(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> float:
    """exp of the mean negative log likelihood of targets (...) under logits (..., V).

    >>> import sensorium as sn
    >>> round(perplexity(sn.zeros(1, 3, 7), sn.tensor([[1, 2, 3]])), 4)
    7.0
    """
    if tuple(logits.shape[:-1]) != tuple(targets.shape):
        raise ShapeError(
            f"perplexity: logits {tuple(logits.shape)} want targets {tuple(logits.shape[:-1])}, "
            f"got {tuple(targets.shape)}"
        )
    rows, ids = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
    return math.exp(float(cross_entropy(rows, ids, ignore_index=ignore_index).item()))
