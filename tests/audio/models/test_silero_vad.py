"""Silero VAD: the laws of a stream, and seeded weights against what PyTorch gave for them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio import models
from sensorium.audio.models.silero_vad import SileroVAD, fourier_basis, own_keys
from sensorium.errors import DTypeError, ShapeError

HERE = Path(__file__).parent


def beside(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model():
    model = models.silero_vad_16k()
    model.load_state_dict(beside("torch_vad_pitch").seeded_state(model, 1))
    return model.eval()


def noise(*shape, seed=3):
    rng = np.random.default_rng(seed)
    return sn.from_numpy((0.3 * rng.normal(size=shape)).astype(np.float32))


def heard(model, waveform):
    with sn.inference_mode():
        found = model.probabilities(waveform)
    return [f.numpy() for f in found] if isinstance(found, list) else found.numpy()


def test_seeded_weights_give_what_pytorch_gave(model):
    waveform = noise(2100, seed=0)
    with np.load(HERE / "data" / "vad_pitch.npz") as stored:
        want = stored["speech"]
    assert want.std() > 1e-3  # not a constant
    assert heard(model, waveform) == pytest.approx(want, abs=1e-6)


def test_the_basis_is_that_of_a_windowed_fourier_transform():
    x = np.random.default_rng(0).normal(size=256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    want = np.fft.rfft(x * window)
    got = fourier_basis().numpy()[:, 0].astype(float) @ x
    assert got == pytest.approx(np.concatenate([want.real, want.imag]), abs=1e-5)


@pytest.mark.parametrize("length", [1, 511, 512, 513, 5000])
def test_a_recording_is_its_chunks_one_after_another(model, length):
    waveform = noise(length)
    padded = sn.nn.functional.pad(waveform, (0, -length % 512)).reshape(-1, 512)
    state, want = None, []
    with sn.inference_mode():
        for chunk in padded:
            speech, state = model(chunk[None], state)
            want.append(speech.item())
    assert len(want) == -(-length // 512)
    assert heard(model, waveform) == pytest.approx(np.array(want), abs=1e-6)


def test_recordings_of_a_batch_do_not_hear_each_other(model):
    batch = noise(3, 2000)
    want = np.stack([heard(model, row) for row in batch])
    assert heard(model, batch) == pytest.approx(want, abs=1e-6)


def test_recordings_of_different_lengths_are_as_if_alone(model):
    batch = [noise(n, seed=n) for n in (700, 3000, 1, 0, 512)]
    found = heard(model, batch)
    assert [len(f) for f in found] == [2, 6, 1, 0, 1]
    for got, waveform in zip(found, batch):
        assert got == pytest.approx(heard(model, waveform), abs=1e-6)


def test_what_comes_later_changes_nothing(model):
    waveform = noise(6 * 512)
    assert heard(model, waveform)[:4] == pytest.approx(heard(model, waveform[: 4 * 512]), abs=1e-6)


def test_blocks_of_chunks_join_without_a_seam(model, monkeypatch):
    waveform = noise(2, 7 * 512)
    whole = heard(model, waveform)
    monkeypatch.setattr("sensorium.audio.models.silero_vad._AT_ONCE", 6)  # blocks of 3, 3 and 1
    assert heard(model, waveform) == pytest.approx(whole, abs=1e-6)


def test_nothing_in_nothing_out(model):
    assert heard(model, sn.zeros(0)).shape == (0,)
    assert heard(model, sn.zeros(2, 0)).shape == (2, 0)
    assert heard(model, []) == []


def test_it_can_be_trained_all_but_the_transform(model):
    net = SileroVAD()
    net.probabilities(noise(1600)).sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None]
    assert without == ["stft_conv.weight"]


def test_keys_of_the_onnx_file_become_those_of_the_model():
    theirs = [
        "model.stft.forward_basis_buffer",
        *(f"model.encoder.{n}.reparam_conv.{p}" for n in range(4) for p in ("weight", "bias")),
        *(f"model.decoder.rnn.{p}_{q}" for p in ("weight", "bias") for q in ("ih", "hh")),
        "model.decoder.decoder.2.weight",
        "model.decoder.decoder.2.bias",
    ]
    assert set(own_keys(dict.fromkeys(theirs))) == set(SileroVAD().state_dict())
    assert own_keys({"conv1.bias": 1}) == {"conv1.bias": 1}


def test_what_is_no_recording_is_told(model):
    with pytest.raises(ShapeError, match=r"chunk must be \(N, 512\), got \(1, 500\)"):
        model(sn.zeros(1, 500))
    with pytest.raises(ShapeError, match=r"\(T,\) or \(N, T\), got \(1, 2, 512\)"):
        model.probabilities(sn.zeros(1, 2, 512))
    with pytest.raises(ShapeError, match=r"\(T,\) in a list, got \(1, 512\)"):
        model.probabilities([sn.zeros(1, 512)])
    with pytest.raises(DTypeError, match="float in"):
        model.probabilities(sn.zeros(512, dtype=sn.int16))
