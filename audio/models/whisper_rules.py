"""What Whisper may write next: suppressed tokens, and the grammar of its timestamps.

The rules are those of the paper's decoder (Radford et al. 2022, section 4.5, and the published code):
timestamps come first, in pairs around a text (its end, the next one's start) and never go back; the
first one is at most 1 s; where all times together are likelier than any one other token, a time it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sensorium.tensor import Tensor, wrap

from .whisper_config import WhisperConfig
from .whisper_tokens import WhisperTokens


class WhisperRules:
    """Logits (N, V) after tokens (N, T), -inf for what may not follow; both on the CPU.

    start: where the writing begins, the length of the prompt.
    """

    def __init__(
        self, config: WhisperConfig, tokens: WhisperTokens, start: int, *, timestamps: bool
    ) -> None:
        self.start, self.end, self.timestamps = start, tokens.end, timestamps
        self.never = _within(config.suppress_tokens, config.vocab_size)
        self.not_first = _within(config.begin_suppress_tokens, config.vocab_size)
        if timestamps:
            self.first_time, self.first_limit = (
                tokens.first_timestamp,
                config.max_initial_timestamp_index,
            )
            self.never.append(self.first_time - 1)

    def __call__(self, ids: Tensor, logits: Tensor) -> Tensor:
        scores = logits.array.astype(np.float32)
        scores[:, self.never] = -np.inf
        if ids.shape[1] == self.start:
            scores[:, self.not_first] = -np.inf
        if self.timestamps:
            for row, written in zip(scores, ids.array[:, self.start :].tolist()):
                self._restrict(row, written)
        return wrap(scores)

    def _restrict(self, row: np.ndarray, written: Sequence[int]) -> None:
        for tokens in forbidden(written, self.first_time, self.end, self.first_limit):
            row[tokens] = -np.inf
        texts, times = row[: self.first_time], row[self.first_time :]
        top = times.max(initial=-np.inf)
        if np.isfinite(top) and top + np.log(np.exp(times - top).sum()) > texts.max():
            texts[:] = -np.inf


def forbidden(
    written: Sequence[int], first_time: int, end: int, first_limit: int | None
) -> Iterator[slice]:
    """Ranges of tokens that cannot follow: first_time is the token of 0 s, end the last token.

    >>> [*forbidden([100, 7], first_time=100, end=50, first_limit=None)]  # text: later times only
    [slice(100, 101, None)]
    """
    if not written:
        yield slice(0, first_time)
        if first_limit is not None:
            yield slice(first_time + first_limit + 1, None)
        return
    is_time = [token >= first_time for token in written]
    begun = is_time[-1] and (len(written) < 2 or is_time[-2])  # a text's start: text must follow
    ended = is_time[-1] and not begun  # a text's end: a start must follow, or all ends
    if begun:
        yield slice(first_time, None)
    elif ended:
        yield slice(0, end)
    if any(is_time):
        last = max(n for n, flag in enumerate(is_time) if flag)
        yield slice(first_time, written[last] + (0 if ended else 1))


def _within(tokens: Sequence[int] | None, vocab_size: int) -> list[int]:
    return [token for token in tokens or () if 0 <= token < vocab_size]
