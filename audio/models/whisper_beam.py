"""Beam search: the B likeliest texts kept side by side, the best finished one returned.

Semantics of transformers' beam search with ``early_stopping=False``: of the 2 B likeliest
continuations those among the first B that end are finished, with their log-probability over
length ^ length_penalty; the best B that do not end go on; it is over when B are finished and the
best open text, were it to end now, is no better. With ``patience`` (Kasai et al. 2022,
https://arxiv.org/abs/2204.05424) it is over when round(B patience) are finished.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import sensorium as sn
from sensorium.tensor import Tensor

Step = Callable[[Tensor], Tensor]  # ids so far (R, T) -> logits of the next (R, V)
Rule = Callable[[Tensor, Tensor], Tensor]
_NEVER = -1e9  # the score of rows that only repeat the first one, before they differ


def beam_search(
    step: Step,
    reorder: Callable[[np.ndarray], None],
    rule: Rule,
    prompt: Sequence[int],
    recordings: int,
    beams: int,
    end: int,
    limit: int,
    length_penalty: float = 1.0,
    patience: float | None = None,
) -> list[tuple[list[int], float]]:
    """For each of N recordings the best text without its end, and its mean log-probability.

    step is called with N B rows, those of a recording together; reorder tells which rows went on.
    limit: the most tokens of a text, its end included.
    """
    searches = [Search(beams, end, limit, length_penalty, patience) for _ in range(recordings)]
    ids = sn.tensor([list(prompt)] * (recordings * beams))
    while True:
        chances = rule(ids, sn.log_softmax(step(ids), -1)).array
        for n, search in enumerate(searches):
            search.advance(chances[n * beams : (n + 1) * beams])
        if all(search.done for search in searches):
            return [search.best() for search in searches]
        rows = np.concatenate([s.parents + n * beams for n, s in enumerate(searches)])
        reorder(rows)
        new = np.concatenate([search.tokens for search in searches])
        ids = sn.cat([ids[rows], sn.tensor(new[:, None])], 1)


class Search:
    """The beams of one recording; once done it stands still while others go on.

    >>> search = Search(beams=1, end=0, limit=5)
    >>> search.advance(np.log([[0.1, 0.9]])); search.advance(np.log([[0.8, 0.2]])); search.best()[0]
    [1]
    """

    def __init__(
        self,
        beams: int,
        end: int,
        limit: int,
        length_penalty: float = 1.0,
        patience: float | None = None,
    ) -> None:
        self.end, self.limit, self.length_penalty = end, limit, length_penalty
        self.enough = beams if patience is None else max(1, round(beams * patience))
        self.patient = patience is not None
        self.texts: list[list[int]] = [[] for _ in range(beams)]
        self.scores = np.full(beams, _NEVER)
        self.scores[0] = 0.0
        self.finished: list[tuple[float, float, list[int]]] = []  # score, log-probability, text
        self.parents, self.tokens = np.arange(beams), np.full(beams, end)
        self.done = False

    def advance(self, chances: np.ndarray) -> None:
        """Go on by one token, given log-probabilities (B, V)."""
        beams = len(self.texts)
        if self.done:
            self.parents = np.arange(beams)
            return
        total = (chances + self.scores[:, None]).ravel()
        picks = _largest(total, 2 * beams)
        parents, tokens = np.divmod(picks, chances.shape[1])
        length = len(self.texts[0]) + 1
        ends = (tokens == self.end) | (length >= self.limit)
        for n in np.flatnonzero(ends[:beams]):
            text = [*self.texts[parents[n]], int(tokens[n])]
            self._finish(text, float(total[picks[n]]))
        going = np.flatnonzero(~ends)[:beams]
        if len(going) == beams:
            self.parents, self.tokens = parents[going], tokens[going]
            self.texts = [[*self.texts[p], int(t)] for p, t in zip(self.parents, self.tokens)]
            self.scores = total[picks[going]]
        self.done = len(going) < beams or self._over(length)

    def _finish(self, text: list[int], log_probability: float) -> None:
        score = log_probability / len(text) ** self.length_penalty
        self.finished.append((score, log_probability, text))
        if not self.patient:
            self.finished = sorted(self.finished, key=lambda f: -f[0])[: self.enough]

    def _over(self, length: int) -> bool:
        if len(self.finished) < self.enough:
            return False
        worst = min(score for score, _, _ in self.finished)
        return self.patient or self.scores[0] / length**self.length_penalty <= worst

    def best(self) -> tuple[list[int], float]:
        """The best finished text without its end, and its mean log-probability."""
        _, log_probability, text = max(self.finished, key=lambda f: f[0])
        text = text[:-1] if text[-1] == self.end else text
        return text, log_probability / (len(text) + 1)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of the ``count`` largest values, the largest first."""
    count = min(count, len(values))
    some = np.argpartition(-values, count - 1)[:count]
    return some[np.argsort(-values[some], kind="stable")]
