"""From recordings to results: where somebody speaks, pitch, classes of sounds.

Speech to text is in ``speech``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sensorium as sn
from sensorium.audio import pitch, vad
from sensorium.audio.pitch import Pitch as PitchTrack
from sensorium.audio.vad import Segment
from sensorium.errors import OptionError
from sensorium.tensor import Tensor

from ._recordings import Recording, samples_of
from ._results import Label, checked_names, names_of


class _AudioPipeline:
    def __init__(self, model: Any) -> None:
        self.model = model

    @property
    def device(self) -> Any:
        return next(self.model.parameters()).device


# -- voice activity ------------------------------------------------------------------------------
class VoiceActivity(_AudioPipeline):
    """The stretches of a recording in which somebody speaks."""

    def __call__(
        self,
        source: Recording,
        *,
        sample_rate: int | None = None,
        threshold: float = 0.5,
        min_speech_duration_ms: float = 250,
        min_silence_duration_ms: float = 100,
        speech_pad_ms: float = 30,
    ) -> list[Segment]:
        """Segments (start, end) in seconds; the rules are those of ``audio.vad.speech_segments``."""
        waveform, rate = samples_of(source, sample_rate)
        return vad.speech_segments(
            self.probabilities(waveform, sample_rate=rate),
            duration=waveform.shape[-1] / rate,
            threshold=threshold,
            min_speech_duration_ms=min_speech_duration_ms,
            min_silence_duration_ms=min_silence_duration_ms,
            speech_pad_ms=speech_pad_ms,
        )

    def probabilities(self, source: Recording, *, sample_rate: int | None = None) -> Tensor:
        """The probability of speech for every 32 ms."""
        waveform, rate = samples_of(source, sample_rate)
        return vad.speech_probabilities(self.model, waveform.to(self.device), rate)


# -- pitch ---------------------------------------------------------------------------------------
class Pitch(_AudioPipeline):
    """The pitch of one voice or instrument over time."""

    def __call__(
        self,
        source: Recording,
        *,
        sample_rate: int | None = None,
        hop: float = 0.01,
        fmin: float = 50.0,
        fmax: float = pitch.FMAX,
        decoder: str = "hmm",
    ) -> PitchTrack:
        """time (s), frequency (Hz) and periodicity (0..1) every ``hop`` seconds."""
        waveform, rate = samples_of(source, sample_rate)
        return pitch.track_pitch(
            self.model,
            waveform.to(self.device),
            rate,
            hop=hop,
            fmin=fmin,
            fmax=fmax,
            decoder=decoder,
        )


# -- classes of sounds ---------------------------------------------------------------------------
class AudioClassification(_AudioPipeline):
    """The most probable classes of recordings: softmax over the model's outputs."""

    def __init__(self, model: Any, *, labels: str | Sequence[str] = "") -> None:
        super().__init__(model)
        self.names = names_of(labels)

    def __call__(
        self, sources: Recording, *, sample_rate: int | None = None, top_k: int = 5
    ) -> Any:
        """The top_k labels of a recording, best first, or for a list of recordings a list of them."""
        if top_k < 1:
            raise OptionError(f"AudioClassification: top_k is {top_k}, want at least 1")
        one = not isinstance(sources, (list, tuple))
        found = [
            self._one(source, sample_rate, top_k) for source in ([sources] if one else sources)
        ]
        return found[0] if one else found

    def _one(self, source: Recording, sample_rate: int | None, top_k: int) -> list[Label]:
        features = self.model.preprocess(*samples_of(source, sample_rate))
        with sn.inference_mode():
            scores = sn.softmax(self.model(features.unsqueeze(0).to(self.device)), 1)[0]  # (K,)
        names = checked_names(self.names, len(scores), "AudioClassification", "class ")
        values, places = sn.topk(scores, min(top_k, len(names)))
        return [Label(names[n], score) for n, score in zip(places.tolist(), values.tolist())]
