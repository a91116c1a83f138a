"""tokenizer.json read strictly: damaged or hostile files end here, not in the library.

The format is that of https://github.com/huggingface/tokenizers (version "1.0"): a model (BPE,
WordPiece, WordLevel, Unigram), added tokens, and a normalizer, pre-tokenizer, post-processor and
decoder, each a component with a ``type`` or a ``Sequence`` of them. The library itself accepts
duplicate ids, renumbers added tokens in silence, and panics or aborts on what is checked here:
sizes, ids, patterns, growth of a text by replacement, templates. Types of plain fields are left to
the library, whose complaints become ``TokenizerError`` too (``_library``).
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeGuard

from sensorium.errors import FormatError, TokenizerError
from sensorium.io._json import loads

from . import _patterns

Spec = dict[str, Any]

MAX_BYTES = 256 << 20  # Gemma's, the largest known, has 33 MB
MAX_VALUES = 6_000_000  # of a JSON file, about; Gemma's has two million
MAX_VOCAB = 2_000_000  # entries; Gemma has 262 thousand
MAX_ADDED = 200_000  # added tokens: each becomes a branch of a search automaton
MAX_ID = 2**31 - 1
MAX_LENGTH = 2**24  # of padding and truncation, in tokens
_MAX_DEPTH = 64
# int(1e30), which Hugging Face writes for "no limit", is one digit longer than our JSON reads.
_NO_LIMIT = re.compile(r'("model_max_length":)\s*1000000000000000019884624838656\b')
_MAX_PARTS = 64  # components of a Sequence, pieces of a template
_MAX_GROWTH = 256  # characters that all replacements together may make of one
_MAX_PIECE = 1024  # characters of a Unigram piece: the search looks that far from every place
_MAX_WORD = 1000  # WordPiece's limit; its search is quadratic in the word

_KINDS = {
    "normalizer": """BertNormalizer ByteLevel Lowercase NFC NFD NFKC NFKD Nmt Precompiled Prepend
        Replace Sequence Strip StripAccents""",
    "pre_tokenizer": """BertPreTokenizer ByteLevel CharDelimiterSplit Digits FixedLength Metaspace
        Punctuation Sequence Split UnicodeScripts Whitespace WhitespaceSplit""",
    "post_processor": "BertProcessing ByteLevel RobertaProcessing Sequence TemplateProcessing",
    "decoder": """BPEDecoder ByteFallback ByteLevel CTC Fuse Metaspace Replace Sequence Strip
        WordPiece""",
}
_INSIDE = {  # where a Sequence keeps its parts
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}


def read_json(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object from bytes, read as strictly as everything else; errors begin with name."""
    if not data.strip():
        raise TokenizerError(f"{name}: the file is empty")
    if len(data) > MAX_BYTES:
        raise TokenizerError(f"{name}: {len(data)} bytes; at most {MAX_BYTES} are read")
    if data.count(b",") > MAX_VALUES:  # counted first: parsing so many would take a minute
        raise TokenizerError(f"{name}: more than {MAX_VALUES} values")
    if data.lstrip()[:1] == b"<":
        raise TokenizerError(f"{name}: not JSON but HTML or XML (a login or error page?)")
    try:
        value = loads(_NO_LIMIT.sub(r"\1 1e30", data.decode("utf-8")), name, _MAX_DEPTH)
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{name}: not UTF-8 at byte {error.start}") from None
    except FormatError as error:
        raise TokenizerError(str(error)) from None
    if not isinstance(value, dict):
        raise TokenizerError(f"{name}: want a JSON object, got {type(value).__name__}")
    return value


