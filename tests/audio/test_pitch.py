"""Frames for CREPE and its decoders: closed forms, slow loops, and the path over every transition."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio import models, pitch
from sensorium.errors import DTypeError, OptionError, ShapeError


@pytest.fixture(scope="module")
def model():
    sn.manual_seed(0)
    return models.crepe_tiny().eval()


def hill(centres, width=2.0):
    """Salience like CREPE's: a bump of 0.9 around a bin of every frame."""
    bins = np.arange(360)
    return 0.9 * np.exp(-((bins - np.array(centres)[:, None]) ** 2) / (2 * width**2))


def decoded(salience, **options):
    tensor = sn.from_numpy(np.asarray(salience, np.float32))
    return [t.numpy() for t in pitch.decode(tensor, **options)]


# -- bins ----------------------------------------------------------------------------------------
def test_sixty_bins_are_an_octave_and_the_ends_are_those_of_the_paper():
    assert pitch.bins_to_frequency(60) == pytest.approx(2 * pitch.bins_to_frequency(0))
    assert pitch.bins_to_frequency(0) == pytest.approx(31.70, abs=0.01)
    assert pitch.bins_to_frequency(359) == pytest.approx(2005.5, abs=0.1)


def test_hz_and_bins_are_inverses():
    bins = np.linspace(0, 359, 50)
    assert pitch.frequency_to_bins(pitch.bins_to_frequency(bins)) == pytest.approx(bins)


# -- decoders ------------------------------------------------------------------------------------
@pytest.mark.parametrize("decoder", [*pitch.DECODERS])
def test_a_bump_in_one_place_is_found_there(decoder):
    bins, frequency, periodicity = decoded(hill([100] * 20), decoder=decoder)
    assert (bins == 100).all()
    assert frequency == pytest.approx(pitch.bins_to_frequency(100), rel=1e-6)
    assert periodicity == pytest.approx(0.9)


def test_argmax_is_the_middle_of_a_bin_and_the_average_lies_between():
    salience = hill([100.4])
    _, peak, _ = decoded(salience, decoder="argmax")
    _, mean, _ = decoded(salience, decoder="local_average")
    assert peak[0] == pytest.approx(pitch.bins_to_frequency(100))
    assert pitch.frequency_to_bins(float(mean[0])) == pytest.approx(100.4, abs=0.1)


@pytest.mark.parametrize(
    ("decoder", "weigh"),
    [("weighted_argmax", lambda s: 1 / (1 + math.exp(-s))), ("local_average", lambda s: s)],
)
@pytest.mark.parametrize("centre", [60.3, 100.7, 357.8])
def test_averages_are_weighted_means_of_nine_bins_in_cents(decoder, weigh, centre):
    salience = hill([centre])
    row = salience[0].astype(np.float32)
    peak = int(row.argmax())
    near = [b for b in range(peak - 4, peak + 5) if 0 <= b < 360]
    cents = [1997.3794084376191 + 20 * b for b in near]
    weights = [weigh(float(row[b])) for b in near]
    want = 10 * 2 ** (sum(c * w for c, w in zip(cents, weights)) / sum(weights) / 1200)
    assert decoded(salience, decoder=decoder)[1][0] == pytest.approx(want, rel=1e-6)


def slow_path(scores):
    """Every transition of every frame, with a weight of 12 - |i - j| or the least float32."""
    count, tiny = scores.shape[1], float(np.finfo(np.float32).tiny)
    weight = np.array([[max(12 - abs(i - j), 0) for j in range(count)] for i in range(count)])
    moves = np.log(weight / weight.sum(1, keepdims=True) + tiny)
    best, came = scores[0], []
    for row in scores[1:]:
        reach = best[:, None] + moves
        came.append(reach.argmax(0))
        best = reach.max(0) + row
    path = [int(best.argmax())]
    for back in came[::-1]:
        path.append(int(back[path[-1]]))
    return path[::-1]


def log_softmax(salience, low, high):
    e = np.zeros(salience.shape)
    e[:, low:high] = np.exp(salience[:, low:high])
    return np.log(e / e.sum(1, keepdims=True) + np.finfo(np.float32).tiny)


