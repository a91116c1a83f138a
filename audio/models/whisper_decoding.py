"""Whisper's writing: one window of sound to tokens, greedy, by beams or by chance.

``decode`` writes; ``decode_with_fallback`` writes again, more freely, where the result looks wrong
(Radford et al. 2022, section 4.5). The loop is ``sensorium.generation.generate``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import sensorium as sn
from sensorium.errors import OptionError
from sensorium.generation import generate
from sensorium.generator import Generator
from sensorium.tensor import Tensor

from .whisper_beam import beam_search
from .whisper_rules import WhisperRules
from .whisper_tokens import WhisperTokens


@dataclass(frozen=True)
class Decoded:
    """What was written for one window.

    avg_logprob is the mean over the tokens and the end; no_speech_prob the chance, before anything is
    written, that nobody speaks (nan where the vocabulary has no token for that).
    """

    tokens: list[int]
    avg_logprob: float
    no_speech_prob: float
    temperature: float


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """How to write.

    num_beams, length_penalty, patience: beam search at temperature 0 as ``beam_search`` has it;
    best_of: how many drafts are drawn at a higher temperature; max_new_tokens: half of the decoder's
    positions if not given.
    """

    timestamps: bool = False
    num_beams: int = 1
    length_penalty: float = 1.0
    patience: float | None = None
    best_of: int = 5
    max_new_tokens: int | None = None

    def __post_init__(self) -> None:
        rules = {
            f"num_beams of at least 1, got {self.num_beams}": self.num_beams >= 1,
            f"best_of of at least 1, got {self.best_of}": self.best_of >= 1,
            f"a positive patience, got {self.patience}": self.patience is None or self.patience > 0,
            f"max_new_tokens of at least 1, got {self.max_new_tokens}": self.max_new_tokens is None
            or self.max_new_tokens >= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                raise OptionError(f"DecodingOptions: wants {rule}")


# -- one window ----------------------------------------------------------------------------------
@sn.inference_mode()
def decode(
    model: Any,
    states: Tensor,
    prompt: Sequence[int],
    options: DecodingOptions | None = None,
    *,
    temperature: float = 0.0,
    generator: Generator | None = None,
) -> list[Decoded]:
    """What the encoder's output states (N, S, E) says, behind a prompt that all N share.

    temperature 0 takes the likeliest tokens (by beams with ``num_beams``); above 0 tokens are drawn
    and the likeliest of ``best_of`` drafts is returned.
    """
    options = options or DecodingOptions()
    tokens = WhisperTokens.of(model.config)
    rows = options.num_beams if temperature == 0 else options.best_of
    room = model.config.max_target_positions - len(prompt)
    limit = min(options.max_new_tokens or model.config.max_target_positions // 2, room)
    if limit < 1:
        raise OptionError(f"decode: a prompt of {len(prompt)} tokens leaves no room to write")
    writer = _Writer(model, states, tokens, prompt)
    rules = WhisperRules(model.config, tokens, len(prompt), timestamps=options.timestamps)
    if temperature == 0 and rows > 1:
        found = beam_search(writer.step, writer.reorder, rules, prompt, len(states), rows,
                            tokens.end, limit, options.length_penalty, options.patience)  # fmt: skip
        return [Decoded(*each, quiet, 0.0) for each, quiet in zip(found, writer.no_speech)]
    tally = _Tally(tokens.end, len(prompt))
    ids = generate(
        writer.step,
        sn.tensor([list(prompt)] * (len(states) * rows)),
        max_new_tokens=limit,
        do_sample=temperature > 0,
        temperature=temperature or 1.0,
        top_k=None,
        eos_token_id=tokens.end,
        processors=[rules, tally],
        generator=generator,
    )
    found = tally.finish(ids)
    best = [max(found[n : n + rows], key=_likelihood) for n in range(0, len(found), rows)]
    return [Decoded(*each, quiet, temperature) for each, quiet in zip(best, writer.no_speech)]


def _likelihood(found: tuple[list[int], float]) -> float:
    return found[1]


class _Writer:
    """Steps of the decoder with a cache: all ids so far to the logits of the next one, on the CPU."""

    def __init__(
        self, model: Any, states: Tensor, tokens: WhisperTokens, prompt: Sequence[int]
    ) -> None:
        self.model, self.states, self.no_speech_token = model, states, tokens.no_speech
        self.cache, self.decoder = model.new_cache(), model.get_decoder()
        self.begin = list(prompt).index(tokens.start) if tokens.start in prompt else 0
        self.no_speech = [float("nan")] * len(states)
        self.reorder = self.cache.reorder

    def step(self, ids: Tensor) -> Tensor:
        read = self.cache.length
        new = (ids[:, read:] if read else ids).to(self.states.device)
        hidden = self.decoder(new, self.states, cache=self.cache)
        if not read and self.no_speech_token is not None:
            self._listen(hidden)
        return self.model.project(hidden[:, -1]).float().cpu()

    def _listen(self, hidden: Tensor) -> None:
        rows = len(hidden) // len(self.states)
        logits = self.model.project(hidden[::rows, self.begin]).float()
        self.no_speech = sn.softmax(logits, -1)[:, self.no_speech_token].tolist()


class _Tally:
    """Sums the log-probabilities of what is chosen, as the last rule of ``generate``.

    A token is known one step after its logits, so each call settles the one before.
    """

    def __init__(self, end: int, start: int) -> None:
        self.end, self.start = end, start
        self.sums: Any = 0.0
        self.open: Any = True  # rows that have not ended
        self.logits: Any = None

    def __call__(self, ids: Tensor, logits: Tensor) -> Tensor:
        self._settle(ids)
        self.logits = logits.array
        return logits

    def _settle(self, ids: Tensor) -> None:
        if self.logits is None:
            return
        chosen = ids.array[:, -1]
        top = self.logits.max(-1)
        total = top + np.log(np.exp(self.logits - top[:, None]).sum(-1))
        gained = self.logits[np.arange(len(chosen)), chosen] - total
        self.sums = self.sums + np.where(self.open, gained, 0.0)
        self.open = self.open & (chosen != self.end)

    def finish(self, ids: Tensor) -> list[tuple[list[int], float]]:
        """Tokens without the end, and their mean log-probability."""
        self._settle(ids)
        rows = [until(row, self.end) for row in ids.array[:, self.start :].tolist()]
        return [(row, float(s) / (len(row) + 1)) for row, s in zip(rows, self.sums)]


def until(tokens: list[int], end: int) -> list[int]:
    """Tokens before the first ``end``."""
    return tokens[: tokens.index(end)] if end in tokens else tokens


@sn.inference_mode()
def detect_language(model: Any, states: Tensor) -> list[dict[str, float]]:
    """The chance of every language for each of N recordings, the likeliest first.

    ``OptionError`` for a model of one language.
    """
    tokens = WhisperTokens.of(model.config)
    if not tokens.languages:
        raise OptionError("detect_language: this model knows English only")
    hidden = model.get_decoder()(
        sn.tensor([[tokens.start]] * len(states)).to(states.device), states
    )
    ids = list(tokens.languages.values())
    chances = sn.softmax(model.project(hidden[:, 0]).float().cpu()[:, ids], -1)
    return [
        dict(sorted(zip(tokens.languages, row), key=lambda pair: -pair[1]))
        for row in chances.tolist()
    ]


# -- again, if it looks wrong --------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """When a text is not believed: too repetitive, too unlikely, or nobody spoke. None: never.

    A text that compresses more than ``compression_ratio`` times repeats itself; one below ``logprob``
    on average was guessed; below it and above ``no_speech``, there was nothing to write.
    """

    compression_ratio: float | None = 2.4
    logprob: float | None = -1.0
    no_speech: float | None = 0.6

    def silent(self, found: Decoded) -> bool:
        """Whether nobody spoke."""
        unlikely = self.logprob is None or found.avg_logprob <= self.logprob
        return self.no_speech is not None and found.no_speech_prob > self.no_speech and unlikely

    def doubtful(self, found: Decoded, ratio: float) -> bool:
        """Whether to write it again."""
        if self.silent(found):
            return False
        repeats = self.compression_ratio is not None and ratio > self.compression_ratio
        return repeats or (self.logprob is not None and found.avg_logprob < self.logprob)


def compression_ratio(data: bytes) -> float:
    """How many times smaller zlib makes it.

    >>> compression_ratio(b"ha" * 100) > 10 > 1 > compression_ratio(b"ha")
    True
    """
    return len(data) / len(zlib.compress(data))


def decode_with_fallback(
    model: Any,
    states: Tensor,
    prompt: Sequence[int],
    options: DecodingOptions,
    *,
    temperatures: Sequence[float],
    thresholds: Thresholds,
    as_bytes: Callable[[list[int]], bytes],
    generator: Generator | None = None,
) -> tuple[Decoded, float]:
    """``decode`` of one window (1, S, E) at the first temperature whose result is not doubtful.

    as_bytes: what of the tokens is compressed. Returns the result and its compression ratio.
    """
    if not temperatures:
        raise OptionError("decode_with_fallback: give at least one temperature")
    for temperature in temperatures:
        found = decode(
            model, states, prompt, options, temperature=temperature, generator=generator
        )[0]
        ratio = compression_ratio(as_bytes(found.tokens))
        if not thresholds.doubtful(found, ratio):
            break
    return found, ratio
