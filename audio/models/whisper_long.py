"""Recordings of any length, 30 s at a time: ``transcribe`` writes them down with their times.

A window begins where the last whole sentence of the one before ended, by its own timestamps, and is
told what was written so far (Radford et al. 2022, section 4.5, and the published code). A deviation:
the last window is filled with silence, as in training, not with zeros in the features. Left out: times
of single words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sensorium as sn
from sensorium.errors import OptionError, ShapeError
from sensorium.generator import Generator
from sensorium.tensor import Tensor

from .whisper_decoding import (
    Decoded,
    DecodingOptions,
    Thresholds,
    decode_with_fallback,
    detect_language,
)
from .whisper_features import WhisperFeatureExtractor
from .whisper_tokens import FRAME_SECONDS, WhisperTokens

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_FREE = 0.5  # above this temperature a text is too free to be the next window's context


@dataclass(frozen=True)
class Segment:
    """What was said from start to end (seconds); text is None without a tokenizer."""

    start: float
    end: float
    text: str | None
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


@dataclass(frozen=True)
class Transcript:
    """All segments of a recording of ``duration`` seconds; language is None for an English model."""

    segments: list[Segment]
    duration: float
    language: str | None = None

    @property
    def text(self) -> str:
        """The segments' texts as one; ``OptionError`` where there was no tokenizer."""
        texts = [segment.text for segment in self.segments]
        if None in texts:
            raise OptionError("Transcript.text: transcribe was given no tokenizer")
        return "".join(text for text in texts if text).strip()

    @property
    def tokens(self) -> list[int]:
        """The tokens of all segments."""
        return [token for segment in self.segments for token in segment.tokens]


@sn.inference_mode()
def transcribe(
    model: Any,
    waveform: Any,
    sample_rate: int,
    *,
    tokenizer: Any = None,
    language: str | None = None,
    task: str = "transcribe",
    options: DecodingOptions | None = None,
    temperatures: Sequence[float] = TEMPERATURES,
    thresholds: Thresholds | None = None,
    condition_on_previous: bool = True,
    initial_prompt: Sequence[int] = (),
    features: WhisperFeatureExtractor | None = None,
    generator: Generator | None = None,
    progress: Callable[[float], None] | None = None,
) -> Transcript:
    """What is said in a waveform (T) or (C, T) in [-1, 1], channels averaged, at any sample rate.

    tokenizer
        an object with ``decode(ids) -> str``; without one segments have tokens only
    language, task
        for multilingual models: a code such as "de", detected if not given; "transcribe", or
        "translate" into English
    options
        ``DecodingOptions``; by default greedy, with timestamps. Without timestamps every window is one
        segment, and a word at its edge may suffer.
    temperatures, thresholds
        a result that ``Thresholds`` doubt is written again at the next temperature
    condition_on_previous, initial_prompt
        whether a window is told what was written before; tokens to begin with (names, spelling)
    progress
        called with the seconds done after every window
    """
    features = features or WhisperFeatureExtractor(model.config.num_mel_bins)
    samples = features.prepared(_mono(waveform), sample_rate)
    seconds = samples.shape[1] / features.sampling_rate
    reader = _Reader(model, features, samples, tokenizer)
    reader.context = list(initial_prompt)
    language = reader.language(language)
    prompt = reader.tokens.prompt(language, task, (options or _WITH_TIMES).timestamps)
    how = (options or _WITH_TIMES, tuple(temperatures), thresholds or Thresholds(), generator)
    segments: list[Segment] = []
    while reader.position < reader.frames:
        segments += reader.window(prompt, *how)
        if not condition_on_previous:
            reader.context = list(initial_prompt)
        if progress is not None:
            progress(min(reader.seconds, seconds))
    return Transcript(segments, seconds, language)


_WITH_TIMES = DecodingOptions(timestamps=True)


def _mono(waveform: Any) -> Any:
    if getattr(waveform, "ndim", 1) > 2:
        raise ShapeError(f"transcribe: want a waveform (T) or (C, T), got {tuple(waveform.shape)}")
    return waveform.mean(0) if getattr(waveform, "ndim", 1) == 2 else waveform


