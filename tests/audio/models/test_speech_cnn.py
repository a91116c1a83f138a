"""SpectrogramCNN and its log-mel pictures: sizes, invariances, a task it must be able to learn."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio import models
from sensorium.audio.models import LogMel, SpectrogramCNN
from sensorium.errors import FormatError, OptionError, ShapeError
from sensorium.nn import functional as F


def tone(frequency, seconds=0.5, rate=8000, phase=0.0):
    t = np.arange(round(seconds * rate)) / rate
    return sn.from_numpy((0.5 * np.sin(2 * np.pi * frequency * t + phase)).astype(np.float32))


@pytest.mark.parametrize(("name", "base", "each"), [("small", 55e3, 97), ("base", 97.4e3, 129)])
def test_sizes_are_those_of_the_table(name, base, each):
    counts = [
        sum(p.numel() for p in models.get_model(f"speech_cnn_{name}", num_classes=k).parameters())
        for k in (10, 11)
    ]
    assert counts[1] - counts[0] == each
    assert counts[0] - 10 * each == pytest.approx(base, rel=0.02)
    assert 50_000 < counts[0] < 200_000


def test_options_survive_json_and_build_the_same_net():
    options = {"num_classes": 4, "n_mels": 40, "sample_rate": 8000, "seconds": 0.5, "width": 8}
    net = models.get_model("speech_cnn", **json.loads(json.dumps(options))).eval()
    assert net.preprocess.to_dict() == LogMel.of_model(options).to_dict()
    assert net(net.preprocess(tone(440))[None]).shape == (1, 4)


def test_a_preset_comes_back_from_its_dict():
    preset = LogMel(sample_rate=8000, seconds=0.5, n_mels=32)
    again = LogMel.from_dict(json.loads(json.dumps(preset.to_dict())))
    assert sn.equal(again(tone(440)), preset(tone(440)))
    with pytest.raises(FormatError, match=r"unknown keys \['mels'\]"):
        LogMel.from_dict({"mels": 3})


@pytest.mark.parametrize("length", [1, 3000, 4000, 9000])
def test_every_recording_has_a_picture_of_one_size(length):
    preset = LogMel(sample_rate=8000, seconds=0.5, n_mels=32, hop_length=80)
    assert preset(sn.randn(length)).shape == (1, 32, 51)
    assert preset(sn.randn(2, length)).shape == (1, 32, 51)
    assert preset(sn.randn(5, 2, length)).shape == (5, 1, 32, 51)


def test_a_batch_of_recordings_is_its_pictures():
    preset, waves = LogMel(sample_rate=8000, seconds=0.5), sn.randn(3, 1, 4000)
    alone = np.stack([preset(wave).numpy() for wave in waves])
    assert preset(waves).numpy() == pytest.approx(alone, abs=1e-3)


def test_a_picture_is_80_dB_deep_and_a_tenth_of_the_level_is_20_dB_less():
    preset = LogMel(sample_rate=8000, seconds=0.5)
    loud, soft = preset(tone(440)).numpy(), preset(0.1 * tone(440)).numpy()
    assert loud.max() - loud.min() == pytest.approx(80, abs=1e-3)
    assert loud.max() - soft.max() == pytest.approx(20, abs=1e-3)


def test_a_higher_tone_is_a_higher_row_at_any_rate():
    preset = LogMel(sample_rate=8000, seconds=0.5)
    rows = [preset(tone(f)).numpy().mean(-1).argmax() for f in (200, 400, 800, 1600)]
    assert rows == sorted(set(rows))
    other = preset(tone(800, rate=22050), 22050).numpy().mean(-1).argmax()
    assert other == rows[2]


def test_what_makes_no_picture_is_told():
    with pytest.raises(OptionError, match=r"0.01 s at 16000 Hz are too short for windows of 512"):
        LogMel(seconds=0.01)
    with pytest.raises(ShapeError, match="float waveform"):
        LogMel()(sn.zeros(100, dtype=sn.int16))
    with pytest.raises(ShapeError, match=r"want \(N, 1, 64, M\), got \(2, 1, 40, 50\)"):
        SpectrogramCNN()(sn.zeros(2, 1, 40, 50))
    with pytest.raises(OptionError, match="at least 16, got 8 and 101"):
        SpectrogramCNN(n_mels=8)
    with pytest.raises(OptionError, match="at least 16, got 64 and 11"):
        SpectrogramCNN(seconds=0.1)


def test_three_kinds_of_tone_are_learnt_in_a_few_steps():
    sn.manual_seed(0)
    rng = np.random.default_rng(0)
    net = SpectrogramCNN(num_classes=3, sample_rate=8000, seconds=0.25, n_mels=32, width=8)
    optimizer = sn.optim.Adam(net.parameters(), lr=3e-3)

    def batch(size):
        labels = rng.integers(0, 3, size)
        frequency = 300 * 2.0 ** (labels + rng.uniform(-0.3, 0.3, size))
        waves = [tone(f, 0.25, phase=rng.uniform(0, 6)) for f in frequency]
        noisy = sn.stack(waves) + 0.05 * sn.randn(size, 2000)
        return net.preprocess(noisy.unsqueeze(1)), sn.from_numpy(labels)

    for _ in range(25):
        x, y = batch(24)
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    x, y = batch(60)
    with sn.no_grad():
        right = (net.eval()(x).argmax(1) == y).float().mean().item()
    assert right > 0.9
