"""Silero VAD with its real weights, against its own ONNX file and against PyTorch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium import hub, io
from sensorium.audio import models
from sensorium.audio.models.silero_vad import own_keys
from sensorium.audio.vad import speech_probabilities, speech_segments
from sensorium.io.onnx_weights import load_onnx_weights

pytestmark = [pytest.mark.peer, pytest.mark.network]

PACKAGE = "pypi://silero-vad==6.2.3/silero_vad/data/"
STATES = {
    "silero_vad_16k.safetensors": (
        "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1"
    ),
    "silero_vad_16k_op15.onnx": "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
    "silero_vad.onnx": "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
}
SENTENCE = "pypi://pysptk==1.0.1/pysptk-1.0.1/pysptk/example_audio_data/arctic_a0007.wav"
SENTENCE_SHA256 = "1b850392f8c87ee2efe5a686523f1bab61d2a38d59bc43d1127e17e406f9e57d"


def published(name):
    return hub.fetch(PACKAGE + name, sha256=STATES[name])


def loaded(state):
    model = models.silero_vad_16k()
    model.load_state_dict(state)
    return model.eval()


@pytest.fixture(scope="module")
def sentence():
    soundfile = pytest.importorskip("soundfile")
    path = hub.fetch(SENTENCE, sha256=SENTENCE_SHA256)
    with path.open("rb") as file:
        waveform, rate = soundfile.read(file, dtype="float32")
    assert rate == 16000
    return waveform


def recordings(sentence):
    rng = np.random.default_rng(0)
    yield "the sentence", sentence
    yield "a part of it", sentence[20_000:43_210]
    yield "loud noise", rng.normal(size=30_000).clip(-1, 1).astype(np.float32)
    yield "faint noise", (1e-3 * rng.normal(size=30_000)).astype(np.float32)
    yield "silence", np.zeros(9_999, np.float32)
    yield "a tone", (0.5 * np.sin(np.arange(16_000) * 0.2)).astype(np.float32)
    yield "less than a chunk", sentence[20_000:20_300]


def heard(model, waveform):
    with sn.inference_mode():
        return model.probabilities(sn.from_numpy(waveform)).numpy()


def onnx_heard(session, waveform):
    """Chunk by chunk with the state that the graph hands back."""
    padded = np.pad(waveform, (64, -len(waveform) % 512))
    state, found = np.zeros((2, 1, 128), np.float32), []
    for start in range(64, len(padded), 512):
        feed = {"input": padded[None, start - 64 : start + 512], "state": state}
        speech, state = session.run(None, {**feed, "sr": np.array(16000)})
        found.append(speech.item())
    return np.array(found)


@pytest.mark.parametrize("name", ["silero_vad.onnx", "silero_vad_16k_op15.onnx"])
def test_the_state_of_its_onnx_file_gives_what_onnxruntime_gives(sentence, name):
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(published(name), options, providers=["CPUExecutionProvider"])
    model = loaded(own_keys(load_onnx_weights(published("silero_vad_16k_op15.onnx"))))
    for what, waveform in recordings(sentence):
        assert heard(model, waveform) == pytest.approx(onnx_heard(session, waveform), abs=1e-5), (
            what
        )


def test_the_safetensors_file_gives_what_pytorch_gives(sentence):
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location(
        "torch_vad_pitch", Path(__file__).with_name("torch_vad_pitch.py")
    )
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    state = io.load(published("silero_vad_16k.safetensors"))
    model = loaded(state)
    for what, waveform in recordings(sentence):
        assert heard(model, waveform) == pytest.approx(
            reference.silero(state, waveform), abs=1e-5
        ), what


def test_the_sentence_is_heard_where_it_is_and_at_other_rates(sentence):
    from sensorium.audio.functional import resample

    model = loaded(own_keys(load_onnx_weights(published("silero_vad_16k_op15.onnx"))))
    waveform = sn.from_numpy(sentence)
    duration = len(sentence) / 16000

    def ends(waveform, rate):
        speech = speech_probabilities(model, waveform, rate)
        found = speech_segments(speech, duration=duration)
        return found[0].start, found[-1].end

    # From where to where 10 ms are within 26 dB of the loudest.
    level = np.sqrt((sentence[: len(sentence) // 160 * 160].reshape(-1, 160) ** 2).mean(1))
    loud = np.flatnonzero(level > 0.05 * level.max()) / 100
    start, end = ends(waveform, 16000)
    assert start == pytest.approx(loud[0], abs=0.15) and end == pytest.approx(loud[-1], abs=0.2)
    for rate in (8000, 22050, 44100):
        other = ends(resample(sn.stack([waveform, waveform]), 16000, rate), rate)
        assert other == pytest.approx((start, end), abs=0.1)