def checked(spec: Spec, name: str, trust_patterns: bool = False) -> Spec:
    """The same tokenizer.json, every rule of this module checked and the model's type filled in."""
    if spec.get("version") != "1.0":
        raise TokenizerError(f"{name}: version must be '1.0', got {spec.get('version')!r:.60}")
    model = _table(spec.get("model"), f"{name}: model")
    model = {"type": _model_type(model), **model}
    spec = {**spec, "model": model}
    _check_lengths(spec, name)
    ids = _check_model(model, f"{name}: model")
    added = _check_added(spec.get("added_tokens") or [], ids, f"{name}: added_tokens")
    _check_unk(model, ids, added, f"{name}: model")
    for kind in _KINDS:
        for where, part in components(spec.get(kind), kind, f"{name}: {kind}"):
            _check_component(part, where, trust_patterns)
    for kind in ("normalizer", "decoder"):
        if growth(spec.get(kind), f"{name}: {kind}") > _MAX_GROWTH:
            raise TokenizerError(
                f"{name}: {kind}: one character may grow to more than {_MAX_GROWTH}"
            )
    return spec


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        found = "nothing" if value is None else type(value).__name__
        raise TokenizerError(f"{where}: want an object, got {found}")
    return value


# -- the model -----------------------------------------------------------------------------------
def _model_type(model: dict[str, Any]) -> str:
    """The type, told from the fields in files that leave it out."""
    if "type" in model:
        return str(model["type"])
    if isinstance(model.get("vocab"), list):
        return "Unigram"
    marks = {"merges": "BPE", "max_input_chars_per_word": "WordPiece"}
    return next((kind for field, kind in marks.items() if field in model), "WordLevel")


def _check_model(model: dict[str, Any], where: str) -> dict[str, int]:
    """The model's tokens with their ids."""
    kind = model["type"]
    if kind not in ("BPE", "WordPiece", "WordLevel", "Unigram"):
        raise TokenizerError(
            f"{where}: type {kind!a:.60} is not BPE, WordPiece, WordLevel or Unigram"
        )
    vocab = model.get("vocab")
    size = len(vocab) if isinstance(vocab, dict | list) else 0
    if not 1 <= size <= MAX_VOCAB:
        raise TokenizerError(f"{where}.vocab: want 1 to {MAX_VOCAB} entries, got {size}")
    ids = _unigram_ids(vocab, where) if kind == "Unigram" else _table_ids(vocab, f"{where}.vocab")
    if kind == "BPE":
        _check_merges(model, ids, where)
    longest = model.get("max_input_chars_per_word", 100)
    if kind == "WordPiece" and not _is_int(longest, 1, _MAX_WORD):
        raise TokenizerError(
            f"{where}.max_input_chars_per_word: want 1 to {_MAX_WORD}, got {longest!r:.60}"
        )
    return ids


def _table_ids(vocab: object, where: str) -> dict[str, int]:
    ids = _table(vocab, where)
    seen: dict[int, str] = {}
    for token, number in ids.items():
        if not _is_int(number, 0, MAX_ID):
            raise TokenizerError(
                f"{where}[{token[:40]!a}]: want an id from 0 to {MAX_ID}, got {number!r:.60}"
            )
        first = seen.setdefault(number, token)
        if first is not token:
            raise TokenizerError(f"{where}: {first[:40]!a} and {token[:40]!a} share id {number}")
    return ids


def _unigram_ids(vocab: object, where: str) -> dict[str, int]:
    """The pieces of a Unigram model: [text, log probability] each, numbered by place."""
    if not isinstance(vocab, list):
        raise TokenizerError(f"{where}.vocab: want a list of [piece, score]")
    ids: dict[str, int] = {}
    for i, entry in enumerate(vocab):
        piece, score = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
        if not isinstance(piece, str) or not _is_finite(score):
            raise TokenizerError(f"{where}.vocab[{i}]: want [piece, score], got {entry!r:.60}")
        if len(piece) > _MAX_PIECE:
            raise TokenizerError(
                f"{where}.vocab[{i}]: a piece of {len(piece)} characters; at most {_MAX_PIECE}"
            )
        if ids.setdefault(piece, i) != i:
            raise TokenizerError(f"{where}.vocab[{i}]: {piece[:40]!a} is also entry {ids[piece]}")
    return ids


