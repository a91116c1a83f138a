"""Tokenizer: round trips, offsets, batches, truncation, special tokens in texts, processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, OutOfBoundsError, TokenizerError
from sensorium.text import Encoding, Tokenizer

KINDS = ("wordpiece", "roberta", "gpt2", "unigram")
HARD = (
    "", " ", "\0", "a\0b", "\ud800", "a\udfffb", "\u202eabc\u202c", "Z\u0351\u036b\u0343a\u0334lgo",
    "\ufdfa", "\u0130I\u0307", "👨‍👩‍👧‍👦 👍🏽", "\r\n\t x \u2028 \u00a0", "ﬁ ½ ①", "\ufeffa", "한국어 ไทย",
    "[SEP] [MASK] <s></s> <|endoftext|>",
)  # fmt: skip
quiet = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def toks(trained: Any) -> dict[str, Tokenizer]:
    made = {kind: Tokenizer.from_bytes(trained(kind)) for kind in KINDS}
    made["gpt2"].pad_token = made["gpt2"].eos_token
    return made


# -- round trips and offsets ---------------------------------------------------------------------
@quiet
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_byte_level_decoding_gives_the_text_back(toks: dict[str, Tokenizer], text: str) -> None:
    for kind in ("gpt2", "roberta"):
        assert toks[kind].decode(toks[kind].encode(text)) == text


@pytest.mark.parametrize("text", HARD)
def test_hard_texts_come_back_from_byte_level_models(toks: dict[str, Tokenizer], text: str) -> None:
    for kind in ("gpt2", "roberta"):
        assert toks[kind].decode(toks[kind].encode(text)) == text.replace(
            "\ud800", "\ufffd"
        ).replace("\udfff", "\ufffd")


@quiet
@given(text=st.text("abc Hello,.!?", max_size=40))
def test_wordpiece_decodes_to_what_encodes_the_same(toks: dict[str, Tokenizer], text: str) -> None:
    tok = toks["wordpiece"]
    ids = tok.encode(text)
    assert tok.encode(tok.decode(ids)) == ids


@quiet
@given(text=st.text(max_size=40) | st.sampled_from(HARD))
def test_offsets_lie_in_the_text_in_order_and_spell_the_tokens(
    toks: dict[str, Tokenizer], text: str
) -> None:
    for kind in KINDS:
        found = toks[kind](text, offsets=True)
        spans = found["offset_mapping"].numpy()[0]
        assert spans.min(initial=0) >= 0
        assert spans.max(initial=0) <= len(text)
        assert (spans[:, 0] <= spans[:, 1]).all()
        starts = [a for (a, _), n in zip(spans, found.sequence_ids()) if n is not None]
        assert starts == sorted(starts)
        for token, (a, b) in zip(found.tokens(), spans):
            plain = token.removeprefix("##") if token else ""
            if plain.isascii() and plain.isalpha() and kind == "wordpiece":
                assert text[a:b].isascii() is False or text[a:b].lower() == plain


def test_offsets_count_characters_not_bytes(toks: dict[str, Tokenizer]) -> None:
    text = "日本 Hello"
    for kind in KINDS:
        found = toks[kind](text, offsets=True)
        place = found.char_to_token(0, text.index("H"))
        assert place is not None
        start, end = found["offset_mapping"].numpy()[0, place]
        assert text[start:end].strip().startswith("H")


# -- batches -------------------------------------------------------------------------------------
def test_a_batch_is_the_rows_of_its_texts_padded(toks: dict[str, Tokenizer]) -> None:
    texts = ["Hello", "", "the quick brown fox"]
    for tok in toks.values():
        batch = tok(texts, special_tokens_mask=True)
        width = max(len(tok.encode(t)) for t in texts)
        for i, text in enumerate(texts):
            ids = tok.encode(text)
            rest = width - len(ids)
            assert batch["input_ids"].tolist()[i] == ids + [tok.pad_id] * rest
            assert batch["attention_mask"].tolist()[i] == [1] * len(ids) + [0] * rest
            content = tok.encode(text, add_special_tokens=False)
            assert batch["special_tokens_mask"].tolist()[i].count(0) == len(content)


def test_left_padding_mirrors_right_padding(trained: Any) -> None:
    tok = Tokenizer.from_bytes(trained("wordpiece"))
    right = tok(["a", "a b c"], special_tokens_mask=True, offsets=True)
    tok.padding_side = "left"
    left = tok(["a", "a b c"], special_tokens_mask=True, offsets=True)
    shift = 2
    for name in right:
        a, b = right[name].numpy(), left[name].numpy()
        assert (np.roll(a[0], shift, 0) == b[0]).all()
        assert (a[1] == b[1]).all()
    assert left.tokens(0) == [None, None, "[CLS]", "a", "[SEP]"]
    assert left.word_ids(0) == [None, None, None, 0, None]


def test_one_text_is_a_batch_of_one_and_dtype_is_int64(toks: dict[str, Tokenizer]) -> None:
    found = toks["wordpiece"]("Hello")
    assert list(found) == ["input_ids", "token_type_ids", "attention_mask"]
    assert {str(v.dtype) for v in found.values()} == {"int64"}
    assert tuple(found.input_ids.shape) == (1, len(toks["wordpiece"].encode("Hello")))
    assert tuple(toks["wordpiece"]([])["input_ids"].shape) == (0, 0)


def test_padding_to_a_length_and_to_a_multiple(toks: dict[str, Tokenizer]) -> None:
    tok = toks["wordpiece"]
    assert tuple(tok("a", padding="max_length", max_length=9).input_ids.shape) == (1, 9)
    assert tuple(tok(["a", "a a"], pad_to_multiple_of=8).input_ids.shape) == (2, 8)


def test_without_padding_ragged_rows_are_lists(toks: dict[str, Tokenizer]) -> None:
    tok = toks["wordpiece"]
    found = tok(["a", "a a"], padding=False)
    assert found["input_ids"] == [tok.encode("a"), tok.encode("a a")]
    assert isinstance(tok(["a", "b"], padding=False)["input_ids"], sn.Tensor)


def test_pairs_come_as_tuples_or_separately(toks: dict[str, Tokenizer]) -> None:
    tok = toks["wordpiece"]
    a, b = tok([("a", "b c")]), tok(["a"], ["b c"])
    assert a["input_ids"].tolist() == b["input_ids"].tolist() == tok("a", "b c").input_ids.tolist()
    assert a["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1]]
    assert a.sequence_ids() == [None, 0, None, 1, 1, None]
    # RoBERTa: <s> A </s></s> B </s>
    assert toks["roberta"].encode("", "") == [0, 2, 2, 2]


def test_encoding_moves_pickles_and_unpacks(toks: dict[str, Tokenizer]) -> None:
    found = toks["gpt2"](["Hello", "a b"])
    assert isinstance(found.to("cpu"), Encoding)
    assert sorted(dict(**found)) == ["attention_mask", "input_ids"]
    again = pickle.loads(pickle.dumps(found))
    assert again.input_ids.tolist() == found.input_ids.tolist()
    with pytest.raises(OptionError, match="not kept across processes"):
        again.word_ids(0)
    with pytest.raises(AttributeError, match="no 'inputs'"):
        _ = found.inputs
    with pytest.raises(OutOfBoundsError):
        found.word_ids(2)


# -- truncation ----------------------------------------------------------------------------------
def slow_longest_first(a: int, b: int, room: int) -> tuple[int, int]:
    """Take one token at a time from the longer, from the second of equals."""
    while a + b > room:
        if a > b:
            a -= 1
        else:
            b -= 1
    return a, b


@quiet
@given(a=st.integers(0, 12), b=st.integers(0, 12), room=st.integers(0, 20))
def test_longest_first_shares_what_there_is(
    toks: dict[str, Tokenizer], a: int, b: int, room: int
) -> None:
    tok = toks["wordpiece"]
    found = tok("a " * a, "b " * b, max_length=room + 3)
    numbers = found.sequence_ids()
    kept = (numbers.count(0), numbers.count(1))
    slow = slow_longest_first(a, b, room)
    assert sum(kept) == sum(slow) == min(a + b, room)
    assert abs(kept[0] - slow[0]) <= 1  # the odd token goes to the longer, as in the library


def test_truncation_keeps_the_beginning_or_the_end(trained: Any) -> None:
    tok = Tokenizer.from_bytes(trained("wordpiece"))
    text = "the quick brown fox"
    ids = tok.encode(text, add_special_tokens=False)
    assert tok.encode(text, truncation=True, max_length=4) == [2, *ids[:2], 3]
    tok.truncation_side = "left"
    assert tok.encode(text, truncation=True, max_length=4) == [2, *ids[-2:], 3]
    assert tok.encode(text, truncation=True, max_length=2) == [2, 3]


def test_the_model_length_is_what_truncation_cuts_to(trained: Any) -> None:
    tok = Tokenizer.from_bytes(trained("wordpiece"), model_max_length=5)
    assert tuple(tok("a " * 50).input_ids.shape) == (1, 5)
    assert tok("a " * 50, truncation=False).input_ids.shape[1] == 52
    spec = json.loads(trained("wordpiece"))
    spec["truncation"] = {"max_length": 6, "stride": 0, "strategy": "LongestFirst"}
    spec["padding"] = {"strategy": {"Fixed": 6}, "pad_token": "[PAD]"}
    tok = Tokenizer.from_bytes(json.dumps(spec).encode())
    assert tok.model_max_length == 6
    assert tuple(tok("a").input_ids.shape) == (1, 3)


BAD_OPTIONS = {
    "max_length 0": {"max_length": 0},
    "max_length -1": {"max_length": -1},
    "max_length 2**34": {"max_length": 2**34, "padding": "max_length"},
    "max_length a float": {"max_length": 2.0},
    "max_length true": {"max_length": True},
    "below the specials": {"max_length": 1},
    "multiple 0": {"pad_to_multiple_of": 0},
    "multiple 2**40": {"pad_to_multiple_of": 2**40},
    "padding name": {"padding": "longer"},
    "padding without length": {"padding": "max_length"},
    "truncation name": {"truncation": "first"},
    "only_second of one": {"truncation": "only_second", "max_length": 3},
    "only_first too short": {"truncation": "only_first", "max_length": 4, "pair": "b " * 9},
    "unknown special": {"allow_special": ["[NOPE]"]},
    "pairs": {"pair": ["a", "b"]},
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_options_out_of_range_are_refused_and_change_nothing(
    toks: dict[str, Tokenizer], name: str
) -> None:
    tok = toks["wordpiece"]
    before = tok("a b c").input_ids.tolist()
    with pytest.raises(OptionError):
        tok("a b c", **BAD_OPTIONS[name])
    assert tok("a b c").input_ids.tolist() == before


@pytest.mark.parametrize(
    "value", [b"bytes", 3, None, ["a", "b", "c"], ("a", 2)], ids=["bytes", "int", "None", "3", "2"]
)
def test_what_is_no_text_is_refused(toks: dict[str, Tokenizer], value: Any) -> None:
    with pytest.raises((DTypeError, OptionError), match="tokenizer: "):
        toks["gpt2"](["a", value])


def test_setting_sides_lengths_and_roles_is_checked(trained: Any) -> None:
    tok = Tokenizer.from_bytes(trained("gpt2"))
    with pytest.raises(OptionError, match="no padding token"):
        tok(["a", "a b c"])
    for name, value in (
        ("padding_side", "up"),
        ("truncation_side", 1),
        ("model_max_length", 0),
        ("pad_token", "<nope>"),
    ):
        with pytest.raises(OptionError):
            setattr(tok, name, value)
    tok.pad_token = tok.eos_token
    assert tok.pad_id == tok.pad_token_id == tok.eos_id == 0
    assert tok(["a", "a b c"]).input_ids.shape[0] == 2


# -- special tokens in texts ---------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_in_a_text_are_text_unless_allowed(
    toks: dict[str, Tokenizer], kind: str
) -> None:
    tok = toks[kind]
    for token, number in tok.special_tokens.items():
        for text in (token, f"a {token} b", f"x{token}y"):
            if number != tok.unk_id:
                assert number not in tok.encode(text, add_special_tokens=False)
            assert number in tok.encode(text, add_special_tokens=False, allow_special=True)


def test_allowing_one_special_token_allows_no_other(toks: dict[str, Tokenizer]) -> None:
    tok = toks["wordpiece"]
    ids = tok.encode("[MASK] [SEP]", allow_special=["[MASK]"])
    assert ids.count(tok.mask_id) == 1
    assert ids.count(tok.sep_id) == 1  # the template's own
    assert tok.encode("[MASK]", allow_special="[MASK]") == [tok.cls_id, tok.mask_id, tok.sep_id]


def test_a_vocabulary_that_takes_a_special_token_whole_gives_unk() -> None:
    vocab = {"[UNK]": 0, "[SEP]": 1, "a": 2}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    spec: dict[str, Any] = {
        "version": "1.0",
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "added_tokens": [{"id": 1, "content": "[SEP]", "special": True, **flags}],
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
    }
    tok = Tokenizer.from_bytes(json.dumps(spec).encode())
    assert tok.encode("a [SEP] a") == [2, 0, 2]
    assert tok.encode("a [SEP] a", allow_special=True) == [2, 1, 2]


# -- decoding and vocabulary ---------------------------------------------------------------------
def test_decoding_leaves_special_tokens_out_unless_asked(toks: dict[str, Tokenizer]) -> None:
    tok = toks["wordpiece"]
    ids = tok("hello dog")["input_ids"][0]
    assert tok.decode(ids) == "hello dog"
    assert tok.decode(ids, skip_special_tokens=False) == "[CLS] hello dog [SEP]"
    assert tok.batch_decode([ids, [2]]) == ["hello dog", ""]
    assert tok.decode([10**6]) == ""


@pytest.mark.parametrize(
    ("ids", "error"),
    [([-1], OutOfBoundsError), ([2**32], OutOfBoundsError), ([1.5], DTypeError), ("a", DTypeError)],
)
def test_decoding_what_is_no_id_is_refused(
    toks: dict[str, Tokenizer], ids: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        toks["gpt2"].decode(ids)


def test_tokens_and_ids_are_each_others_inverse(toks: dict[str, Tokenizer]) -> None:
    for tok in toks.values():
        vocab = tok.get_vocab()
        assert len(vocab) == len(tok) == tok.vocab_size
        assert all(tok.id_to_token(i) == t and tok.token_to_id(t) == i for t, i in vocab.items())
        assert tok.token_to_id("no such token") is None
        assert tok.id_to_token(10**6) is None


# -- size and time -------------------------------------------------------------------------------
LONG = ("a", " ", "a ", "\u0301", "[MASK]", "\n", "1", "' ", "\u202e", "é", "Ab", "zz ")


@pytest.mark.parametrize("kind", KINDS)
def test_time_grows_with_the_text_and_not_with_its_square(
    toks: dict[str, Tokenizer], kind: str
) -> None:
    for unit in LONG:
        times = []
        for n in (20_000, 200_000):
            text = (unit * n)[:n]
            start = time.perf_counter()
            toks[kind].encode(text)
            times.append(time.perf_counter() - start)
        # Ten times the text: 100 times the time would be quadratic; 40 leaves room for a busy machine.
        assert times[1] < max(40 * times[0], 0.5), (kind, unit)


def test_texts_above_the_limit_are_refused(trained: Any) -> None:
    tok = Tokenizer.from_bytes(trained("gpt2"), max_chars=10)
    assert tok.encode("a" * 10)
    with pytest.raises(TokenizerError, match="text 1 has 11 characters; at most 10"):
        tok(["a", "a" * 11], padding=False)


# -- threads and processes -----------------------------------------------------------------------
def test_threads_share_a_tokenizer(toks: dict[str, Tokenizer]) -> None:
    tok = toks["wordpiece"]
    texts = [f"hello dog {'a ' * (i % 7)}" for i in range(200)]
    want = [tok.encode(t, truncation=True, max_length=6) for t in texts]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda t: tok.encode(t, truncation=True, max_length=6), texts))
    assert got == want


def test_a_pickled_tokenizer_is_the_same(trained: Any) -> None:
    for kind in KINDS:
        tok = Tokenizer.from_bytes(trained(kind), model_max_length=20)
        tok.padding_side = "left"
        if kind == "gpt2":
            tok.pad_token = "<|endoftext|>"
        again = pickle.loads(pickle.dumps(tok))
        assert (
            again(["Hello", "a b c"]).input_ids.tolist()
            == tok(["Hello", "a b c"]).input_ids.tolist()
        )
        assert (repr(again), again.model_max_length) == (repr(tok), 20)


def test_a_spawned_process_gets_a_working_copy(toks: dict[str, Tokenizer]) -> None:
    tok = toks["wordpiece"]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(Tokenizer.encode, (tok, "hello dog")) == tok.encode("hello dog")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_after_batches_works_and_prints_nothing(trained: Any, tmp_path: Any) -> None:
    (tmp_path / "tokenizer.json").write_bytes(trained("wordpiece"))
    code = """
import os, sys
from sensorium.text import Tokenizer
tok = Tokenizer.from_folder(sys.argv[1])
before = tok(["hello dog"] * 500)
assert "TOKENIZERS_PARALLELISM" not in os.environ
child = os.fork()
if child == 0:
    same = tok(["hello dog"] * 500).input_ids.tolist() == before.input_ids.tolist()
    os._exit(0 if same else 1)
assert os.waitpid(child, 0)[1] == 0
assert "TOKENIZERS_PARALLELISM" not in os.environ
"""
    environ = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    quiet = ["-W", "ignore:This process:DeprecationWarning"]  # Python 3.12 warns of any such fork
    run = subprocess.run(
        [sys.executable, *quiet, "-c", code, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False, env=environ,
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_importing_text_brings_in_no_tokenizers_library() -> None:
    code = (
        "import sys, sensorium.text as t; t.Vocab, t.sampling; print('tokenizers' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "False"
