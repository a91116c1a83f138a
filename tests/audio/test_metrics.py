"""Edit distances and error rates against a recursive definition and counted examples."""

import math
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sensorium.audio.metrics import (
    Edits,
    char_edits,
    char_error_rate,
    count_edits,
    edit_distance,
    plain_words,
    word_edits,
    word_error_rate,
)
from sensorium.errors import DTypeError, ShapeError

SEQUENCES = st.lists(st.sampled_from("abc"), max_size=9)


def recursive(a, b):
    """Levenshtein's definition, word for word."""

    @lru_cache(None)
    def distance(i, j):
        if i == 0 or j == 0:
            return i + j
        same = distance(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(same, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(a), len(b))


@given(SEQUENCES, SEQUENCES)
def test_distance_is_levenshteins(a, b):
    assert edit_distance(a, b) == edit_distance(b, a) == recursive(a, b)


@given(SEQUENCES, SEQUENCES)
def test_counts_add_up_to_the_distance_and_to_both_lengths(a, b):
    edits = count_edits(a, b)
    assert edits.errors == recursive(a, b)
    assert edits.length == edits.hits + edits.substitutions + edits.deletions == len(a)
    assert edits.hits + edits.substitutions + edits.insertions == len(b)
    assert min(edits.hits, edits.substitutions, edits.deletions, edits.insertions) >= 0


def test_distances_beyond_eight_bits():
    a = np.random.default_rng(0).integers(0, 1000, 700).tolist()
    kept = [x for i, x in enumerate(a) if i % 3]
    assert edit_distance(a, kept) == len(a) - len(kept) == 234
    assert count_edits(a, kept) == Edits(hits=466, deletions=234)
    assert count_edits(kept, a) == Edits(hits=466, insertions=234)
    assert count_edits([-1] * 600, [1] * 600) == Edits(substitutions=600)


@pytest.mark.parametrize(
    "a,b,distance",
    [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("", "", 0), ("ab", "ba", 2)],
)
def test_known_distances(a, b, distance):
    assert edit_distance(a, b) == distance


def test_items_may_be_anything_hashable():
    assert edit_distance([1, (2, 3), "x"], [1, (2, 3), None]) == 1


def test_word_error_rate_counts_over_the_whole_corpus():
    # 1 error in 2 words and 1 error in 8 words: 2 / 10, not the mean of 1/2 and 1/8.
    references = ["one two", "a b c d e f g h"]
    hypotheses = ["one too", "a b c d e f g"]
    assert word_error_rate(references, hypotheses) == 0.2
    assert word_edits(references, hypotheses) == Edits(8, 1, 1, 0)


def test_char_error_rate_counts_spaces():
    assert char_error_rate("ab c", "abc") == 0.25
    assert char_edits("ab c", "abc") == Edits(3, 0, 1, 0)


def test_rate_may_exceed_one_and_an_empty_reference_has_none():
    assert word_error_rate("yes", "oh no no") == 3.0
    assert word_error_rate("", "") == 0.0 and word_error_rate([], []) == 0.0
    assert word_error_rate("", "something") == math.inf
    assert word_error_rate(["", "a b"], ["c", "a b"]) == 0.5


@pytest.mark.parametrize(
    "text,plain",
    [
        ("And you always want to see it, in the SUPERLATIVE degree.",
         "and you always want to see it in the superlative degree"),
        ("  Don\u2019t\tstop\u2014now 'quoted' ", "don't stop now quoted"),
        ("ﬁne ÄÖÜ straße", "fine äöü strasse"),
        ("... --- !", ""),
        ("3.5 kg", "3 5 kg"),
    ],
)  # fmt: skip
def test_plain_words(text, plain):
    assert plain_words(text) == plain == plain_words(plain)


def test_normalisation_is_applied_to_both_sides():
    assert word_error_rate("Hello, World!", "hello world") == 1.0
    assert word_error_rate("Hello, World!", "hello world", normalize=plain_words) == 0.0


def test_mistakes_are_named():
    with pytest.raises(ShapeError, match="word_error_rate: 2 references but 1"):
        word_error_rate(["a", "b"], ["a"])
    with pytest.raises(DTypeError, match="want texts, got int"):
        char_error_rate([1], ["a"])
