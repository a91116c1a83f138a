"""Writes the small reference files of tests/audio: what other programs say to given inputs.

    python tools/audio_references.py

    tests/audio/models/data/vad_pitch.npz   Silero VAD and CREPE with seeded weights, in PyTorch
    tests/audio/data/speech_segments.json   segments by silero-vad's own Python, from given
                                            probabilities and options

Needs torch and, for the second, a package index.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from sensorium import hub
from sensorium.audio.models import Crepe, SileroVAD

TESTS = Path(__file__).parents[1] / "tests" / "audio"
SILERO = "pypi://silero-vad==6.2.3/silero_vad/utils_vad.py"
SILERO_SHA256 = "15d0f6b3ef9590e22ca2f146e1436f6901da356cb552d3183df4100862b333cb"


def module(name: str, path: Path) -> ModuleType:
    """A Python file as a module; test folders are no packages."""
    spec = importlib.util.spec_from_loader(
        name, importlib.machinery.SourceFileLoader(name, str(path))
    )
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


def nets() -> None:
    """Outputs for inputs that the test draws again from the same seeds."""
    peer = module("torch_vad_pitch", TESTS / "models" / "torch_vad_pitch.py")
    rng = np.random.default_rng(0)
    waveform = (0.3 * rng.normal(size=2100)).astype(np.float32)
    frames = rng.normal(size=(2, 1024)).astype(np.float32)
    np.savez_compressed(
        TESTS / "models" / "data" / "vad_pitch.npz",
        speech=peer.silero(peer.seeded_state(SileroVAD(), 1), waveform),
        salience=peer.crepe(peer.seeded_state(Crepe(capacity="tiny"), 2), frames),
    )


def segments() -> None:
    """Probabilities that wander, with options that reach every rule."""
    utils = module("utils_vad", hub.fetch(SILERO, sha256=SILERO_SHA256))
    cases = module("segment_cases", TESTS / "segment_cases.py").cases(60)
    rows = [
        {"probabilities": p, "options": o, "segments": reference(utils, p, o)} for p, o in cases
    ]
    text = json.dumps(rows, separators=(",", ":")).replace('{"prob', '\n{"prob')
    (TESTS / "data" / "speech_segments.json").write_text(text + "\n")


def reference(utils: ModuleType, probabilities: list[float], options: dict) -> list[list[int]]:
    """[start, end] in samples."""
    names = {"max_speech_duration_s", "min_speech_duration_ms", "min_silence_duration_ms"}
    names |= {"threshold", "neg_threshold", "speech_pad_ms"}
    given = {key: value for key, value in options.items() if key in names}
    length = options.get("duration")
    found = utils.get_speech_timestamps_from_probs(
        probabilities,
        audio_length_samples=None if length is None else round(length * 16000),
        **given,
    )
    return [[row["start"], row["end"]] for row in found]


if __name__ == "__main__":
    nets()
    segments()
