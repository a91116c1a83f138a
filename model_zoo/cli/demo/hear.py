"""It hears: where somebody speaks in a recording, and what is said."""

from __future__ import annotations

import argparse
import time
from typing import Any

from sensorium.errors import HubError

from .. import recordings
from ..output import Output
from ._part import Part, head, milliseconds, missing, weights_of

MODEL, ACTIVITY = "whisper-tiny.en", "silero-vad"


def hear(args: argparse.Namespace, out: Output) -> Part:
    """The spans of speech and the words of a recorded sentence."""
    from sensorium import hub
    from sensorium.audio import io

    try:
        out.note(f"fetching {MODEL}, {ACTIVITY} and a recording ...")
        listener: Any = hub.pipeline(ACTIVITY, device=args.device)
        writer: Any = hub.pipeline(MODEL, device=args.device)
        path = recordings.fetch(recordings.SENTENCE)
    except HubError as error:
        return missing(f"{MODEL}, {ACTIVITY} and a recording", error, out)
    head("it hears", writer.model.card, out)
    waveform, rate = io.load(path)
    seconds = waveform.shape[1] / rate
    began = time.perf_counter()
    spans = listener(waveform, sample_rate=rate)
    transcript = writer(waveform, sample_rate=rate)
    took = time.perf_counter() - began
    for span in spans:
        out.line(f"    {span.start:5.2f} s - {span.end:5.2f} s  somebody speaks")
    out.line(f"    {transcript.text}")
    out.line(f"\n{seconds:.1f} s of sound in {milliseconds(took)}\n")
    document = weights_of(writer.model.card) | {
        "recording": recordings.SENTENCE.source,
        "duration": round(seconds, 4),
        "speech": [span._asdict() for span in spans],
        "text": transcript.text,
        "seconds": round(took, 4),
    }
    return Part(document, _section(writer, listener, waveform, rate, spans, transcript.text))


def _section(writer: Any, listener: Any, waveform: Any, rate: int, spans: Any, text: str) -> Any:
    from sensorium.audio import transforms

    from ...page import Heard

    mel = transforms.MelSpectrogram(sample_rate=rate, n_fft=512, hop_length=128, n_mels=80)
    decibels = transforms.AmplitudeToDB(top_db=70.0)(mel(waveform[0]))  # (80, frames)
    return Heard(
        samples=waveform[0].numpy(),
        sample_rate=rate,
        mel=decibels.numpy(),
        probabilities=listener.probabilities(waveform, sample_rate=rate).numpy(),
        speech=[(span.start, span.end) for span in spans],
        transcript=text,
        title=recordings.SENTENCE.file,
        credit=recordings.SENTENCE.credit,
        model=writer.model.card.name,
    )
