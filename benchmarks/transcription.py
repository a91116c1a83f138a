"""Writing down a recorded sentence with Whisper tiny.en, from samples to tokens: features included.

    python benchmarks/transcription.py [--quick] [--rounds N] [--out FOLDER]

PyTorch runs Hugging Face's model, feature extractor and ``generate`` (greedy, no timestamps), the same
weights and the same suppressed tokens; the tokens are compared before anything is timed. Encoder and
decoder see 30 s, as Whisper always does. Needs the network (or a filled cache) for the weights, and
transformers.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

import _harness
import numpy as np

ABOUT = "Whisper tiny.en on a sentence of 4 s (a window of 30 s), greedy, float32."
OURS, THEIRS, TARGET = "sensorium", "torch eager", 1 / 1.2

Run = Callable[[], np.ndarray]


def samples() -> tuple[np.ndarray, int]:
    """The sentence (T) and its rate."""
    from sensorium import audio
    from sensorium.model_zoo.cli import recordings

    waveform, rate = audio.load(recordings.fetch(recordings.SENTENCE))
    return waveform[0].numpy(), rate


# -- contenders: each imports its library in its own process -------------------------------------
def ours(threads: int, folder: str) -> Run:
    import sensorium as sn
    from sensorium import hub
    from sensorium.audio.models import DecodingOptions, transcribe

    sn.set_num_threads(threads)
    model = hub.load(folder)
    waveform, rate = samples()
    x, how = sn.tensor(waveform), DecodingOptions()
    return lambda: np.array(transcribe(model, x, rate, options=how).tokens)


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
        return np.array([token for token in ids if token < 50256])

    return run


MAKERS: dict[str, Callable[..., Run]] = {OURS: ours, THEIRS: theirs}


# -- the table -----------------------------------------------------------------------------------
def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("transcription", ABOUT, options.threads)
    from sensorium import hub

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        hub.save(hub.load("whisper-tiny.en"), folder)
        settings = {"threads": options.threads, "folder": folder}
        made = {name: _harness.Remote(__file__, name, settings) for name in MAKERS}
        remotes = {name: stack.enter_context(remote) for name, remote in made.items()}
        mine, other = (remotes[name].output() for name in (OURS, THEIRS))
        if mine.tolist() != other.tolist():
            raise SystemExit(f"tokens differ: ours {mine.tolist()}, theirs {other.tolist()}")
        rounds = options.rounds or (1 if options.quick else 15)
        times = _harness.race(remotes, rounds, warmup=0 if options.quick else 2)
        checks = {THEIRS: 0.0}
        notes = [f"{len(mine)} tokens, the same of both"]
        title = "one sentence"
        report.tables.append(
            _harness.Table(title, times, OURS, THEIRS, TARGET, checks=checks, notes=notes)
        )
    _harness.finish(report, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contender"]:
        _harness.serve(MAKERS, *sys.argv[2:])
    else:
        main()
