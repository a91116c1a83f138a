"""Laws of generation: the loop, its rules, and the chances that samples come with."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import generation as g
from sensorium.errors import DTypeError, OptionError, SensoriumError, ShapeError


def counter(size=10):
    """A model that is sure that after token i comes i + 1."""
    table = sn.tensor(np.eye(size, dtype=np.float32)[(np.arange(size) + 1) % size] * 50)
    return lambda ids: table[ids[:, -1]]


def bigram(chances):
    """A model whose next token depends on the last one with these chances (V, V)."""
    table = sn.tensor(np.log(chances).astype(np.float32))
    return lambda ids: table[ids[:, -1]]


def test_the_loop_appends_the_likeliest_token():
    found = g.generate(counter(), sn.tensor([[3], [8]]), max_new_tokens=4)
    assert found.tolist() == [[3, 4, 5, 6, 7], [8, 9, 0, 1, 2]]
    assert found.dtype == sn.int64


def test_a_row_that_ended_is_filled_up_and_the_loop_stops_when_all_have():
    found = g.generate(
        counter(), sn.tensor([[3], [1]]), max_new_tokens=9, eos_token_id=5, pad_token_id=0
    )
    assert found.tolist() == [[3, 4, 5, 0, 0], [1, 2, 3, 4, 5]]
    found = g.generate(counter(), sn.tensor([[3], [1]]), max_new_tokens=9, eos_token_id=[5, 2])
    assert found.tolist() == [[3, 4, 5], [1, 2, 5]], "the first eos fills up"


def test_min_new_tokens_keeps_the_end_away():
    found = g.generate(
        counter(), sn.tensor([[3]]), max_new_tokens=5, min_new_tokens=3, eos_token_id=4
    )
    assert found.shape[1] >= 4 and 4 not in found.tolist()[0][1:4]


def test_processors_see_the_ids_and_change_the_logits():
    seen = []

    def never_five(ids, logits):
        seen.append(ids.shape[1])
        return g.suppress(logits, [5])

    found = g.generate(counter(), sn.tensor([[3]]), max_new_tokens=3, processors=[never_five])
    assert seen == [1, 2, 3] and 5 not in found.tolist()[0]


def test_top_k_of_one_is_greedy():
    rng = np.random.default_rng(0)
    step = bigram(rng.dirichlet(np.ones(20), 20))
    start = sn.tensor(rng.integers(0, 20, (6, 2)))
    greedy = g.generate(step, start, max_new_tokens=12)
    sampled = g.generate(step, start, max_new_tokens=12, do_sample=True, top_k=1)
    cold = g.generate(step, start, max_new_tokens=12, do_sample=True, temperature=1e-4)
    assert greedy.tolist() == sampled.tolist() == cold.tolist()


def test_a_seed_means_one_text():
    step = bigram(np.random.default_rng(0).dirichlet(np.ones(9), 9))
    start = sn.tensor([[1]] * 4)

    def text(seed):
        gen = sn.Generator().manual_seed(seed)
        return g.generate(step, start, max_new_tokens=9, do_sample=True, generator=gen).tolist()

    assert text(1) == text(1) != text(2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, lambda p: p),
        ({"temperature": 2.0}, lambda p: p**0.5),
        ({"top_k": 3}, lambda p: np.where(p >= np.sort(p)[-3], p, 0)),
        ({"top_p": 0.6}, lambda p: np.where(np.isin(p, [0.4, 0.3]), p, 0)),
        ({"top_p": 0.05}, lambda p: np.where(p == 0.4, p, 0)),
    ],
)
def test_samples_come_as_often_as_their_chance(options, expected):
    p = np.array([0.1, 0.4, 0.05, 0.3, 0.15])
    count = 20_000
    found = g.generate(
        bigram(np.tile(p, (5, 1))),
        sn.zeros(count, 1, dtype=sn.int64),
        max_new_tokens=1,
        do_sample=True,
        generator=sn.Generator().manual_seed(4),
        **{"top_k": None, **options},
    )
    got = np.bincount(found.numpy()[:, 1], minlength=5) / count
    wanted = expected(p) / expected(p).sum()
    assert np.abs(got - wanted).max() < 5 * math.sqrt(0.25 / count)
    assert (got[wanted == 0] == 0).all()


def test_rules_against_slow_loops():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4, 30)).astype(np.float32)
    for p in (0.1, 0.5, 0.95):
        found = g.keep_top_p(sn.tensor(logits), p).numpy()
        for row, out in zip(logits, found):
            chances = np.exp(row.astype(float)) / np.exp(row.astype(float)).sum()
            kept, total = set(), 0.0
            for i in np.argsort(-chances):
                if total >= p:
                    break
                kept.add(i)
                total += chances[i]
            assert set(np.flatnonzero(np.isfinite(out))) == kept
    ids = rng.integers(0, 30, (4, 12))
    padding = [0, 3, 12, 1]
    found = g.penalise_repetition(sn.tensor(logits), sn.tensor(ids), 1.5, sn.tensor(padding))
    for row, out, seen in zip(logits, found.numpy(), (i[p:] for i, p in zip(ids, padding))):
        for i, x in enumerate(row):
            wanted = x if i not in seen else (x * 1.5 if x < 0 else x / 1.5)
            assert out[i] == pytest.approx(wanted, rel=1e-6)


def test_rules_leave_their_input_alone():
    logits = sn.tensor(np.random.default_rng(1).normal(size=(2, 9)))
    before = logits.clone()
    ids = sn.tensor([[1], [2]])
    for out in (
        g.keep_top_k(logits, 2),
        g.keep_top_p(logits, 0.3),
        g.suppress(logits, [1]),
        g.penalise_repetition(logits, ids, 2.0),
    ):
        assert sn.equal(logits, before) and out.dtype == logits.dtype


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"max_new_tokens": 0}, OptionError, "max_new_tokens of at least 1, got 0"),
        ({"temperature": 0.0}, OptionError, "positive temperature, got 0.0"),
        ({"top_k": -1}, OptionError, "top_k"),
        ({"top_p": 0.0}, OptionError, "top_p in"),
        ({"repetition_penalty": 0.0}, OptionError, "repetition_penalty"),
    ],
)
def test_options_out_of_range_are_named(options, error, words):
    with pytest.raises(error, match=words):
        g.generate(counter(), sn.tensor([[1]]), **options)


def test_wrong_inputs_are_named():
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        g.generate(counter(), sn.tensor([1, 2, 3]))
    with pytest.raises(ShapeError, match="T at least 1"):
        g.generate(counter(), sn.zeros(1, 0, dtype=sn.int64))
    with pytest.raises(DTypeError, match="float32"):
        g.generate(counter(), sn.ones(1, 2))
    with pytest.raises(ShapeError, match=r"logits \(N, K\)"):
        g.generate(lambda ids: sn.ones(1, 2, 3), sn.tensor([[1]]))
    assert issubclass(OptionError, SensoriumError)