def _check_merges(model: dict[str, Any], ids: dict[str, int], where: str) -> None:
    """Both parts of a merge and what they make are tokens; the library aborts on some that are not."""
    merges, prefix = model.get("merges"), model.get("continuing_subword_prefix") or ""
    if not isinstance(merges, list) or len(merges) > MAX_VOCAB or not isinstance(prefix, str):
        raise TokenizerError(f"{where}.merges: want a list of at most {MAX_VOCAB} pairs")
    for i, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        whole = isinstance(pair, list) and len(pair) == 2
        if not whole or not all(isinstance(part, str) for part in pair):
            raise TokenizerError(f"{where}.merges[{i}]: want two tokens, got {merge!r:.60}")
        first, second = pair
        made = first + second[len(prefix) :]
        absent = next((token for token in (first, second, made) if token not in ids), None)
        if absent is not None:
            raise TokenizerError(
                f"{where}.merges[{i}]: token {absent[:40]!a} is not in the vocabulary"
            )
        if not second.startswith(prefix):
            raise TokenizerError(
                f"{where}.merges[{i}]: {second[:40]!a} lacks the prefix {prefix!a}"
            )


def _check_unk(
    model: dict[str, Any], ids: dict[str, int], added: dict[str, int], where: str
) -> None:
    if model["type"] == "Unigram":
        unk = model.get("unk_id")
        if unk is not None and not _is_int(unk, 0, len(ids) - 1):
            raise TokenizerError(f"{where}.unk_id: want 0 to {len(ids) - 1}, got {unk!r:.60}")
        return
    default = {"WordPiece": "[UNK]", "WordLevel": "<unk>", "BPE": None}[model["type"]]
    unk = model.get("unk_token", default)
    absent = unk is None and model["type"] == "BPE"
    known = ids.keys() | added.keys() if model["type"] == "BPE" else ids.keys()
    if not absent and not (isinstance(unk, str) and unk in known):
        raise TokenizerError(f"{where}.unk_token: {unk!a:.60} is not in the vocabulary")


