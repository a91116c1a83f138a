"""Where somebody speaks: from probabilities of speech to segments in seconds.

    speech_probabilities    waveform -> a probability for every 32 ms, by Silero VAD
    speech_segments         that -> [Segment(start, end), ...]

The rules, names and defaults are those of ``get_speech_timestamps`` of the package ``silero-vad``;
a deviation: seconds are not rounded to a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import sensorium as sn
from sensorium.errors import OptionError
from sensorium.tensor import Tensor

from ._mono import as_mono
from .models.silero_vad import CHUNK, SAMPLE_RATE as RATE


class Segment(NamedTuple):
    """From when to when somebody speaks, in seconds."""

    start: float
    end: float


def speech_probabilities(model: Any, waveform: Tensor, sample_rate: int) -> Tensor:
    """The probability of speech in every 32 ms, by a ``SileroVAD``: (T,) or (C, T) -> (M,).

    Channels are averaged; another rate than 16 kHz is resampled.

    >>> from sensorium.audio.models import silero_vad_16k
    >>> speech_probabilities(silero_vad_16k().eval(), sn.zeros(2, 16000), 16000).shape
    sensorium.Size([32])
    """
    with sn.inference_mode():
        return model.probabilities(as_mono(waveform, sample_rate, RATE))


class _Rules(NamedTuple):
    """What makes a segment, in samples and probabilities."""

    on: float  # speech begins at this probability
    off: float  # and is silent below this one
    shortest: float  # speech, or it is dropped
    longest: float  # speech, or it is cut
    silence: float  # that ends a segment
    pause: float  # in which one that is too long may be cut
    pad: float  # added on both sides


def speech_segments(
    probabilities: Iterable[float] | Tensor,
    *,
    duration: float | None = None,
    threshold: float = 0.5,
    neg_threshold: float | None = None,
    min_speech_duration_ms: float = 250,
    max_speech_duration_s: float = math.inf,
    min_silence_duration_ms: float = 100,
    speech_pad_ms: float = 30,
    min_silence_at_max_speech_ms: float = 98,
) -> list[Segment]:
    """Stretches of speech in a recording, from a probability for every 32 ms.

    duration
        of the recording in seconds (default: 32 ms a probability); no segment ends after it
    threshold, neg_threshold
        speech begins at the first, silence is below the second (default: 0.15 less, at least 0.01)
    min_speech_duration_ms
        shorter segments are dropped
    min_silence_duration_ms
        what ends a segment
    max_speech_duration_s, min_silence_at_max_speech_ms
        a longer segment is cut in its longest pause of more than the second, or where it is
    speech_pad_ms
        added before and after each, at most half of the silence between two

    >>> [s] = speech_segments([0.0] * 10 + [0.9] * 30 + [0.0] * 10)
    >>> round(s.start, 3), round(s.end, 3)
    (0.29, 1.31)
    """
    off = max(threshold - 0.15, 0.01) if neg_threshold is None else neg_threshold
    durations = (min_speech_duration_ms, max_speech_duration_s, min_silence_duration_ms)
    if not 0 < off <= threshold <= 1 or min(*durations, speech_pad_ms) < 0:
        raise OptionError(
            "speech_segments: want 0 < neg_threshold <= threshold <= 1 and durations of at least "
            f"0, got {off}, {threshold}, {durations} and {speech_pad_ms}"
        )
    if isinstance(probabilities, Tensor):
        probabilities = probabilities.detach().cpu().reshape(-1).tolist()
    values = [float(p) for p in probabilities]
    ms, pad = RATE / 1000, speech_pad_ms * RATE / 1000
    rules = _Rules(
        on=threshold,
        off=off,
        shortest=min_speech_duration_ms * ms,
        longest=max_speech_duration_s * RATE - CHUNK - 2 * pad,
        silence=min_silence_duration_ms * ms,
        pause=min_silence_at_max_speech_ms * ms,
        pad=pad,
    )
    length = len(values) * CHUNK if duration is None else round(duration * RATE)
    found = _padded(_stretches(values, rules, length), pad, length)
    return [Segment(start / RATE, end / RATE) for start, end in found]


def _stretches(values: list[float], rules: _Rules, length: int) -> list[list[int]]:
    """[start, end] of every segment in samples, without padding."""
    found: list[list[int]] = []
    pauses: list[tuple[int, int]] = []  # (length, start) of silences inside the segment
    start: int | None = None  # of the segment in progress
    quiet = 0  # where the silence in progress began; 0 for none, as speech comes before it
    for n, p in enumerate(values):
        now = n * CHUNK
        if p >= rules.on:
            if quiet and now - quiet > rules.pause:
                pauses.append((now - quiet, quiet))
            quiet = 0
            if start is None:
                start = now
                continue
        if start is None:
            continue
        if now - start > rules.longest:
            if not pauses:
                found.append([start, now])
                start, quiet = None, 0
                continue
            pause, begin = max(pauses, key=lambda item: item[0])
            found.append([start, begin])
            start, quiet, pauses = begin + pause, 0, []
        if p < rules.off:
            quiet = quiet or now
            if now - quiet >= rules.silence:
                if quiet - start > rules.shortest:
                    found.append([start, quiet])
                start, quiet, pauses = None, 0, []
    if start is not None and length - start > rules.shortest:
        found.append([start, length])
    return found


def _padded(found: list[list[int]], pad: float, length: int) -> list[list[int]]:
    """Every segment longer by ``pad`` on both sides, and in the recording; a silence that is too
    short for two of them is shared out."""
    if found:
        found[0][0] = int(max(0, found[0][0] - pad))
        found[-1][1] = int(min(length, found[-1][1] + pad))
    for before, after in pairwise(found):
        silence = after[0] - before[1]
        share = silence // 2 if silence < 2 * pad else pad
        before[1] = int(min(length, before[1] + share))
        after[0] = int(max(0, after[0] - share))
    return found
