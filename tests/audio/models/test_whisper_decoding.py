"""Laws of Whisper's writing: the timestamps' grammar against a slow restatement, beams against the
search of all texts, sums of log-probabilities, and the decision to write again."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio.models import DecodingOptions, WhisperConfig, WhisperForConditionalGeneration
from sensorium.audio.models.whisper_beam import Search, beam_search
from sensorium.audio.models.whisper_decoding import (
    Decoded,
    Thresholds,
    compression_ratio,
    decode,
    decode_with_fallback,
    detect_language,
)
from sensorium.audio.models.whisper_rules import WhisperRules, forbidden
from sensorium.audio.models.whisper_tokens import WhisperTokens
from sensorium.errors import OptionError

END, FIRST, VOCAB = 5, 9, 20  # text 0..4, end 5, others 6..8 (8: no timestamps), times 9..19


# -- rules ---------------------------------------------------------------------------------------
def may_follow(written, token, first_limit):
    """One token at a time, in words of the paper: pairs of times around text, never going back."""
    time = token >= FIRST
    if not written:
        return time and token <= FIRST + first_limit
    times = [t for t in written if t >= FIRST]
    run = 0
    while run < len(written) and written[-1 - run] >= FIRST:
        run += 1
    opened = run == len(written) or run % 2 == 0  # after the last time a text begins
    if run and opened and run <= 2:
        return not time
    if run == 1:  # a text has just been closed: open the next at the same time or later, or end
        return (time and token >= times[-1]) or END <= token < FIRST
    return not time or token > times[-1]


def grammatical_texts(length):
    rng = np.random.default_rng(0)
    for _ in range(300):
        written = []
        for _ in range(rng.integers(0, length)):
            options = [t for t in range(VOCAB) if t != END and may_follow(written, t, 4)]
            if options:
                written.append(int(rng.choice(options)))
        yield written


def test_forbidden_ranges_say_what_the_grammar_says():
    for written in grammatical_texts(9):
        ranges = forbidden(written, FIRST, END, 4)
        banned = {t for each in ranges for t in range(VOCAB)[each]}
        wanted = {t for t in range(VOCAB) if not may_follow(written, t, 4)}
        assert banned == wanted, written


def rules(timestamps=True, **config):
    config = WhisperConfig(vocab_size=VOCAB, eos_token_id=END, decoder_start_token_id=6,
                           no_timestamps_token_id=8, max_initial_timestamp_index=4, **config)  # fmt: skip
    return WhisperRules(config, WhisperTokens.of(config), 1, timestamps=timestamps)


def after(rule, ids, row):
    return rule(sn.tensor([ids]), sn.tensor([row]).to(sn.float32)).numpy()[0]


def test_suppressed_tokens_and_first_tokens():
    rule = rules(False, suppress_tokens=[2, 7, 999, -1], begin_suppress_tokens=[3, END])
    first, later = after(rule, [6], np.zeros(VOCAB)), after(rule, [6, 1], np.zeros(VOCAB))
    assert set(np.flatnonzero(first == -math.inf)) == {2, 3, END, 7}
    assert set(np.flatnonzero(later == -math.inf)) == {2, 7}


@pytest.mark.parametrize("seed", range(20))
def test_times_win_where_together_likelier_than_any_text(seed):
    row = np.random.default_rng(seed).normal(size=VOCAB)
    found = after(rules(), [6, 10, 1], row)
    chances = np.exp(row)
    chances[8] = 0  # no timestamps
    chances[FIRST:11] = 0  # not after 10
    together, best = chances[FIRST:].sum(), chances[:FIRST].max()
    assert np.isfinite(found[:FIRST]).any() == (together <= best)
    assert np.isfinite(found[11:]).all()
    assert found[8] == -math.inf


def test_rules_leave_the_given_logits_alone():
    row = sn.zeros(1, VOCAB)
    rules()(sn.tensor([[6]]), row)
    assert not row.any()


# -- beams ---------------------------------------------------------------------------------------
V = 4  # the last token ends


def table(seed, length=4):
    rng = np.random.default_rng(seed)
    return {
        text: np.log(rng.dirichlet(np.full(V, 0.7)))
        for n in range(length)
        for text in itertools.product(range(V - 1), repeat=n)
    }


def search(chances, beams, limit=4, **options):
    """beam_search on a table of log-probabilities; the prompt is one token."""

    def step(ids):
        return sn.tensor(np.array([chances[tuple(row[1:])] for row in ids.tolist()]))

    return beam_search(
        step, lambda rows: None, lambda ids, scores: scores,
        [0], 1, beams, V - 1, limit, **options,
    )[0]  # fmt: skip


def every_text(chances, limit=4):
    """(sum of log-probabilities, text with its end) of all texts."""
    for text, row in chances.items():
        before = sum(chances[text[:n]][token] for n, token in enumerate(text))
        ends = range(V) if len(text) == limit - 1 else [V - 1]
        yield from ((before + row[token], (*text, token)) for token in ends)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beams_that_hold_every_text_find_the_best(seed, penalty):
    chances = table(seed)
    found, mean = search(chances, beams=27, length_penalty=penalty, patience=3.0)
    total, best = max(every_text(chances), key=lambda t: t[0] / len(t[1]) ** penalty)
    text = [t for t in best if t != V - 1]
    assert found == text
    assert mean == pytest.approx(total / (len(text) + 1), rel=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_more_patience_never_finds_less(seed):
    chances = table(seed)
    scores = {
        tuple(t for t in text if t != V - 1): s / len(text) for s, text in every_text(chances)
    }
    hasty, patient = (scores[tuple(search(chances, beams=2, patience=p)[0])] for p in (0.5, 6.0))
    assert patient >= hasty


def test_a_finished_search_stands_still():
    one = Search(beams=1, end=0, limit=3)
    one.advance(np.log([[0.9, 0.1]]))
    assert one.done
    one.advance(np.log([[0.1, 0.9]]))
    assert one.best() == ([], pytest.approx(math.log(0.9)))


# -- decode --------------------------------------------------------------------------------------
@pytest.fixture
def net():
    sn.manual_seed(3)
    return WhisperForConditionalGeneration(
        vocab_size=VOCAB, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8, num_mel_bins=4,
        max_source_positions=4, max_target_positions=24, pad_token_id=0, eos_token_id=END,
        decoder_start_token_id=6, begin_suppress_tokens=None, no_timestamps_token_id=8, init_std=0.8,
        suppress_tokens=[6, 7], max_initial_timestamp_index=4,
    ).eval()  # fmt: skip


@pytest.fixture
def states(net):
    with sn.no_grad():
        return net.get_encoder()(sn.randn(3, 4, 8))


def next_chances(net, state, ids, rule):
    """Log-probabilities of the next token after ids, without a cache."""
    with sn.no_grad():
        row = net(encoder_outputs=state, decoder_input_ids=sn.tensor([ids])).logits[:, -1]
    row = rule(sn.tensor([ids]), row).numpy()[0].astype(np.float64)
    return row - np.log(np.exp(row).sum())


@pytest.mark.parametrize("timestamps", [False, True])
def test_greedy_takes_the_likeliest_and_sums_what_it_takes(net, states, timestamps):
    options = DecodingOptions(timestamps=timestamps, max_new_tokens=8)
    rule = rules(timestamps, begin_suppress_tokens=None, suppress_tokens=[6, 7])
    for n, found in enumerate(decode(net, states, [6], options)):
        ids, total = [6], 0.0
        while len(ids) < 9 and ids[-1] != END:
            row = next_chances(net, states[n : n + 1], ids, rule)
            ids.append(int(row.argmax()))
            total += row.max()
        written = [t for t in ids[1:] if t != END]
        assert found.tokens == written
        assert found.avg_logprob == pytest.approx(total / (len(written) + 1), rel=1e-4)


def test_no_speech_is_the_chance_of_its_token_at_the_start(net, states):
    with sn.no_grad():
        row = net(encoder_outputs=states, decoder_input_ids=sn.tensor([[3, 6, 8]] * 3)).logits[:, 1]
    wanted = sn.softmax(row, -1)[:, 7].numpy()
    for beams in (1, 2):
        options = DecodingOptions(num_beams=beams, max_new_tokens=2)
        found = [d.no_speech_prob for d in decode(net, states, [3, 6, 8], options)]
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_recordings_are_decoded_as_if_alone(net, states):
    for options in (
        DecodingOptions(max_new_tokens=6),
        DecodingOptions(num_beams=3, max_new_tokens=6),
    ):
        together = [d.tokens for d in decode(net, states, [6], options)]
        alone = [decode(net, states[n : n + 1], [6], options)[0].tokens for n in range(3)]
        assert together == alone


def test_drafts_are_drawn_from_the_seed_and_the_likeliest_is_kept(net, states):
    def drawn(best_of, seed):
        options = DecodingOptions(best_of=best_of, max_new_tokens=6)
        generator = sn.Generator().manual_seed(seed)
        return decode(net, states[:1], [6], options, temperature=1.0, generator=generator)[0]

    assert drawn(3, 1) == drawn(3, 1)
    assert len({tuple(drawn(1, seed).tokens) for seed in range(8)}) > 1
    means = [np.mean([drawn(n, seed).avg_logprob for seed in range(10)]) for n in (1, 8)]
    assert means[1] > means[0]


def test_wrong_options_are_named(net, states):
    with pytest.raises(OptionError, match="num_beams of at least 1, got 0"):
        DecodingOptions(num_beams=0)
    with pytest.raises(OptionError, match="patience"):
        DecodingOptions(patience=0)
    with pytest.raises(OptionError, match="24 tokens leaves no room"):
        decode(net, states, [6] * 24)
    with pytest.raises(OptionError, match="English only"):
        detect_language(net, states)


def test_languages_by_their_chances(states, net):
    config = {**vars_of(net.config), "lang_to_id": {"en": 1, "de": 2}}
    many = WhisperForConditionalGeneration(**config).eval()
    many.load_state_dict(net.state_dict())
    row = next_chances(net, states[:1], [6], rules(False, begin_suppress_tokens=None))
    found = detect_language(many, states)[0]
    assert found["de"] / found["en"] == pytest.approx(math.exp(row[2] - row[1]), rel=1e-4)
    assert [*found.values()] == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(1)


def vars_of(config):
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


# -- fallback ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("logprob", "no_speech", "ratio", "silent", "doubtful"),
    [
        (-0.5, 0.1, 1.0, False, False),
        (-0.5, 0.1, 2.5, False, True),  # repeats itself
        (-1.5, 0.1, 1.0, False, True),  # guessed
        (-1.5, 0.9, 1.0, True, False),  # nothing to write
        (-0.5, 0.9, 1.0, False, False),  # sure, whatever the chance of silence
    ],
)
def test_thresholds(logprob, no_speech, ratio, silent, doubtful):
    found = Decoded([], logprob, no_speech, 0.0)
    assert Thresholds().silent(found) == silent
    assert Thresholds().doubtful(found, ratio) == doubtful
    off = Thresholds(compression_ratio=None, logprob=None, no_speech=None)
    assert not off.silent(found)
    assert not off.doubtful(found, ratio)


@pytest.mark.parametrize(("least", "used"), [(-math.inf, 0.0), (math.inf, 0.6)])
def test_the_first_temperature_that_is_believed(net, states, least, used):
    found, ratio = decode_with_fallback(
        net, states[:1], [6], DecodingOptions(max_new_tokens=3), temperatures=(0.0, 0.3, 0.6),
        thresholds=Thresholds(logprob=least, no_speech=None, compression_ratio=None),
        as_bytes=lambda tokens: b"ab" * 50,
    )  # fmt: skip
    assert found.temperature == used
    assert ratio == compression_ratio(b"ab" * 50) > 2


def test_no_temperature_is_an_error():
    with pytest.raises(OptionError, match="at least one temperature"):
        decode_with_fallback(
            SimpleNamespace(), sn.zeros(1), [6], DecodingOptions(), temperatures=(),
            thresholds=Thresholds(), as_bytes=bytes,
        )  # fmt: skip
