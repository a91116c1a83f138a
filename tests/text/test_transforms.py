"""Text transforms against their definitions; basic English against published examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import sensorium as sn
from sensorium.errors import OptionError, ShapeError
from sensorium.text import Vocab, get_tokenizer, ngrams_iterator, transforms as T

ROWS = st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=5)


@given(ROWS, st.integers(0, 5), st.integers(0, 9))
def test_truncate_and_add_token_work_on_texts_and_batches(
    rows: list[list[int]], n: int, token: int
) -> None:
    for begin in (True, False):
        whole = T.Sequential(T.Truncate(n), T.AddToken(token, begin))
        want = [[token] * begin + row[:n] + [token] * (not begin) for row in rows]
        assert whole(rows) == want
        assert whole(rows[0]) == want[0]


@given(ROWS)
def test_to_tensor_pads_to_the_longest(rows: list[list[int]]) -> None:
    table = T.ToTensor(padding_value=-1)(rows)
    width = max(map(len, rows))
    assert table.tolist() == [row + [-1] * (width - len(row)) for row in rows]
    assert table.dtype == sn.int64
    assert T.ToTensor()(rows[0]).tolist() == rows[0]


def test_to_tensor_without_padding_refuses_ragged_texts() -> None:
    with pytest.raises(ShapeError, match="texts of"):
        T.ToTensor()([[1], [1, 2]])
    assert T.ToTensor(dtype=sn.float32)([[1], [2]]).dtype == sn.float32


def test_pad_transform_fills_the_last_dimension() -> None:
    x = sn.tensor([[1, 2], [3, 4]])
    assert T.PadTransform(4, 9)(x).tolist() == [[1, 2, 9, 9], [3, 4, 9, 9]]
    assert T.PadTransform(1, 9)(x).tolist() == x.tolist()
    assert T.PadTransform(3, 0)(sn.tensor([1.5])).dtype == sn.float32


def test_labels_and_numbers(tmp_path: Path) -> None:
    assert T.LabelToIndex(["b", "a"])(["a", "b"]) == [1, 0]
    assert T.LabelToIndex(["b", "a"], sort_names=True)("a") == 0
    (tmp_path / "labels.txt").write_text("x\n\n y \n")
    found = T.LabelToIndex(label_path=str(tmp_path / "labels.txt"))
    assert found.label_names == ["x", "y"]
    assert T.StrToIntTransform()([["1"], ["2", "3"]]) == [[1], [2, 3]]
    assert T.VocabTransform(Vocab(["a", "b"]))(["b", "a"]) == [1, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: T.LabelToIndex(),
        lambda: T.LabelToIndex(["a"], "path"),
        lambda: T.Truncate(-1),
        lambda: T.StrToIntTransform()(["1", "x"]),
        lambda: get_tokenizer("moses"),
    ],
)
def test_misuse_is_typed(call: Any) -> None:
    with pytest.raises(OptionError):
        call()


def test_basic_english_splits_as_torchtext_documents() -> None:
    split = get_tokenizer("basic_english")
    assert split("You can now install TorchText using pip!") == [
        "you", "can", "now", "install", "torchtext", "using", "pip", "!",
    ]  # fmt: skip
    text = "Basic English Normalization for a Line of Text' \" . <br /> , () ! ? ; :   a"
    assert split(text) == [
        "basic", "english", "normalization", "for", "a", "line", "of", "text", "'", ".", ",", "(",
        ")", "!", "?", "a",
    ]  # fmt: skip
    assert get_tokenizer(None)("A b") == ["A", "b"]
    assert get_tokenizer(list)("ab") == ["a", "b"]


def test_ngrams_of_the_published_example() -> None:
    assert list(ngrams_iterator(["here", "we", "are"], 2)) == [
        "here", "we", "are", "here we", "we are",
    ]  # fmt: skip
    assert np.shape(list(ngrams_iterator(["a"] * 5, 3))) == (5 + 4 + 3,)
