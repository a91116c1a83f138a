"""Other files that hold a tokenizer, as a tokenizer.json: vocab.txt, vocab.json with merges.txt.

``from_files`` puts together what a folder in Hugging Face's layout has: the tokenizer itself,
tokenizer_config.json, special_tokens_map.json, added_tokens.json and the model's config.json. Left
out: SentencePiece's own ``.model`` files (convert them to tokenizer.json).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sensorium.errors import TokenizerError

from ._roles import stated
from ._spec import MAX_BYTES, MAX_VOCAB, Spec, read_json

FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
)
_NO_TYPES = ("distilbert", "roberta", "gpt2", "bart", "xlm-roberta", "camembert", "mpnet")
_UNSET = 10**9  # Hugging Face writes 1e30 for "no limit"


@dataclass(frozen=True, slots=True)
class Found:
    """A tokenizer.json still to be checked, and what the files beside it say."""

    spec: Spec
    name: str
    roles: dict[str, str] = field(default_factory=dict)
    model_max_length: int | None = None
    padding_side: str = "right"
    truncation_side: str = "right"
    type_ids: bool | None = None


def from_files(files: Mapping[str, bytes]) -> Found:
    """What the files of a folder say together; names are those of ``FILES``."""
    config = _json(files, "tokenizer_config.json")
    model = _json(files, "config.json")
    roles = {**stated(_json(files, "special_tokens_map.json")), **stated(config)}
    kind = _kind(config, model)
    if "tokenizer.json" in files:
        spec, name = read_json(files["tokenizer.json"], "tokenizer.json"), "tokenizer.json"
        spec = _overridden(spec, config)
    elif "vocab.txt" in files:
        spec, name = (
            wordpiece(files["vocab.txt"], "vocab.txt", **_bert_options(config)),
            "vocab.txt",
        )
        roles = {**_BERT_ROLES, **roles}
    elif "vocab.json" in files and "merges.txt" in files:
        spec, name = _byte_level(files, kind, roles, config), "vocab.json"
        roles = {**_byte_level_roles(kind), **roles}
    else:
        raise TokenizerError(
            "no tokenizer here: want tokenizer.json, vocab.txt, or vocab.json with merges.txt; "
            f"found {sorted(files) or 'none of them'}"
        )
    spec = with_special(spec, roles, _json(files, "added_tokens.json"))
    names = config.get("model_input_names")
    typed = "token_type_ids" in names if isinstance(names, list) else None
    if typed is None and kind in _NO_TYPES:
        typed = False
    return Found(spec, name, roles, _max_length(config), *_sides(config), typed)


def _json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    return read_json(files[name], name) if name in files else {}


def _kind(config: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """The model type, as in config.json or told from the tokenizer's class."""
    if isinstance(model.get("model_type"), str):
        return str(model["model_type"])
    name = str(config.get("tokenizer_class", "")).removesuffix("Fast").removesuffix("Tokenizer")
    return {"XLMRoberta": "xlm-roberta"}.get(name, name.lower())


def _max_length(config: Mapping[str, Any]) -> int | None:
    value = config.get("model_max_length")
    if isinstance(value, bool) or not isinstance(value, int | float) or value >= _UNSET:
        return None
    if value < 1 or value != int(value):
        raise TokenizerError(f"tokenizer_config.json: model_max_length is {value!r}")
    return int(value)


def _sides(config: Mapping[str, Any]) -> tuple[str, str]:
    sides = [config.get(f"{what}_side", "right") for what in ("padding", "truncation")]
    for side in sides:
        if side not in ("left", "right"):
            raise TokenizerError(f"tokenizer_config.json: a side is {side!r}, not left or right")
    return sides[0], sides[1]


def _overridden(spec: Spec, config: Mapping[str, Any]) -> Spec:
    """tokenizer_config.json has the last word on what BERT's normalizer does."""
    normalizer = spec.get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        return spec
    names = {"do_lower_case": "lowercase", "strip_accents": "strip_accents"}
    names["tokenize_chinese_chars"] = "handle_chinese_chars"
    changed = {ours: config[theirs] for theirs, ours in names.items() if theirs in config}
    return {**spec, "normalizer": {**normalizer, **changed}}


# -- special tokens ------------------------------------------------------------------------------
def with_special(spec: Spec, roles: Mapping[str, str], added: Mapping[str, Any]) -> Spec:
    """The spec with the tokens of roles marked special and those of added_tokens.json added.

    A role whose token is nowhere in the vocabulary stays without effect.
    """
    tokens = list(spec.get("added_tokens") or [])
    have = {token.get("content") for token in tokens if isinstance(token, dict)}
    special = set(roles.values())
    ids = {**_vocab_of(spec), **added}
    for content in sorted(
        {*special, *added} - have, key=lambda token: (str(ids.get(token)), token)
    ):
        if content in ids:
            tokens.append(_added(content, ids[content], content in special))
    tokens.sort(key=lambda token: _order(token))
    return {**spec, "added_tokens": tokens}


