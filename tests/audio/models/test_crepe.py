"""CREPE: the sizes that were published, and seeded weights against what PyTorch gave for them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio import models
from sensorium.audio.models.crepe import Crepe
from sensorium.errors import OptionError, ShapeError

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def tiny():
    spec = importlib.util.spec_from_file_location("torch_vad_pitch", HERE / "torch_vad_pitch.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    model = models.crepe_tiny()
    model.load_state_dict(reference.seeded_state(model, 2))
    return model.eval()


def test_seeded_weights_give_what_pytorch_gave(tiny):
    rng = np.random.default_rng(0)
    rng.normal(size=2100)  # what the other net of the file was given
    frames = rng.normal(size=(2, 1024)).astype(np.float32)
    with np.load(HERE / "data" / "vad_pitch.npz") as stored:
        want = stored["salience"]
    with sn.inference_mode():
        got = tiny(sn.from_numpy(frames)).numpy()
    assert want.shape == (2, 360) and want.std() > 0.04
    assert got == pytest.approx(want, abs=2e-6)


def test_frames_of_a_batch_do_not_hear_each_other(tiny):
    frames = sn.from_numpy(np.random.default_rng(1).normal(size=(3, 1024)).astype(np.float32))
    with sn.inference_mode():
        alone = np.concatenate([tiny(frame[None]).numpy() for frame in frames])
        assert tiny(frames).numpy() == pytest.approx(alone, abs=1e-6)


def test_the_embedding_has_eight_steps_of_the_fifth_layer(tiny):
    with sn.inference_mode():
        assert tiny.embed(sn.zeros(2, 1024)).shape == (2, 32, 8)


@pytest.mark.parametrize(("name", "parameters"), [("tiny", 486_552), ("full", 22_239_976)])
def test_sizes_are_the_published_ones(name, parameters, monkeypatch):
    from sensorium.nn import init

    for draw in ("kaiming_uniform_", "uniform_"):
        monkeypatch.setattr(init, draw, lambda tensor, *_, **__: tensor)
    model = models.get_model(f"crepe_{name}")
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.state_dict()) == 44
    assert model.classifier.in_features == {"tiny": 256, "full": 2048}[name]


def test_what_is_no_frame_and_no_size_is_told(tiny):
    with pytest.raises(ShapeError, match=r"frames must be \(N, 1024\), got \(2, 1000\)"):
        tiny(sn.zeros(2, 1000))
    with pytest.raises(OptionError, match="capacity is 'huge', want one of"):
        Crepe(capacity="huge")
