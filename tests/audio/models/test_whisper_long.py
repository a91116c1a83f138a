"""Long recordings: how a window's tokens are cut, and the walk through windows on a scripted model."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio.models import DecodingOptions, WhisperConfig, transcribe
from sensorium.audio.models.whisper_decoding import Thresholds
from sensorium.audio.models.whisper_long import cut
from sensorium.errors import OptionError, ShapeError

START, END, PREVIOUS, QUIET, NONE, FIRST = 51, 50, 52, 53, 54, 55  # text below 50, times from 55
STEPS = 50  # of 20 ms in a window: 1 s
TRUST = Thresholds(compression_ratio=None, logprob=None, no_speech=None)


def at(seconds):
    return FIRST + round(seconds * 50)


# -- cut -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tokens", "pieces", "read"),
    [
        ([at(0), 1, 2, at(0.4)], [(0, 20)], STEPS),  # one sentence, silence after it
        ([at(0), 1, at(0.4), at(0.5), 2, at(0.8)], [(0, 20), (25, 40)], STEPS),
        ([at(0), 1, at(0.4), at(0.5), 2], [(0, 20)], 20),  # the second one goes on beyond
        ([at(0), 1, at(0.4), at(0.4)], [(0, 20)], 20),
        ([at(0.1), 1, at(0.4), at(0.5), 2, at(0.6), at(0.7), 3], [(5, 20), (25, 30)], 30),
        ([1, 2], [(0, STEPS)], STEPS),  # no times
        ([at(0.2), 1, 2], [(10, STEPS)], STEPS),
        ([at(0.2), 1, at(0.5)], [(10, 25)], STEPS),
        ([at(0)], [(0, STEPS)], STEPS),
        ([], [(0, STEPS)], STEPS),
    ],
)
def test_tokens_are_cut_where_two_times_meet(tokens, pieces, read):
    found, on = cut(tokens, NONE, STEPS)
    assert [piece[:2] for piece in found] == pieces
    assert on == read
    said = [t for *_, part in found for t in part]
    assert said == tokens[: len(said)]


def test_random_grammatical_windows_lose_no_text_and_always_go_on():
    rng = np.random.default_rng(0)
    for _ in range(200):
        times = np.sort(rng.choice(STEPS, size=2 * rng.integers(1, 5), replace=False))
        tokens = [t for a, b in times.reshape(-1, 2) for t in (FIRST + a, 1, FIRST + b)]
        tokens = tokens[: rng.integers(2, len(tokens) + 1)]
        pieces, read = cut([int(t) for t in tokens], NONE, STEPS)
        assert 0 < read <= STEPS
        assert all(0 <= a <= b <= STEPS for a, b, _ in pieces)
        rest = tokens[sum(len(part) for *_, part in pieces) :]
        assert not rest or pieces[-1][1] == read  # what is left is heard again


# -- a scripted model ----------------------------------------------------------------------------
class Scripted:
    """Writes the next line of a script for every window, and keeps what it was given."""

    def __init__(self, *lines, chance=0.999, quiet=0.0):
        self.config = WhisperConfig(
            vocab_size=120, num_mel_bins=4, max_source_positions=STEPS, max_target_positions=40,
            eos_token_id=END, decoder_start_token_id=START, prev_sot_token_id=PREVIOUS,
            no_timestamps_token_id=NONE, begin_suppress_tokens=None, is_multilingual=False,
            max_initial_timestamp_index=None,
        )  # fmt: skip
        self.lines, self.windows, self.prompts = list(lines), [], []
        self.chance, self.quiet = chance, quiet
        self.layer_norm = sn.nn.LayerNorm(1)

    def get_encoder(self):
        return self

    def get_decoder(self):
        return self.write

    def new_cache(self):
        return type("Cache", (), {"length": 0, "reorder": None})()

    def __call__(self, window):
        assert window.shape == (1, 4, 2 * STEPS)
        self.windows.append(window.numpy()[0])
        self.line = None
        return sn.zeros(1, 1, 1)

    def write(self, ids, states, cache=None):
        """ "Hidden states": the chances of the next token after all ids so far."""
        ids = ids.tolist()
        if self.line is None:
            self.line = [*self.lines.pop(0), END]
            self.prompts.append(ids[0])
        rows = np.full((len(ids), len(ids[0]), 120), (1 - self.chance) / 119)
        for row, out in zip(ids, rows):
            written = len(row) - len(self.prompts[-1])
            out[-1, self.line[min(written, len(self.line) - 1)]] = self.chance
            out[:, QUIET] = self.quiet
        return sn.tensor(np.log(rows + 1e-9).astype(np.float32))

    def project(self, hidden):
        return hidden


class Letters:
    def decode(self, tokens):
        return " " + "".join(chr(97 + t) for t in tokens)


def heard(model, seconds, **options):
    x = np.random.default_rng(0).normal(size=round(16000 * seconds)).astype(np.float32) / 9
    return transcribe(model, sn.tensor(x), 16000, thresholds=TRUST, temperatures=(0.0,), **options)


def test_windows_begin_where_the_last_sentence_ended():
    model = Scripted(
        [at(0), 1, 2, at(0.4), at(0.4), 3],  # the second sentence is not finished
        [at(0), 3, 4, at(0.5), at(0.6), 5, at(1)],  # the window is read to its end
        [at(0.2), 6, at(0.5)],
    )
    found = heard(model, 2.0, tokenizer=Letters())
    times = [(s.start, s.end, s.text) for s in found.segments]
    assert times == [(0, 0.4, " bc"), (0.4, 0.9, " de"), (1.0, 1.4, " f"), (1.6, 1.9, " g")]
    assert found.text == "bc de f g"
    assert found.tokens == [1, 2, 3, 4, 5, 6]
    assert found.duration == 2.0
    assert model.lines == []


def test_each_window_is_told_what_was_written_before():
    lines = [at(0), 1, at(1)], [at(0), 2, at(1)], [at(0), 3, at(1)]
    model = Scripted(*lines)
    heard(model, 3.0, initial_prompt=[7])
    said = [7, at(0), 1, at(1), at(0), 2, at(1)]
    assert model.prompts == [[PREVIOUS, *said[:n], START] for n in (1, 4, 7)]
    model = Scripted(*lines)
    heard(model, 3.0, condition_on_previous=False)
    assert model.prompts == [[START]] * 3


def test_the_context_keeps_its_end_only():
    model = Scripted(*([at(0), *[n] * 10, at(1)] for n in range(4)))
    heard(model, 4.0)
    assert all(len(prompt) <= 21 for prompt in model.prompts)
    assert model.prompts[3][1:-1] == [*[1] * 6, at(1), at(0), *[2] * 10, at(1)]


def test_without_timestamps_every_window_is_one_segment():
    model = Scripted([1, 2], [3], [4])
    found = heard(model, 2.5, options=DecodingOptions())
    assert [(s.start, s.end, s.tokens) for s in found.segments] == [
        (0, 1, [1, 2]), (1, 2, [3]), (2, 2.5, [4]),
    ]  # fmt: skip
    assert model.prompts[0] == [START, NONE]


def test_windows_are_the_features_at_their_place():
    model = Scripted([at(0), 1, at(0.3), at(0.4), 2], [at(0), 3, at(1)], [at(0), 4, at(1)])
    heard(model, 1.6)
    a, b = model.windows[:2]
    np.testing.assert_array_equal(a[:, 30:], b[:, :70])  # 0.3 s on: 30 frames
    end = model.windows[2]
    assert (end[:, 45:] == end.min()).all()  # silence
    assert (end[:, :25] > end.min()).all()


def test_nothing_is_written_where_nobody_speaks():
    model = Scripted([at(0), 1, at(1)], [at(0), 2, at(1)], chance=0.2, quiet=0.9)
    sure = Thresholds(compression_ratio=None)
    x = sn.randn(32000) / 10
    found = transcribe(model, x, 16000, thresholds=sure, temperatures=(0.0,))
    assert found.segments == []
    assert model.lines == []


def test_channels_are_averaged_and_progress_is_told():
    x, seconds = sn.randn(32000) / 10, []
    one, two = (Scripted([at(0), 1, at(1)], [at(0), 2, at(1)]) for _ in range(2))
    options = {"thresholds": TRUST, "temperatures": (0.0,)}
    transcribe(one, x, 16000, **options, progress=seconds.append)
    transcribe(two, sn.stack([x * 2, x * 0]), 16000, **options)
    np.testing.assert_allclose(one.windows, two.windows, atol=1e-5)
    assert seconds == [1.0, 2.0]


def test_no_sound_no_segments():
    found = transcribe(Scripted(), sn.zeros(0), 16000)
    assert (found.segments, found.text, found.duration) == ([], "", 0.0)


def test_wrong_calls_are_named():
    with pytest.raises(ShapeError, match=r"\(C, T\), got \(1, 2, 100\)"):
        transcribe(Scripted(), sn.zeros(1, 2, 100), 16000)
    with pytest.raises(OptionError, match="no tokenizer"):
        _ = heard(Scripted([at(0), 1, at(1)]), 1.0).text
    with pytest.raises(OptionError, match="English only"):
        heard(Scripted(), 1.0, language="de")
