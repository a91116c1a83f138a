"""Whisper's log-mel features against their definition, written as a slow sum over samples."""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio.models import WhisperFeatureExtractor
from sensorium.errors import OptionError, ShapeError


def slow(x, extractor):
    """The formula frame by frame in float64: reflected ends, periodic Hann, power, mel, log10."""
    n, hop = extractor.n_fft, extractor.hop_length
    x = np.pad(x.astype(np.float64), n // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(n) / n)
    turn = np.exp(-2j * math.pi * np.outer(np.arange(n // 2 + 1), np.arange(n)) / n)
    starts = range(0, len(x) - n + 1, hop)
    power = np.stack([np.abs(turn @ (window * x[s : s + n])) ** 2 for s in starts][:-1], 1)
    mel = slaney(extractor.feature_size, n // 2 + 1, extractor.sampling_rate / 2) @ power
    y = np.log10(np.maximum(mel, 1e-10))
    return (np.maximum(y, y.max() - 8) + 4) / 4


def slaney(filters, bins, top):
    """Triangles of area 1 Hz, linear in pitch to 1000 Hz and logarithmic above (Slaney 1998)."""
    step = math.log(6.4) / 27
    to_mel = lambda f: f * 3 / 200 if f < 1000 else 15 + math.log(f / 1000) / step
    to_hz = lambda m: m * 200 / 3 if m < 15 else 1000 * math.exp(step * (m - 15))
    corners = [to_hz(to_mel(top) * k / (filters + 1)) for k in range(filters + 2)]
    rows = []
    for a, b, c in zip(corners, corners[1:], corners[2:]):
        at = np.linspace(0, top, bins)
        rows.append(
            np.clip(np.minimum((at - a) / (b - a), (c - at) / (c - b)), 0, None) * 2 / (c - a)
        )
    return np.array(rows)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("samples", [1, 900, 16000, 31000, 32000])
def test_features_are_their_definition(mels, samples):
    extractor = WhisperFeatureExtractor(mels, chunk_length=2)
    x = np.random.default_rng(0).normal(size=samples).astype(np.float32) / 10
    found = extractor(x)
    assert found.shape == (1, mels, 200)
    wanted = slow(np.pad(x, (0, 32000 - samples)), extractor)
    np.testing.assert_allclose(found.numpy()[0], wanted, atol=2e-5)


def test_what_is_longer_is_cut_and_rows_are_independent():
    extractor = WhisperFeatureExtractor(chunk_length=1)
    x = sn.randn(2, 20000)
    x[1] *= 0.01
    both = extractor(x)
    for n in range(2):
        np.testing.assert_allclose(both[n].numpy(), extractor(x[n, :16000])[0].numpy(), atol=1e-6)


def test_silence_is_flat():
    np.testing.assert_allclose(WhisperFeatureExtractor()(sn.zeros(0)).numpy(), -1.5, atol=1e-6)


def test_log_mel_of_any_length():
    extractor = WhisperFeatureExtractor()
    x = sn.randn(1, 8000)
    assert extractor.log_mel(x).shape == (1, 80, 50)
    assert extractor.log_mel(x, padding=1600).shape == (1, 80, 60)


def test_other_rates_are_resampled():
    extractor = WhisperFeatureExtractor(chunk_length=1)
    tone = lambda rate: np.sin(2 * math.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    a, b = (extractor(tone(rate), rate).numpy() for rate in (16000, 48000))
    assert np.abs(a - b)[:, :12, 5:-5].max() < 0.01


def test_wrong_input_is_named():
    extractor = WhisperFeatureExtractor()
    with pytest.raises(ShapeError, match=r"\(1, 1, 4\)"):
        extractor(sn.zeros(1, 1, 4))
    with pytest.raises(OptionError, match="int16"):
        extractor(np.zeros(10, np.int16))
    with pytest.raises(OptionError, match="positive"):
        WhisperFeatureExtractor(n_fft=0)
