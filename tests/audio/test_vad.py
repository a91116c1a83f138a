"""Segments of speech: rules in closed form, and what silero-vad's own Python made of given numbers."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio import models
from sensorium.audio.vad import Segment, speech_probabilities, speech_segments
from sensorium.errors import OptionError, ShapeError

STEP = 0.032  # seconds a probability
ROWS = json.loads((Path(__file__).parent / "data" / "speech_segments.json").read_text())


def bursts(*lengths):
    """Silence and speech by turns, in steps: bursts(10, 30, 10)."""
    return [0.95 if n % 2 else 0.02 for n, length in enumerate(lengths) for _ in range(length)]


def in_steps(segments, pad=0.03):
    """Ends without their padding, in steps."""
    return [(round((s.start + pad) / STEP), round((s.end - pad) / STEP)) for s in segments]


def test_the_cases_reach_every_rule():
    options = {key for row in ROWS for key in row["options"]}
    assert {"max_speech_duration_s", "neg_threshold", "duration", "speech_pad_ms"} <= options
    assert sum(len(row["segments"]) for row in ROWS) > 60


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_segments_are_those_of_the_publishers(row):
    found = speech_segments(row["probabilities"], **row["options"])
    assert [[round(s.start * 16000), round(s.end * 16000)] for s in found] == row["segments"]


def test_a_burst_is_a_segment_with_30_ms_around_it():
    [found] = speech_segments(bursts(10, 30, 10))
    assert found.start == pytest.approx(10 * STEP - 0.03)
    assert found.end == pytest.approx(40 * STEP + 0.03)


def test_no_speech_no_segments():
    assert speech_segments([]) == [] and speech_segments([0.4] * 50) == []


def test_speech_throughout_ends_with_the_recording():
    assert speech_segments([0.9] * 50) == [Segment(0.0, 50 * STEP)]
    assert speech_segments([0.9] * 50, duration=1.59) == [Segment(0.0, 1.59)]


def test_short_bursts_are_dropped_and_short_silences_kept():
    assert speech_segments(bursts(10, 7, 10)) == []  # 224 ms
    assert in_steps(speech_segments(bursts(10, 8, 10))) == [(10, 18)]  # 256 ms
    assert in_steps(speech_segments(bursts(10, 20, 3, 20, 10))) == [(10, 53)]  # 96 ms
    assert in_steps(speech_segments(bursts(10, 20, 5, 20, 10))) == [(10, 30), (35, 55)]


def test_between_the_thresholds_nothing_changes():
    wavering = [0.1] * 5 + [0.9] * 10 + [0.4] * 20 + [0.9] * 5 + [0.1] * 10
    assert in_steps(speech_segments(wavering)) == [(5, 40)]
    assert in_steps(speech_segments(wavering, neg_threshold=0.45)) == [(5, 15)]


def test_too_long_a_segment_is_cut_in_its_longest_pause():
    # A pause of 4 steps just fails to end a segment that wants 160 ms of silence.
    speech = bursts(0, 20, 4, 25, 1, 60, 10)
    found = speech_segments(
        speech, max_speech_duration_s=2.0, min_silence_duration_ms=160, speech_pad_ms=0
    )
    assert in_steps(found, 0)[0] == (0, 20) and in_steps(found, 0)[1][0] == 24
    assert all(s.end - s.start <= 2.0 for s in found)


def test_without_a_pause_it_is_cut_where_it_is():
    found = speech_segments([0.9] * 300, max_speech_duration_s=2.0)
    assert len(found) > 4
    assert all(s.end - s.start <= 2.0 for s in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_padding_never_makes_segments_meet():
    found = speech_segments(bursts(5, 20, 5, 20, 5), speech_pad_ms=500)
    assert found[0].start == 0.0 and found[-1].end == pytest.approx(55 * STEP)
    assert found[0].end == pytest.approx(found[1].start, abs=2 / 16000)


@pytest.mark.parametrize("kind", [list, tuple, np.array, sn.tensor, iter])
def test_probabilities_come_in_any_sequence(kind):
    assert in_steps(speech_segments(kind(bursts(10, 30, 10)))) == [(10, 40)]


def test_options_out_of_range_are_told():
    with pytest.raises(OptionError, match="0 < neg_threshold <= threshold <= 1"):
        speech_segments([0.5], threshold=1.5)
    with pytest.raises(OptionError, match=r"got 0\.6, 0\.5"):
        speech_segments([0.5], neg_threshold=0.6)
    with pytest.raises(OptionError, match="durations of at least 0"):
        speech_segments([0.5], min_speech_duration_ms=-1)


def test_any_rate_and_any_channels_are_brought_to_what_the_model_wants():
    sn.manual_seed(0)
    model = models.silero_vad_16k().eval()
    wave = 0.1 * sn.randn(2, 16000)
    both = speech_probabilities(model, wave, 16000)
    assert both.shape == (32,) and not both.requires_grad
    assert both.numpy() == pytest.approx(
        speech_probabilities(model, (wave[0] + wave[1]) / 2, 16000).numpy(), abs=1e-6
    )
    assert speech_probabilities(model, wave, 8000).shape == (63,)
    assert speech_probabilities(model, wave[:, :0], 8000).shape == (0,)
    with pytest.raises(ShapeError, match=r"got \(1, 2, 16000\)"):
        speech_probabilities(model, wave[None], 16000)