def _order(token: object) -> int:
    number = token.get("id") if isinstance(token, dict) else None
    return number if isinstance(number, int) else -1


def _vocab_of(spec: Spec) -> dict[str, Any]:
    model = spec.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocab, list):
        return {str(e[0]): i for i, e in enumerate(vocab) if isinstance(e, list) and e}
    return vocab if isinstance(vocab, dict) else {}


def _added(content: str, number: object, special: bool) -> dict[str, Any]:
    """A mask token takes the space before it, as it stands for a word with its space (RoBERTa)."""
    flags = {"single_word": False, "lstrip": content == "<mask>", "rstrip": False}
    return {"id": number, "content": content, **flags, "normalized": False, "special": special}


# -- BERT's vocab.txt ----------------------------------------------------------------------------
_BERT_ROLES = {
    "unk": "[UNK]", "pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"
}  # fmt: skip


def wordpiece(
    data: bytes,
    name: str,
    *,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    chinese: bool = True,
) -> Spec:
    """BERT's tokenizer from a vocab.txt: a token a line, its id the number of the line."""
    ids: dict[str, int] = {}
    for number, token in enumerate(_lines(data, name)):
        token = token.rstrip("\r")
        if ids.setdefault(token, number) != number:
            raise TokenizerError(
                f"{name}:{number + 1}: {token[:40]!a} is also line {ids[token] + 1}"
            )
    if "[UNK]" not in ids:
        raise TokenizerError(f"{name}: no line is [UNK]; is this a vocab.txt?")
    spec: Spec = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": chinese,
            "strip_accents": strip_accents,
            "lowercase": lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _bert_template(ids),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    }
    return with_special(spec, _BERT_ROLES, {})


def _bert_options(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "lowercase": bool(config.get("do_lower_case", True)),
        "strip_accents": config.get("strip_accents"),
        "chinese": bool(config.get("tokenize_chinese_chars", True)),
    }


def _bert_template(ids: Mapping[str, int]) -> dict[str, Any] | None:
    if "[CLS]" not in ids or "[SEP]" not in ids:
        return None

    def special(token: str, type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": type_id}}

    def text(name: str, type_id: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": type_id}}

    single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    tokens = {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", 1), special("[SEP]", 1)],
        "special_tokens": tokens,
    }


def _lines(data: bytes, name: str) -> list[str]:
    if not data.strip():
        raise TokenizerError(f"{name}: the file is empty")
    if len(data) > MAX_BYTES:
        raise TokenizerError(f"{name}: {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{name}: not UTF-8 at byte {error.start}") from None
    # Not splitlines: U+2028 and its kin are tokens of multilingual vocabularies.
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > MAX_VOCAB:
        raise TokenizerError(f"{name}: {len(lines)} lines; at most {MAX_VOCAB}")
    return lines


# -- byte-level BPE ------------------------------------------------------------------------------
def _byte_level_roles(kind: str) -> dict[str, str]:
    if kind in ("roberta", "bart"):
        begin = {"cls": "<s>", "bos": "<s>", "sep": "</s>", "eos": "</s>"}
        return {**begin, "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
    return dict.fromkeys(("unk", "bos", "eos"), "<|endoftext|>")


def _byte_level(
    files: Mapping[str, bytes], kind: str, roles: Mapping[str, str], config: Mapping[str, Any]
) -> Spec:
    """GPT-2's and RoBERTa's tokenizer from vocab.json and merges.txt."""
    ids = read_json(files["vocab.json"], "vocab.json")
    prefix = bool(config.get("add_prefix_space", False))
    byte_level = {"type": "ByteLevel", "add_prefix_space": prefix, "use_regex": True}
    processor: dict[str, Any] = {**byte_level, "trim_offsets": False}
    if kind in ("roberta", "bart"):
        names = {**_byte_level_roles(kind), **roles}
        ends = {end: [names[end], ids.get(names[end])] for end in ("cls", "sep")}
        processor = {"type": "RobertaProcessing", "trim_offsets": True, "add_prefix_space": prefix}
        processor.update(ends)
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {**byte_level, "trim_offsets": True},
        "post_processor": processor,
        "decoder": {**byte_level, "trim_offsets": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "vocab": ids,
            "merges": _merges(files["merges.txt"]),
        },
    }


def _merges(data: bytes) -> list[list[str]]:
    """The pairs of a merges.txt: two tokens a line, after an optional ``#version`` line."""
    pairs = []
    for number, line in enumerate(_lines(data, "merges.txt"), 1):
        line = line.rstrip("\r")
        if (number == 1 and line.startswith("#version")) or not line:
            continue
        pair = line.split(" ")
        if len(pair) != 2 or not all(pair):
            raise TokenizerError(f"merges.txt:{number}: want two tokens, got {line[:60]!a}")
        pairs.append(pair)
    return pairs
