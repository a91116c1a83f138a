"""Writing down a recorded sentence with Whisper tiny.en, from samples to tokens: features included.

    python benchmarks/transcription.py [--quick] [--rounds N] [--out FOLDER]

PyTorch runs Hugging Face's model, feature extractor and ``generate`` (greedy, no timestamps), the same
weights and the same suppressed tokens; so does faster-whisper (CTranslate2), where it is installed,
with the weights converted before. The tokens are compared before anything is timed. Encoder and decoder
see 30 s, as Whisper always does. Needs the network (or a filled cache) for the weights, and
transformers.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import _contest
import _harness
import numpy as np
from _contest import COMPILED, OURS, TORCH
from _results import Target

ABOUT = "Whisper tiny.en on a sentence of 4 s (a window of 30 s), greedy, float32."
FASTER, CONVERTED = "faster-whisper", "ctranslate2"
END = 50256  # tokens from here on are not text

Run = Callable[[], np.ndarray]


def samples() -> tuple[np.ndarray, int]:
    """The sentence (T) and its rate."""
    from sensorium import audio
    from sensorium.model_zoo.cli import recordings

    waveform, rate = audio.load(recordings.fetch(recordings.SENTENCE))
    return waveform[0].numpy(), rate


# -- contenders: each imports its library in its own process -------------------------------------
def ours(threads: int, folder: str, compiled: bool = False) -> Run:
    """Eager, or with the encoder compiled, which sees one shape."""
    import sensorium as sn
    from sensorium import hub
    from sensorium.audio.models import DecodingOptions, transcribe

    sn.set_num_threads(threads)
    model = hub.load(folder)
    if compiled:
        encoder = sn.compile(model.get_encoder())
        model.get_encoder = lambda: encoder
    waveform, rate = samples()
    x, how = sn.tensor(waveform), DecodingOptions()

    def run() -> np.ndarray:
        with sn.inference_mode():
            return np.array(transcribe(model, x, rate, options=how).tokens)

    return run


def theirs(threads: int, folder: str) -> Run:
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder).eval()
    model.generation_config.forced_decoder_ids = None
    extract = transformers.WhisperFeatureExtractor()
    waveform, rate = samples()

    @torch.inference_mode()
    def run() -> np.ndarray:
        features = extract(waveform, sampling_rate=rate, return_tensors="pt").input_features
        ids = model.generate(features, num_beams=1, do_sample=False)[0].tolist()
        return np.array([token for token in ids if token < END])

    return run


def faster(threads: int, folder: str) -> Run:
    """CTranslate2, in float32 and without looking for speech first."""
    from faster_whisper import WhisperModel

    where = str(Path(folder) / CONVERTED)
    model = WhisperModel(where, device="cpu", compute_type="float32", cpu_threads=threads)
    waveform, rate = samples()
    if rate != 16000:
        raise ValueError(f"faster-whisper takes 16000 Hz, the sentence has {rate}")

    def run() -> np.ndarray:
        segments, _ = model.transcribe(
            waveform,
            language="en",
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return np.array([token for one in segments for token in one.tokens if token < END])

    return run


MAKERS: dict[str, Callable[..., Run]] = {
    OURS: ours,
    COMPILED: partial(ours, compiled=True),
    TORCH: theirs,
    FASTER: faster,
}
CONTEST = _contest.Contest(
    __file__,
    MAKERS,
    (
        Target(0.7, OURS, (TORCH,)),
        Target(1.2, COMPILED, (FASTER,)),
        *_contest.lean((OURS, COMPILED), TORCH),
    ),
    ours=(OURS, COMPILED),
    exact=True,
)


def convert(folder: str) -> None:
    """The weights in CTranslate2's format, if it is installed."""
    if importlib.util.find_spec("ctranslate2"):
        from ctranslate2.converters import TransformersConverter

        converter = TransformersConverter(folder, copy_files=["tokenizer.json"])
        converter.convert(str(Path(folder) / CONVERTED))


# -- the table -----------------------------------------------------------------------------------
def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("transcription", ABOUT, options.threads)
    from sensorium import hub

    rounds = options.rounds or (1 if options.quick else 20)
    with tempfile.TemporaryDirectory() as folder:
        hub.save(hub.load("whisper-tiny.en"), folder)
        convert(folder)
        settings = {"threads": options.threads, "folder": folder}
        title = "Whisper tiny.en, a 30 s window, end to end"
        warmup = 0 if options.quick else 2
        report.tables.append(CONTEST.race(title, settings, rounds, warmup))
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(MAKERS, main)
