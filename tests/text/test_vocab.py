"""Vocab: a bijection between tokens and indices; torchtext's rules of building one."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sensorium.errors import OpError, OptionError, OutOfBoundsError
from sensorium.text import Vocab, build_vocab_from_iterator
from sensorium.text.vocab import vocab


@given(st.lists(st.text(max_size=5), unique=True))
def test_tokens_and_indices_are_each_others_inverse(tokens: list[str]) -> None:
    v = Vocab(tokens)
    assert v.get_itos() == tokens
    assert v.lookup_tokens(v(tokens)) == tokens == v.lookup_tokens(v.forward(tokens))
    assert v.get_stoi() == {t: i for i, t in enumerate(tokens)}
    assert len(pickle.loads(pickle.dumps(v))) == len(v) == len(tokens)


def test_published_example_of_torchtext() -> None:
    v = vocab(dict.fromkeys("edcba", 1), specials=["<unk>"])
    assert (v["<unk>"], v["e"], v["a"]) == (0, 1, 5)
    v.set_default_index(-1)
    assert v["out of vocab"] == v.get_default_index() == -1
    v.set_default_index(v["<unk>"])
    assert v["out of vocab"] == 0
    assert "out of vocab" not in v


def test_counts_order_and_specials_are_respected() -> None:
    counts = {"b": 3, "<pad>": 9, "a": 2, "c": 1}
    assert vocab(counts, 2, ["<unk>", "<pad>"]).get_itos() == ["<unk>", "<pad>", "b", "a"]
    assert vocab(counts, 2, ["<unk>"], special_first=False).get_itos()[-1] == "<unk>"
    assert list(counts) == ["b", "<pad>", "a", "c"]


@given(st.lists(st.lists(st.sampled_from("abcdefgh"))), st.integers(1, 3), st.integers(2, 6))
def test_an_iterator_gives_the_most_frequent_first(
    texts: list[list[str]], least: int, most: int
) -> None:
    v = build_vocab_from_iterator(texts, least, ["<unk>"], max_tokens=most)
    counts = Counter(t for text in texts for t in text)
    slow = sorted(sorted(counts), key=counts.__getitem__, reverse=True)[: most - 1]
    assert v.get_itos() == ["<unk>", *(t for t in slow if counts[t] >= least)]


def test_inserting_moves_what_follows() -> None:
    v = Vocab(["a", "c"])
    v.insert_token("b", 1)
    v.append_token("d")
    assert v.get_itos() == ["a", "b", "c", "d"]
    assert v(["a", "b", "c", "d"]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v: v["z"], OpError, "'z' is not among the 2 tokens"),
        (lambda v: v.lookup_token(2), OutOfBoundsError, "index 2 is not in 0 to 1"),
        (lambda v: v.lookup_token(-1), OutOfBoundsError, "index -1"),
        (lambda v: v.append_token("a"), OpError, "'a' is already there"),
        (lambda v: v.insert_token("z", 5), OutOfBoundsError, "index 5 is not in 0 to 2"),
        (lambda v: v.set_default_index("0"), OptionError, "default index"),
        (lambda v: v.append_token(3), OptionError, "must be a string"),
        (lambda v: Vocab(["a", "a"]), OpError, "already there"),
        (lambda v: build_vocab_from_iterator([], specials=["x"], max_tokens=1), OptionError, "no room"),
    ],
)  # fmt: skip
def test_misuse_is_typed(call: Any, error: type[Exception], message: str) -> None:
    v = Vocab(["a", "b"])
    with pytest.raises(error, match=message):
        call(v)
    assert v.get_itos() == ["a", "b"]
