"""Speech to text: recordings of any length to what is said in them, with times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sensorium.audio.models.whisper_decoding import DecodingOptions
from sensorium.audio.models.whisper_long import TEMPERATURES, transcribe
from sensorium.errors import OptionError
from sensorium.generator import Generator

from ._recordings import Recording, samples_of


class Spoken(NamedTuple):
    """What is said from start to end, in seconds."""

    start: float
    end: float
    text: str


class Transcript(NamedTuple):
    """The whole text, its parts in time, the seconds of sound, and the language of a multilingual
    model."""

    text: str
    segments: list[Spoken]
    duration: float
    language: str | None


class SpeechRecognition:
    """What is said in a recording; the model's ``preprocess`` is its tokenizer."""

    def __init__(self, model: Any) -> None:
        if getattr(model, "preprocess", None) is None:
            raise OptionError("SpeechRecognition: the model came without a tokenizer")
        self.model = model

    def __call__(
        self,
        source: Recording,
        *,
        sample_rate: int | None = None,
        timestamps: bool | None = None,
        language: str | None = None,
        task: str = "transcribe",
        num_beams: int = 1,
        temperatures: Sequence[float] = TEMPERATURES,
        generator: Generator | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """The text of a recording of any length, 30 s at a time.

        timestamps
            whether the model writes times too, which cut the text into sentences and find the best
            places between two windows (default: where the recording is longer than one window)
        language, task
            for multilingual models: such as "de", detected if not given; "translate" into English
        num_beams
            drafts that are followed at once
        temperatures, generator
            a window whose text repeats itself or is unlikely is written again at the next temperature,
            drawn from ``generator``; ``(0.0,)`` keeps what was written first, so that nothing is drawn
        """
        waveform, rate = samples_of(source, sample_rate)
        if timestamps is None:
            timestamps = waveform.shape[-1] > 30 * rate
        found = transcribe(
            self.model,
            waveform,
            rate,
            tokenizer=self.model.preprocess,
            language=language,
            task=task,
            options=DecodingOptions(timestamps=timestamps, num_beams=num_beams),
            temperatures=temperatures,
            generator=generator,
            progress=progress,
        )
        segments = [Spoken(s.start, s.end, (s.text or "").strip()) for s in found.segments]
        return Transcript(found.text, segments, found.duration, found.language)