def _check_added(tokens: object, ids: dict[str, int], where: str) -> dict[str, int]:
    """The added tokens with their ids, which must not contradict the model's."""
    if not isinstance(tokens, list) or len(tokens) > MAX_ADDED:
        raise TokenizerError(f"{where}: want a list of at most {MAX_ADDED} tokens")
    added: dict[str, int] = {}
    for i, entry in enumerate(tokens):
        token = _table(entry, f"{where}[{i}]")
        content, number = token.get("content"), token.get("id")
        if not isinstance(content, str) or not content or not _is_int(number, 0, MAX_ID):
            raise TokenizerError(
                f"{where}[{i}]: want content and an id from 0 to {MAX_ID}, "
                f"got {content!a:.60} and {number!r:.40}"
            )
        if ids.get(content, number) != number or added.setdefault(content, number) != number:
            raise TokenizerError(f"{where}[{i}]: {content[:60]!a} has two ids")
    owners = {number: token for token, number in ids.items()}
    for content, number in added.items():
        if owners.setdefault(number, content) != content:
            raise TokenizerError(
                f"{where}: {content[:40]!a} and {owners[number][:40]!a} share id {number}"
            )
    return added


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _is_int(value: object, low: int, high: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


# -- padding and truncation ----------------------------------------------------------------------
def _check_lengths(spec: Spec, name: str) -> None:
    """The file's own padding and truncation; this library never hands them to the other."""
    padding, truncation = spec.get("padding"), spec.get("truncation")
    if padding is not None:
        table = _table(padding, f"{name}: padding")
        strategy = table.get("strategy")
        fixed = strategy.get("Fixed") if isinstance(strategy, dict) else 1
        multiple = table.get("pad_to_multiple_of")
        _check_length(fixed, f"{name}: padding.strategy.Fixed", 1)
        _check_length(1 if multiple is None else multiple, f"{name}: padding.pad_to_multiple_of", 1)
    if truncation is not None:
        table = _table(truncation, f"{name}: truncation")
        longest, stride = table.get("max_length"), table.get("stride", 0)
        _check_length(longest, f"{name}: truncation.max_length", 1)
        _check_length(stride, f"{name}: truncation.stride", 0)
        if stride >= longest:
            raise TokenizerError(
                f"{name}: truncation.stride {stride} is not below max_length {longest}"
            )


def _check_length(value: object, where: str, low: int) -> None:
    if not _is_int(value, low, MAX_LENGTH):
        raise TokenizerError(f"{where}: want {low} to {MAX_LENGTH}, got {value!r:.60}")


# -- components ----------------------------------------------------------------------------------
def components(value: object, kind: str, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every component of a kind with its JSON path, Sequences opened, in order."""
    if value is None:
        return
    part = _table(value, where)
    name = part.get("type")
    if not isinstance(name, str) or name not in _KINDS[kind].split():
        raise TokenizerError(f"{where}: type {name!a:.60} is not a known {kind.replace('_', '-')}")
    if name != "Sequence":
        yield where, part
        return
    inside = part.get(_INSIDE[kind])
    if not isinstance(inside, list) or len(inside) > _MAX_PARTS:
        raise TokenizerError(f"{where}: want a list of at most {_MAX_PARTS} {_INSIDE[kind]}")
    for i, member in enumerate(inside):
        yield from components(member, kind, f"{where}.{_INSIDE[kind]}[{i}]")


def _check_component(part: dict[str, Any], where: str, trust_patterns: bool) -> None:
    if "pattern" in part:
        _check_pattern(part["pattern"], f"{where}.pattern", trust_patterns)
    check = _CHECKS.get(part["type"])
    if check is not None:
        check(part, where)


def _check_pattern(pattern: object, where: str, trust: bool) -> None:
    """{"String": text} is searched literally, {"Regex": pattern} must be linear."""
    table = _table(pattern, where)
    kind, text = next(iter(table.items()), ("nothing", None))
    if kind not in ("String", "Regex") or not isinstance(text, str) or not text:
        raise TokenizerError(f"{where}: want a String or a Regex, got {kind!a:.40}: {text!a:.40}")
    if kind == "Regex" and not trust:
        _patterns.check(text, where)


def _check_strip(part: dict[str, Any], where: str) -> None:
    for field in ("start", "stop"):  # a decoder's; the normalizer has neither
        if not _is_int(part.get(field, 0), 0, 1000):
            raise TokenizerError(f"{where}.{field}: want 0 to 1000, got {part[field]!r:.60}")


def _check_fixed_length(part: dict[str, Any], where: str) -> None:
    if not _is_int(part.get("length", 5), 1, MAX_LENGTH):
        raise TokenizerError(
            f"{where}.length: want 1 to {MAX_LENGTH}, got {part.get('length')!r:.60}"
        )


_CHECKS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "Strip": _check_strip,
    "FixedLength": _check_fixed_length,
}


# -- growth --------------------------------------------------------------------------------------
def growth(value: object, where: str) -> int:
    """An upper bound on the characters a normalizer or decoder makes of one.

    NFKC's largest is 18 (U+FDFA), and the library's memory is what a text's growth takes.
    """
    if not isinstance(value, dict):
        return 1
    inside = chain(value.get("normalizers") or [], value.get("decoders") or [])
    factors = [growth(part, where) for part in inside]
    factors.append(_growth_of(value, where))
    return math.prod(min(factor, 1 << 40) for factor in factors)


def _growth_of(part: dict[str, Any], where: str) -> int:
    kind = part.get("type")
    if kind == "Replace":
        content = part.get("content")
        return max(1, len(content)) if isinstance(content, str) else 1
    if kind == "Prepend":  # once a word, of at least one character
        return 1 + len(str(part.get("prepend", "")))
    if kind == "Precompiled":
        return _longest_entry(part.get("precompiled_charsmap"), where)
    return 1  # Unicode's own forms (18 at most) and ByteLevel (4) are on top of the limit


def _longest_entry(charsmap: object, where: str) -> int:
    """Bytes of the longest replacement of SentencePiece's table: u32 n, n bytes of trie, strings
    that end in NUL."""
    try:
        table = base64.b64decode(charsmap if isinstance(charsmap, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raise TokenizerError(f"{where}: precompiled_charsmap is not base64") from None
    trie = int.from_bytes(table[:4], "little")
    if len(table) < 4 or trie % 4 or trie > len(table) - 4:
        raise TokenizerError(
            f"{where}: precompiled_charsmap claims {trie} bytes of trie in {len(table)}"
        )
    return max(map(len, table[4 + trie :].split(b"\0")), default=0) + 1