def wandering(seed, frames=40, jump=0):
    rng = np.random.default_rng(seed)
    centres = np.clip(180 + np.cumsum(rng.normal(size=frames) * 4), 45, 340)
    centres[frames // 2 :] -= jump
    return hill(centres) + 0.3 * rng.random((frames, 360))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("jump", [0, 60])
def test_viterbi_is_the_best_of_all_paths(seed, jump):
    salience = wandering(seed, jump=jump).astype(np.float32)
    low, high = 39, 320
    fmax = float(pitch.bins_to_frequency(high - 0.5))
    bins, frequency, _ = decoded(salience, decoder="viterbi", fmax=fmax)
    assert bins.tolist() == slow_path(log_softmax(salience.astype(float), low, high))
    assert frequency == pytest.approx(pitch.bins_to_frequency(bins), rel=1e-6)


def test_hmm_is_the_best_path_for_the_loudest_bin_seen_with_probability_a_tenth():
    salience = wandering(5).astype(np.float32)
    salience[:, :39] = 0
    scores = np.full(salience.shape, math.log(0.9 / 360))
    scores[np.arange(40), salience.argmax(1)] = math.log(0.1 + 0.9 / 360)
    scores[:, :39] = math.log(np.finfo(np.float32).tiny)
    assert decoded(salience, decoder="hmm")[0].tolist() == slow_path(scores)


def test_hmm_passes_over_a_wrong_octave_that_argmax_follows():
    centres = [150] * 20
    centres[9] = 210
    assert (decoded(hill(centres), decoder="hmm")[0] == 150).all()
    assert decoded(hill(centres), decoder="argmax")[0][9] == 210


def test_a_jump_that_lasts_is_followed_in_steps_of_at_most_11():
    bins = decoded(hill([100] * 60 + [250] * 60), decoder="hmm")[0]
    assert (bins[:50] == 100).all() and (bins[75:] == 250).all()
    assert np.diff(bins).max() <= 11


@pytest.mark.parametrize("decoder", [*pitch.DECODERS])
def test_nothing_outside_the_range_is_found(decoder):
    salience = hill([100] * 5) + 0.5 * hill([200] * 5)
    bins = decoded(salience, decoder=decoder, fmin=float(pitch.bins_to_frequency(150)))[0]
    assert (bins >= 150).all()
    if decoder != "viterbi":  # whose prior may outweigh a faint bump
        assert (bins == 200).all()


@pytest.mark.parametrize("decoder", [*pitch.DECODERS])
def test_no_frames_and_one_frame(decoder):
    assert [len(t) for t in decoded(np.zeros((0, 360)), decoder=decoder)] == [0, 0, 0]
    assert decoded(hill([120]), decoder=decoder)[0].tolist() == [120]


def test_voiced_hides_the_frequency_of_what_is_not_periodic():
    found = pitch.Pitch(sn.tensor([0.0, 0.1]), sn.tensor([100.0, 200.0]), sn.tensor([0.1, 0.3]))
    assert found.voiced(0.21).frequency.isnan().tolist() == [True, False]
    assert found.frequency.tolist() == [100.0, 200.0]


def test_options_out_of_range_are_told():
    salience = sn.zeros(2, 360)
    with pytest.raises(OptionError, match="decoder is 'mean', want one of"):
        pitch.decode(salience, decoder="mean")
    with pytest.raises(OptionError, match="0 < fmin < fmax, got 200 and 100"):
        pitch.decode(salience, fmin=200, fmax=100)
    with pytest.raises(OptionError, match="between 3000 and 4000 Hz"):
        pitch.decode(salience, fmin=3000, fmax=4000)
    with pytest.raises(ShapeError, match=r"\(M, 360\), got \(2, 300\)"):
        pitch.decode(sn.zeros(2, 300))


# -- frames --------------------------------------------------------------------------------------
def test_frames_are_windows_with_mean_0_and_deviation_1():
    wave = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    starts = np.array([0, 700, 2976])
    got = pitch.frames(sn.from_numpy(wave), starts).numpy()
    for row, start in zip(got, starts):
        part = wave[start : start + 1024].astype(float)
        assert row == pytest.approx((part - part.mean()) / part.std(ddof=1), abs=1e-5)


def test_silence_stays_silent():
    assert not pitch.frames(sn.zeros(2000), np.array([0, 100])).numpy().any()


@pytest.mark.parametrize(
    ("length", "hop", "count"), [(16000, 0.01, 101), (999, 0.01, 7), (0, 1, 1)]
)
def test_there_is_a_frame_around_every_multiple_of_the_hop(model, length, hop, count):
    found = pitch.track_pitch(model, sn.zeros(length), 16000, hop=hop)
    assert found.time.numpy() == pytest.approx(np.arange(count) * hop, abs=1e-6)


def test_without_centring_frames_lie_inside_the_recording(model):
    found = pitch.track_pitch(model, sn.zeros(2048), 16000, hop=0.032, center=False)
    assert found.time.tolist() == pytest.approx([0.032, 0.064, 0.096])
    assert len(pitch.track_pitch(model, sn.zeros(1023), 16000, center=False).time) == 0


def test_batches_of_frames_join_without_a_seam(model):
    wave = sn.randn(8000)
    whole = pitch.salience(model, wave, 16000, hop=0.05).numpy()
    parts = pitch.salience(model, wave, 16000, hop=0.05, batch_size=3).numpy()
    assert parts == pytest.approx(whole, abs=1e-6)


def test_channels_are_averaged(model):
    wave = sn.randn(2, 4000)
    both = pitch.salience(model, wave, 16000, hop=0.1).numpy()
    mean = pitch.salience(model, (wave[0] + wave[1]) / 2, 16000, hop=0.1).numpy()
    assert both == pytest.approx(mean, abs=1e-6)


def test_what_is_no_recording_is_told(model):
    with pytest.raises(ShapeError, match=r"\(T,\) or \(C, T\), got \(1, 1, 5\)"):
        pitch.salience(model, sn.zeros(1, 1, 5), 16000)
    with pytest.raises(DTypeError, match="float"):
        pitch.salience(model, sn.zeros(5, dtype=sn.int16), 16000)
    with pytest.raises(OptionError, match="sample_rate must be positive, got 0"):
        pitch.salience(model, sn.zeros(5), 0)
    with pytest.raises(OptionError, match="a hop of at least"):
        pitch.salience(model, sn.zeros(5), 16000, hop=0)
