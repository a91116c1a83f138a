"""BLEU against published values and a slow definition; perplexity against its closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import sensorium as sn
from sensorium.errors import OptionError, ShapeError
from sensorium.text.metrics import bleu_score, perplexity

WORDS = st.lists(st.sampled_from("abc"), max_size=8)


def test_bleu_of_torchtexts_documentation() -> None:
    candidates = [["My", "full", "pytorch", "test"], ["Another", "Sentence"]]
    references = [
        [["My", "full", "pytorch", "test"], ["Completely", "Different"]],
        [["No", "Match"]],
    ]
    assert bleu_score(candidates, references) == pytest.approx(0.8408964276313782, rel=1e-7)


def test_bleu_of_the_papers_example_counts_clipped_unigrams() -> None:
    # Papineni et al., section 2.1: "the" seven times, precision 2/7.
    references = [
        ["the", "cat", "is", "on", "the", "mat"],
        ["there", "is", "a", "cat", "on", "the", "mat"],
    ]
    score = bleu_score([["the"] * 7], [references], max_n=1)
    assert score == pytest.approx(2 / 7)


def slow_bleu(candidate: list[str], reference: list[str], max_n: int) -> float:
    if not candidate:
        return 0.0
    product = 1.0
    for n in range(1, max_n + 1):
        grams = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1)]
        pool = [tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)]
        hits = 0
        for gram in grams:
            if gram in pool:
                pool.remove(gram)
                hits += 1
        product *= (hits / len(grams) if grams else 0) ** (1 / max_n)
    return product * min(1.0, math.exp(1 - len(reference) / len(candidate)))


@settings(deadline=None)
@given(WORDS, WORDS, st.integers(1, 4))
def test_bleu_is_its_definition(candidate: list[str], reference: list[str], max_n: int) -> None:
    got = bleu_score([candidate], [[reference]], max_n)
    assert got == pytest.approx(slow_bleu(candidate, reference, max_n))


def test_bleu_misuse_is_typed() -> None:
    with pytest.raises(OptionError, match="2 weights for max_n 4"):
        bleu_score([["a"]], [[["a"]]], weights=[0.5, 0.5])
    with pytest.raises(ShapeError, match="1 candidates but 0 references"):
        bleu_score([["a"]], [])
    with pytest.raises(ShapeError, match="at least one reference"):
        bleu_score([["a"]], [[]])


def test_perplexity_of_a_known_distribution() -> None:
    shares = np.array([0.5, 0.25, 0.25])
    logits = sn.tensor(np.log(shares)[None, None].repeat(2, 1))
    assert perplexity(logits, sn.tensor([[0, 1]])) == pytest.approx(math.sqrt(8))
    assert perplexity(logits, sn.tensor([[0, -100]])) == pytest.approx(2)
    with pytest.raises(ShapeError, match="want targets"):
        perplexity(logits, sn.tensor([0, 1]))