@dataclass
class _Reader:
    """A recording and how far it was read, in frames of features."""

    model: Any
    features: WhisperFeatureExtractor
    samples: Tensor
    tokenizer: Any
    position: int = 0
    context: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = WhisperTokens.of(self.model.config)
        self.size = self.model.config.frames
        self.frames = self.samples.shape[1] // self.features.hop_length
        silence = self.size * self.features.hop_length
        self.mel = self.features.log_mel(self.samples, silence)  # (1, M, frames + size)
        self.encoder = self.model.get_encoder()

    @property
    def seconds(self) -> float:
        """Where the next window begins."""
        return self.position * self.features.hop_length / self.features.sampling_rate

    def encoded(self) -> Tensor:
        """The encoder's output (1, S, E) for the window."""
        weight = self.encoder.layer_norm.weight
        window = self.mel[:, :, self.position : self.position + self.size]
        return self.encoder(window.contiguous().to(weight.device, weight.dtype))

    def language(self, language: str | None) -> str | None:
        """The language given, or for a model of several the likeliest of the first window."""
        if language is not None or not self.tokens.languages:
            return language
        return next(iter(detect_language(self.model, self.encoded())[0]))

    def window(
        self,
        prompt: list[int],
        options: DecodingOptions,
        temperatures: Sequence[float],
        thresholds: Thresholds,
        generator: Generator | None,
    ) -> list[Segment]:
        """The segments of the next window; the position moves on."""
        found, ratio = decode_with_fallback(
            self.model, self.encoded(), self._before() + prompt, options, temperatures=temperatures,
            thresholds=thresholds, as_bytes=self._bytes, generator=generator,
        )  # fmt: skip
        start, steps = self.seconds, math.ceil(min(self.size, self.frames - self.position) / 2)
        if thresholds.silent(found):
            self.position += 2 * steps
            return []
        pieces, read = cut(found.tokens, self.tokens.no_timestamps, steps)
        self.position += 2 * read
        self.context = [] if found.temperature > _FREE else self.context
        self.context += [token for *_, tokens in pieces for token in tokens]
        made = (self._segment(start, piece, found, ratio) for piece in pieces)
        return [segment for segment in made if segment.tokens]

    def _before(self) -> list[int]:
        """The end of what was written so far, as the prompt's beginning."""
        room = self.model.config.max_target_positions // 2 - 1
        if not self.context or self.tokens.previous is None:
            return []
        return [self.tokens.previous, *self.context[-room:]]

    def _segment(
        self, start: float, piece: tuple[int, int, list[int]], found: Decoded, ratio: float
    ) -> Segment:
        first, last, tokens = piece
        text = self._text(tokens)
        begin, end = (round(start + step * FRAME_SECONDS, 2) for step in (first, last))
        scores = (found.temperature, found.avg_logprob, ratio, found.no_speech_prob)
        said = None if self.tokenizer is None else self.tokenizer.decode(text)
        return Segment(begin, end, said, text, *scores)

    def _text(self, tokens: list[int]) -> list[int]:
        return [token for token in tokens if token < self.tokens.end]

    def _bytes(self, tokens: list[int]) -> bytes:
        """The text, or without a tokenizer the numbers of its tokens."""
        text = self._text(tokens)
        if self.tokenizer is not None:
            return str(self.tokenizer.decode(text)).encode()
        width = math.ceil(math.log2(self.model.config.vocab_size) / 8)
        return b"".join(token.to_bytes(width, "little") for token in text)


def cut(
    tokens: list[int], no_timestamps: int | None, steps: int
) -> tuple[list[tuple[int, int, list[int]]], int]:
    """A window's tokens as pieces (start, end, tokens), and where to go on; in steps of 20 ms.

    Where two times meet, one piece ends and the next begins. A piece that was begun and not ended is
    left to the next window. With a single time at the end nothing is said after it: the window, of
    ``steps`` steps, is read. Without such pairs all is one piece.

    >>> cut([100, 7, 150, 150, 8], no_timestamps=99, steps=1500)
    ([(0, 50, [100, 7, 150])], 50)
    """
    first = math.inf if no_timestamps is None else no_timestamps + 1
    times = [token >= first for token in tokens]
    ends = [n for n in range(1, len(tokens)) if times[n - 1] and times[n]]
    complete = times[-2:] == [False, True]
    if not ends:
        known = [int(token - first) for token, is_time in zip(tokens, times) if is_time]
        start = known[0] if times and times[0] else 0
        return [(start, known[-1] if len(known) > 1 else steps, tokens)], steps
    ends += [len(tokens)] if complete else []
    pieces = [
        (int(tokens[a] - first), int(tokens[b - 1] - first), tokens[a:b])
        for a, b in zip([0, *ends], ends)
    ]
    return pieces, steps if complete else (pieces[-1][1] or steps)
