"""Damaged and hostile tokenizer files end in ``TokenizerError``, by name, before the library."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest

from sensorium.errors import FormatError, SensoriumError, TokenizerError
from sensorium.text import Tokenizer
from sensorium.text._patterns import check


def words(*tokens: str, **changes: Any) -> dict[str, Any]:
    """A tokenizer.json of whole words; ``changes`` replace its parts."""
    spec: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {t: i for i, t in enumerate(("[UNK]", *tokens))},
            "unk_token": "[UNK]",
        },
    }
    spec.update(changes)
    return spec


def model(kind: str, vocab: object, **fields: Any) -> dict[str, Any]:
    return {"model": {"type": kind, "vocab": vocab, **fields}}


def added(number: object, content: object) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": content, **flags, "special": True}


def split(pattern: object) -> dict[str, Any]:
    return {
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": pattern},
            "behavior": "Isolated",
            "invert": False,
        }
    }


def template(single: object, tokens: object) -> dict[str, Any]:
    pair = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]
    return {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": pair,
            "special_tokens": tokens,
        }
    }


A = {"Sequence": {"id": "A", "type_id": 0}}
CLS = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
UNK = {"unk_token": "[UNK]"}
RAW = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n", "the file is empty"),
    "HTML": (b"<!doctype html><p>Sign in", "not JSON but HTML"),
    "list": (b"[]", "want a JSON object, got list"),
    "number": (b"7", "want a JSON object, got int"),
    "not UTF-8": (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
    "cut": (json.dumps(words("a")).encode()[:-9], "not JSON"),
    "duplicate keys": (b'{"version": "1.0", "version": "1.0"}', "'version' appears twice"),
    "deep": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested deeper than 64"),
    "NaN": (b'{"a": NaN}', "NaN is not a JSON number"),
    "half a surrogate": (b'{"a": "\\ud800"}', "half a surrogate pair"),
}
DAMAGED = {
    "no version": ({"version": None}, "version must be '1.0', got None"),
    "wrong version": ({"version": "9.0"}, "version must be '1.0', got '9.0'"),
    "no model": ({"model": None}, "model: want an object, got nothing"),
    "unknown model": (model("Bogus", {"a": 0}), "type 'Bogus' is not BPE"),
    "no vocabulary": (model("WordLevel", {}, **UNK), "want 1 to 2000000 entries, got 0"),
    "vocabulary a number": (model("WordLevel", 3, **UNK), "want 1 to 2000000 entries"),
    "duplicate id": (model("WordLevel", {"[UNK]": 0, "b": 0}, **UNK), "'b' share id 0"),
    "negative id": (model("WordLevel", {"[UNK]": -1}, **UNK), "vocab['[UNK]']: want an id"),
    "id 2**32": (model("WordLevel", {"[UNK]": 2**32}, **UNK), "got 4294967296"),
    "id 4e9": (model("WordLevel", {"[UNK]": 4 * 10**9}, **UNK), "got 4000000000"),
    "id true": (model("WordLevel", {"[UNK]": True}, **UNK), "got True"),
    "id a float": (model("WordLevel", {"[UNK]": 1.5}, **UNK), "got 1.5"),
    "no unk": (model("WordLevel", {"a": 0}, **UNK), "unk_token: '[UNK]' is not in the vocabulary"),
    "unk a list": (model("WordLevel", {"a": 0}, unk_token=["a"]), "unk_token"),
    "wordpiece no unk": (model("WordPiece", {"a": 0}), "unk_token: '[UNK]' is not"),
    "bpe unk": (model("BPE", {"a": 0}, merges=[], unk_token="q"), "unk_token: 'q' is not"),
    "endless words": (
        model("WordPiece", {"[UNK]": 0}, max_input_chars_per_word=10**9),
        "max_input_chars_per_word: want 1 to 1000",
    ),
    "unknown merge": (model("BPE", {"a": 0}, merges=["a b"]), "merges[0]: token 'b' is not in"),
    "merge made": (model("BPE", {"a": 0, "b": 1}, merges=[["a", "b"]]), "token 'ab' is not in"),
    "merge of three": (model("BPE", {"a": 0}, merges=["a a a"]), "merges[0]: want two tokens"),
    "merge prefix": (  # the library ends the process on it
        model("BPE", {"a": 0, "b": 1}, merges=["a b"], continuing_subword_prefix="xx"),
        "merges[0]: 'b' lacks the prefix 'xx'",
    ),
    "merges a table": (model("BPE", {"a": 0}, merges={}), "merges: want a list"),
    "unigram unk": (model("Unigram", [["a", -1.0]], unk_id=7), "unk_id: want 0 to 0, got 7"),
    "unigram entry": (model("Unigram", [["a"]], unk_id=0), "vocab[0]: want [piece, score]"),
    "unigram table": (model("Unigram", {"a": 0}, unk_id=0), "want a list of [piece, score]"),
    "unigram piece": (model("Unigram", [["a" * 5000, 0.0]], unk_id=0), "5000 characters"),
    "unigram twice": (model("Unigram", [["a", 0.0], ["a", 1.0]], unk_id=0), "also entry 0"),
    "added a string": ({"added_tokens": ["x"]}, "added_tokens[0]: want an object, got str"),
    "added empty": ({"added_tokens": [added(0, "")]}, "want content and an id"),
    "added negative": ({"added_tokens": [added(-2, "x")]}, "added_tokens[0]: want content"),
    "added twice": ({"added_tokens": [added(2, "x"), added(3, "x")]}, "'x' has two ids"),
    "added over": ({"added_tokens": [added(0, "x")]}, "'x' and '[UNK]' share id 0"),
    "added renumbered": ({"added_tokens": [added(77, "x")]}, "has id 77 but its place"),
    "unknown part": ({"pre_tokenizer": {"type": "Bogus"}}, "type 'Bogus' is not a known pre-tok"),
    "part a list": ({"decoder": []}, "decoder: want an object, got list"),
    "sequence": ({"decoder": {"type": "Sequence"}}, "want a list of at most 64 decoders"),
    "sequence long": (
        {"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}] * 65}},
        "at most 64 decoders",
    ),
    "sequence member": (
        {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, 3]}},
        "normalizer.normalizers[1]: want an object, got int",
    ),
    "fixed length 0": ({"pre_tokenizer": {"type": "FixedLength", "length": 0}}, "length: want 1"),
    "strip": (
        {"decoder": {"type": "Strip", "content": "a", "start": 2**40, "stop": 0}},
        "decoder.start: want 0 to 1000",
    ),
    "growth": (
        {"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "x" * 10**6}},
        "one character may grow",
    ),
    "growth in steps": (
        {
            "normalizer": {
                "type": "Sequence",
                "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aaaa"}]
                * 20,
            }
        },
        "one character may grow",
    ),
    "growth in decoding": (
        {"decoder": {"type": "Replace", "pattern": {"String": "a"}, "content": "x" * 999}},
        "decoder: one character may grow",
    ),
    "prepended": ({"normalizer": {"type": "Prepend", "prepend": "x" * 999}}, "may grow"),
    "charsmap": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "//////8="}},
        "precompiled_charsmap claims",
    ),
    "charsmap not base64": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "!"}},
        "not base64",
    ),
    "field type": ({"pre_tokenizer": {"type": "Metaspace", "replacement": "ab"}}, "expected a ch"),
    "padding": ({"padding": {"strategy": {"Fixed": 2**34}}}, "padding.strategy.Fixed: want 1"),
    "padding multiple": (
        {"padding": {"strategy": "BatchLongest", "pad_to_multiple_of": 0}},
        "pad_to_multiple_of: want 1",
    ),
    "stride": (
        {"truncation": {"max_length": 8, "stride": 8}},
        "stride 8 is not below max_length 8",
    ),
    "max_length 0": ({"truncation": {"max_length": 0}}, "max_length: want 1"),
    "template token": (template([CLS, A], {}), "special token '[CLS]' is not in special_tokens"),
    "template id": (
        template([CLS, A], {"[CLS]": {"id": "[CLS]", "ids": [99], "tokens": ["[CLS]"]}}),
        "id 99 is not in the vocabulary",
    ),
    "template no text": (template([], {}), "single: want each text once, got []"),
    "template text twice": (template([A, A], {}), "want each text once, got ['A', 'A']"),
    "template piece": (template([7], {}), "single[0]: want a Sequence or SpecialToken"),
    "template long": (template([A] * 65, {}), "at most 64 pieces"),
    "bert": ({"post_processor": {"type": "BertProcessing", "sep": ["x"]}}, "cls: want [token, id]"),
    "pattern bad": (split("("), "unmatched parenthesis"),
    "pattern empty": (split(""), "want a String or a Regex"),
    "pattern nothing": (split(None), "want a String or a Regex"),
}


@pytest.mark.parametrize("name", RAW)
def test_a_file_that_is_no_tokenizer_is_refused_and_says_what_it_is(name: str) -> None:
    data, message = RAW[name]
    with pytest.raises(TokenizerError) as error:
        Tokenizer.from_bytes(data)
    assert message in str(error.value)
    assert str(error.value).startswith("tokenizer.json: ")


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_tokenizer_is_refused_and_says_where(name: str) -> None:
    changes, message = DAMAGED[name]
    with pytest.raises(TokenizerError) as error:
        Tokenizer.from_bytes(json.dumps(words("a", **copy.deepcopy(changes))).encode())
    assert message in str(error.value)
    assert str(error.value).startswith("tokenizer.json: ")
    assert isinstance(error.value, FormatError)
    assert isinstance(error.value, SensoriumError)


def test_a_vocabulary_of_ten_million_is_refused_before_it_is_parsed() -> None:
    start = time.perf_counter()
    with pytest.raises(TokenizerError, match="more than 6000000 values"):
        Tokenizer.from_bytes(b'{"model": {"vocab": [' + b"1," * 10**7 + b"1]}}")
    assert time.perf_counter() - start < 2


def test_a_vocabulary_above_two_million_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.text._spec.MAX_VOCAB", 3)
    with pytest.raises(TokenizerError, match="want 1 to 3 entries, got 4"):
        Tokenizer.from_bytes(json.dumps(words("a", "b", "c")).encode())


def test_holes_in_the_ids_cost_nothing() -> None:
    spec = words(**model("WordLevel", {"[UNK]": 0, "a": 2**31 - 1}, **UNK))
    tok = Tokenizer.from_bytes(json.dumps(spec).encode())
    assert tok.encode("a b") == [2**31 - 1, 0]
    assert len(tok.to_json()) < 1000


def test_every_prefix_of_a_file_is_refused(trained: Any) -> None:
    data = trained("wordpiece")
    for end in range(0, len(data), 97):
        with pytest.raises(TokenizerError):
            Tokenizer.from_bytes(data[:end])


def test_changed_values_end_in_a_tokenizer_or_a_typed_error(trained: Any) -> None:
    """Structure-aware: every value of the file, vocabulary aside, is replaced in turn."""
    for kind in ("wordpiece", "roberta", "unigram"):
        base = json.loads(trained(kind))
        for path in paths(base):
            for value in (None, -1, "x", [None]):
                spec = copy.deepcopy(base)
                place = spec
                for key in path[:-1]:
                    place = place[key]
                place[path[-1]] = value
                try:
                    Tokenizer.from_bytes(json.dumps(spec).encode()).encode("Hello a b")
                except TokenizerError:
                    continue


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    found = []
    for key in keys[:3] if before and before[-1] in ("vocab", "merges") else keys:
        found.append((*before, key))
        if isinstance(value[key], dict | list):
            found += paths(value[key], (*before, key))
    return found


# -- patterns ------------------------------------------------------------------------------------
SPACE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
CLK = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
PUBLISHED = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": CLK + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACE,
    "qwen2": CLK + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACE,
    "o200k": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACE
    ),
    "clip": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "bloom": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "deepseek": (
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
        r"| ?[\p{P}\p{S}]+[\r\n]*|" + SPACE
    ),
    "xlm-r": " {2,}",
    "falcon": "[0-9][0-9][0-9]",
}
HOSTILE = (
    "(a|a)*$", "^(([a-z])+.)+[A-Z]", "(a+)+", "(a+){3}", "a+b", "a+$", "a*a*b", r"\s*[\r\n]+",
    r"\s+$x", r"(?<=a)b", r"(?<!a)b", r"(a)\1", r"\k<n>", "(?=a*)b", "(?:a?){20}a{20}",
    "a?" * 20 + "a" * 20, "(a{1000}){1000}", "a{1,3}+b", "a**", "*a", "a|*", ")", "[[a]]+",
    "(?#x)", "x" * 5000, "a{,99999}", r"\s*[\r\n]+|\s+x", r"\s*[\r\n]+|a|\s+",
)  # fmt: skip
TEXTS = ("a", " ", "A", "中", "\n", " \n", "1", "'", "a ", "aA", "\u0301", "!a")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_patterns_are_read_and_take_linear_time(name: str) -> None:
    tok = Tokenizer.from_bytes(json.dumps(words("a", **split(PUBLISHED[name]))).encode())
    for text in TEXTS:
        start = time.perf_counter()
        tok.encode((text * 30_000)[:30_000])
        # 0.02 s here; quadratic time, at 10 ns a step, would be 9 s.
        assert time.perf_counter() - start < 3


@pytest.mark.parametrize("pattern", HOSTILE)
def test_patterns_that_may_be_slow_are_refused(pattern: str) -> None:
    with pytest.raises(TokenizerError, match="pattern"):
        check(pattern, "x")


def test_a_trusted_pattern_is_read_and_its_panic_is_typed(capfd: Any) -> None:
    spec = json.dumps(words("a", **split("(a|a)*$"))).encode()
    tok = Tokenizer.from_bytes(spec, trust_patterns=True)
    with pytest.raises(TokenizerError, match="the tokenizers library failed"):
        tok.encode("a" * 40 + "b")
    assert len(tok.encode("c")) == 1
    capfd.readouterr()  # the library's own note about the panic


def test_a_trusted_pattern_that_is_invalid_is_typed() -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: Oniguruma error"):
        Tokenizer.from_bytes(json.dumps(words("a", **split("("))).encode(), trust_patterns=True)


# -- folders -------------------------------------------------------------------------------------
VOCAB = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ncat\n##s\n"


def test_vocab_txt_numbers_tokens_by_line() -> None:
    tok = Tokenizer.from_bytes(VOCAB, kind="vocab.txt")
    assert tok.encode("A cats dog") == [2, 5, 6, 7, 1, 3]
    assert (tok.pad_id, tok.unk_id, tok.cls_id, tok.sep_id, tok.mask_id) == (0, 1, 2, 3, 4)
    assert Tokenizer.from_bytes(VOCAB, kind="vocab.txt", lowercase=False).encode("A")[1] == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"a\n[UNK]\na\n", "vocab.txt:3: 'a' is also line 1"),
        (b"a\nb\n", "no line is"),
        (b"\xff\n", "not UTF-8"),
    ],
)
def test_a_damaged_vocab_txt_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(TokenizerError) as error:
        Tokenizer.from_bytes(data, kind="vocab.txt")
    assert message in str(error.value)


def test_a_folder_without_a_tokenizer_says_what_it_looked_for(tmp_path: Any) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TokenizerError, match=r"want tokenizer\.json, vocab\.txt"):
        Tokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("merges", "message"),
    [("a\n", "merges.txt:1: want two tokens"), ("#version: 0.2\na b c\n", "merges.txt:2")],
)
def test_damaged_merges_are_refused(merges: str, message: str) -> None:
    files = {"vocab.json": b'{"a": 0, "b": 1}', "merges.txt": merges.encode()}
    with pytest.raises(TokenizerError) as error:
        Tokenizer.from_files(files)
    assert message in str(error.value)


def test_configuration_files_say_lengths_sides_roles_and_case() -> None:
    config = {
        "model_max_length": 7,
        "padding_side": "left",
        "truncation_side": "left",
        "do_lower_case": False,
        "pad_token": {"content": "[MASK]"},
        "model_input_names": ["input_ids"],
    }
    made = Tokenizer.from_bytes(VOCAB, kind="vocab.txt").to_json()
    files = {"tokenizer.json": made, "tokenizer_config.json": json.dumps(config).encode()}
    tok = Tokenizer.from_files(files)
    assert (tok.model_max_length, tok.padding_side, tok.truncation_side) == (7, "left", "left")
    assert tok.pad_id == 4
    assert tok(["a a", "A"])["input_ids"].tolist() == [[2, 5, 5, 3], [4, 2, 1, 3]]
    assert set(tok("a")) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize("value", ["1000000000000000019884624838656", "1e30"])
def test_hugging_faces_number_for_no_limit_is_none(value: str) -> None:
    config = b'{"model_max_length": %s}' % value.encode()
    tok = Tokenizer.from_files({"vocab.txt": VOCAB, "tokenizer_config.json": config})
    assert tok.model_max_length is None


def test_a_saved_tokenizer_is_the_same_tokenizer(trained: Any) -> None:
    text = "Hello naïve café 👍🏽 dog"
    for kind in ("wordpiece", "roberta", "gpt2", "unigram"):
        tok = Tokenizer.from_bytes(trained(kind))
        again = Tokenizer.from_files(tok.to_files())
        assert again.encode(text) == tok.encode(text)
        assert set(again(text)) == set(tok(text))
        assert repr(again) == repr(tok)
