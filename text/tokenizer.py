"""Tokenizers: text to token ids and back, with the files that published models carry.

``Tokenizer`` reads tokenizer.json, BERT's vocab.txt, GPT-2's vocab.json with merges.txt, or a folder
of them, and encodes batches to int64 tensors. The tokenization itself is the tokenizers library's;
reading the files (``_spec``), special tokens, truncation and padding (``_template``, ``_batch``) are ours,
so that a damaged file or a hostile option is a typed error and a call never changes a tokenizer.

Two things differ from Hugging Face's classes on purpose. Special tokens that a text happens to spell
("[SEP]", "<|endoftext|>") are encoded as the text they are unless ``allow_special`` says otherwise,
and ``decode`` leaves special tokens out by default. Left out: overlapping windows of long texts
(``stride``), training, SentencePiece's ``.model`` files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sensorium.errors import DTypeError, OptionError, TokenizerError

from . import _batch, _formats, _library
from ._batch import Cut, Pad
from ._spec import MAX_BYTES, Spec, checked, read_json
from ._vocabulary import MAX_CHARS, Settings, Vocabulary
from .encoding import Encoding, Row

__all__ = ["MAX_CHARS", "Encoding", "Tokenizer"]

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_MAX_ALLOWED = 8  # sets of allowed special tokens that are kept ready

File = str | os.PathLike[str]
Pair = tuple[str, str]
_WHOLE = Cut(None, None, "right")


class Tokenizer(Vocabulary):
    """Text to token ids and back.

    Made by ``from_folder``, ``from_file``, ``from_files`` or ``from_bytes``. A tokenizer can be
    shared by threads and handed to worker processes.

    model_max_length: the most tokens its model takes, or None. padding_side, truncation_side: where
    padding goes and from where tokens are cut. Tokens by role: ``pad_token``, ``pad_id`` and the
    same for unk, cls, sep, mask, bos, eos (None where there is none).

    >>> vocab = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sat ##s".replace(" ", chr(10))
    >>> tok = Tokenizer.from_bytes(vocab.encode(), kind="vocab.txt")
    >>> tok(["A cat", "cats"])["input_ids"]
    tensor([[2, 5, 6, 3],
            [2, 6, 8, 3]])
    >>> tok.decode([2, 6, 8, 3])
    'cats'
    """

    # -- constructors ----------------------------------------------------------------------------
    @classmethod
    def from_file(
        cls,
        path: File,
        *,
        lowercase: bool = True,
        model_max_length: int | None = None,
        max_chars: int = MAX_CHARS,
        trust_patterns: bool = False,
    ) -> Tokenizer:
        """From a tokenizer.json, or from BERT's vocab.txt (a name that ends in .txt).

        lowercase is for vocab.txt only. max_chars: longer texts are refused. trust_patterns: do not
        refuse regular expressions that may be slow. Raises ``TokenizerError``.
        """
        kind = "vocab.txt" if os.fspath(path).endswith(".txt") else "tokenizer.json"
        return cls.from_bytes(
            _read(Path(path)),
            kind=kind,
            name=Path(path).name,
            lowercase=lowercase,
            model_max_length=model_max_length,
            max_chars=max_chars,
            trust_patterns=trust_patterns,
        )

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        kind: str = "tokenizer.json",
        name: str | None = None,
        lowercase: bool = True,
        model_max_length: int | None = None,
        max_chars: int = MAX_CHARS,
        trust_patterns: bool = False,
    ) -> Tokenizer:
        """As ``from_file``, from the contents of a file of this kind; ``name`` is for messages."""
        name = name or kind
        if kind == "vocab.txt":
            spec = _formats.wordpiece(data, name, lowercase=lowercase)
        elif kind == "tokenizer.json":
            spec = read_json(data, name)
        else:
            raise OptionError(f"kind must be 'tokenizer.json' or 'vocab.txt', got {kind!r}")
        found = _formats.Found(spec, name, model_max_length=model_max_length)
        return cls._of(found, max_chars, trust_patterns)

    @classmethod
    def from_folder(
        cls,
        folder: File,
        *,
        model_max_length: int | None = None,
        max_chars: int = MAX_CHARS,
        trust_patterns: bool = False,
    ) -> Tokenizer:
        """From a folder in Hugging Face's layout, with what its configuration files say."""
        paths = {name: Path(folder, name) for name in _formats.FILES}
        files = {name: path for name, path in paths.items() if path.is_file()}
        return cls.from_files(
            files,
            model_max_length=model_max_length,
            max_chars=max_chars,
            trust_patterns=trust_patterns,
        )

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, File | bytes],
        *,
        model_max_length: int | None = None,
        max_chars: int = MAX_CHARS,
        trust_patterns: bool = False,
    ) -> Tokenizer:
        """As ``from_folder``, from paths or contents by the names the files have in such a folder."""
        wanted = {name: files[name] for name in _formats.FILES if name in files}
        data = {n: f if isinstance(f, bytes) else _read(Path(f)) for n, f in wanted.items()}
        found = _formats.from_files(data)
        if model_max_length is not None:
            found = replace(found, model_max_length=model_max_length)
        return cls._of(found, max_chars, trust_patterns)

    @classmethod
    def _of(cls, found: _formats.Found, max_chars: int, trust_patterns: bool) -> Tokenizer:
        spec = checked(found.spec, found.name, trust_patterns)
        longest = found.model_max_length or (spec.get("truncation") or {}).get("max_length")
        settings = Settings(
            found.name,
            found.roles,
            _batch.as_length(longest, "model_max_length"),
            found.padding_side,
            found.truncation_side,
            True if found.type_ids is None else found.type_ids,
            max_chars,
        )
        made = cls(spec, settings)
        if found.type_ids is None:  # BERT's kind and ALBERT's; BPE models have no such input
            typed = made._template.typed and spec["model"]["type"] != "BPE"
            made._settings = replace(made._settings, type_ids=typed)
        return made

    def __init__(self, spec: Spec, settings: Settings) -> None:
        """From a checked spec; the ``from_...`` constructors are the way in."""
        super().__init__(spec, settings)
        self._cores: dict[frozenset[str], Any] = {}
        self._core(frozenset())

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (json.dumps(self._spec), self._settings)

    # -- encoding --------------------------------------------------------------------------------
    def __call__(
        self,
        texts: str | Sequence[str] | Sequence[Pair],
        pair: str | Sequence[str] | None = None,
        *,
        padding: bool | str = True,
        truncation: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        add_special_tokens: bool = True,
        allow_special: bool | Collection[str] = False,
        token_type_ids: bool | None = None,
        offsets: bool = False,
        special_tokens_mask: bool = False,
    ) -> Encoding:
        """input_ids and attention_mask (and token_type_ids where the model takes them), (N, T) int64.

        texts
            a text, a list of texts, or a list of (text, text) pairs; one text is a batch of one
        pair
            the second texts, if they come separately
        padding
            True or "longest", "max_length", or False: lists instead of tensors where lengths differ
        truncation
            to max_length (default: model_max_length, if there is one): True or "longest_first"
            takes from the longer text of a pair; "only_first", "only_second"; or False
        allow_special
            special tokens that a text may spell: True for all, or their names; False reads them
            as the text they are
        offsets, special_tokens_mask
            also offset_mapping (N, T, 2), the characters each token covers, (0, 0) for special ones
            and padding; and a mask that is 1 at special tokens and padding

        Halves of surrogate pairs, which no encoding has, are read as U+FFFD. Raises ``OptionError``
        for options out of range and ``TokenizerError`` for texts above ``max_chars``.
        """
        firsts, seconds = _split(texts, pair)
        how = _batch.as_padding(padding)
        cut = self._cut(truncation, max_length)
        if how == "max_length" and self._length(max_length) is None:
            raise OptionError("tokenizer: padding='max_length' needs max_length")
        multiple = _batch.as_length(pad_to_multiple_of, "pad_to_multiple_of", 1 << 16)
        pad = Pad(how, self._length(max_length), self.padding_side, multiple, self.pad_id)
        rows = self._rows(firsts, seconds, cut, add_special_tokens, allow_special)
        typed = self._settings.type_ids if token_type_ids is None else token_type_ids
        return self._encoding(rows, pad, typed, offsets, special_tokens_mask)

    def encode(
        self,
        text: str,
        pair: str | None = None,
        *,
        add_special_tokens: bool = True,
        allow_special: bool | Collection[str] = False,
        truncation: bool | str = False,
        max_length: int | None = None,
    ) -> list[int]:
        """The ids of one text, or pair of texts, as a list; whole unless told otherwise."""
        seconds = None if pair is None else [pair]
        cut = self._cut(truncation, max_length)
        return self._rows([text], seconds, cut, add_special_tokens, allow_special)[0].ids

    def tokenize(self, text: str, *, allow_special: bool | Collection[str] = False) -> list[str]:
        """The tokens of a text as strings, no special ones added."""
        row = self._rows([text], None, _WHOLE, False, allow_special)[0]
        return [str(self.id_to_token(number)) for number in row.ids]

    def _cut(self, truncation: bool | str, max_length: int | None) -> Cut:
        return Cut(_batch.as_strategy(truncation), self._length(max_length), self.truncation_side)

    def _length(self, max_length: int | None) -> int | None:
        return _batch.as_length(max_length, "max_length") or self.model_max_length

    def _rows(
        self,
        firsts: list[str],
        seconds: list[str] | None,
        cut: Cut,
        special: bool,
        allow: bool | Collection[str],
    ) -> list[Row]:
        pieces = self._template.pieces(seconds is not None, special)
        found = self._contents([*firsts, *(seconds or [])], allow)
        n = len(firsts)
        groups = zip(found[:n], found[n:]) if seconds is not None else zip(found)
        return [
            _batch.row_of(tuple(e for e, _ in group), [i for _, i in group], cut, pieces)
            for group in groups
        ]

    def _contents(
        self, texts: list[str], allow: bool | Collection[str]
    ) -> list[tuple[Any, list[int]]]:
        """The library's encoding of every text, and its ids with no special token but allowed ones."""
        allowed = self._allowed(allow)
        texts = [self._clean(text, i) for i, text in enumerate(texts)]
        core = self._core(allowed)
        with _library.guarded("tokenizer"):
            found = core.encode_batch(texts, add_special_tokens=False)
        forbidden = {i for t, i in self._special.items() if t not in allowed} - {self.unk_id}
        return [(encoding, self._plain(encoding.ids, forbidden)) for encoding in found]

    def _plain(self, ids: list[int], forbidden: set[int]) -> list[int]:
        """ids without special tokens that the model's own vocabulary found in a text."""
        if forbidden.isdisjoint(ids):
            return ids
        if self.unk_id is None:
            found = self.id_to_token((forbidden & set(ids)).pop())
            raise TokenizerError(
                f"tokenizer: a text holds {found!r}, which this vocabulary reads as a special token;"
                " pass allow_special if that is meant"
            )
        return [self.unk_id if number in forbidden else number for number in ids]

    def _clean(self, text: object, place: int) -> str:
        if not isinstance(text, str):
            raise DTypeError(
                f"tokenizer: text {place} is {type(text).__name__}, not str; bytes have to be decoded"
            )
        if len(text) > self._settings.max_chars:
            raise TokenizerError(
                f"tokenizer: text {place} has {len(text)} characters; at most "
                f"{self._settings.max_chars} are encoded (max_chars of the tokenizer)"
            )
        return text if text.isascii() else _HALF_PAIR.sub("\ufffd", text)

    def _allowed(self, allow: bool | Collection[str]) -> frozenset[str]:
        if isinstance(allow, bool):
            return frozenset(self._special) if allow else frozenset()
        names = frozenset((allow,) if isinstance(allow, str) else allow)
        unknown = sorted(names - self._special.keys())
        if unknown:
            raise OptionError(
                f"tokenizer: allow_special names {unknown}; special tokens are {sorted(self._special)}"
            )
        return names

    def _core(self, allowed: frozenset[str]) -> Any:
        """The library's tokenizer that takes these special tokens for what they are."""
        core = self._cores.get(allowed)
        if core is None:
            core = _library.build(self._spec, self._template.trim, allowed, self._settings.name)
            if len(self._cores) > _MAX_ALLOWED:
                self._cores = {frozenset(): self._cores[frozenset()]}
            self._cores[allowed] = core
        return core

    def _encoding(
        self, rows: list[Row], pad: Pad, typed: bool, offsets: bool, special_mask: bool
    ) -> Encoding:
        width = _batch.width_of(rows, pad)
        values = {"input_ids": _batch.column(rows, lambda r: r.ids, width, pad, self.pad_id or 0)}
        if typed:
            values["token_type_ids"] = _batch.column(rows, _batch.types_of, width, pad, 0)
        values["attention_mask"] = _batch.column(rows, lambda r: [1] * len(r.ids), width, pad, 0)
        if special_mask:
            mask = _batch.column(rows, _batch.specials_of, width, pad, 1)
            values["special_tokens_mask"] = mask
        if offsets:
            spans = _batch.column(rows, _batch.offsets_of, width, pad, 0, (2,))
            values["offset_mapping"] = spans
        left = pad.side == "left" and width is not None
        shifts = tuple((width or 0) - len(row.ids) if left else 0 for row in rows)
        return Encoding(values, tuple(rows), shifts, width or 0, self.id_to_token)


def _remade(spec: str, settings: Settings) -> Tokenizer:
    """A tokenizer in another process: its spec was checked in the first."""
    return Tokenizer(json.loads(spec), settings)


def _read(path: Path) -> bytes:
    """A file's bytes, unless it is larger than any tokenizer's."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise TokenizerError(f"{path}: {size} bytes; at most {MAX_BYTES} are read")
    return path.read_bytes()


def _split(texts: Any, pair: Any) -> tuple[list[str], list[str] | None]:
    """First and second texts as lists."""
    firsts = [texts] if isinstance(texts, str) else list(texts)
    if pair is not None:
        seconds = [pair] if isinstance(pair, str) else list(pair)
        if len(seconds) != len(firsts):
            raise OptionError(f"tokenizer: {len(firsts)} texts but {len(seconds)} second texts")
        return firsts, seconds
    double = [isinstance(t, tuple | list) and len(t) == 2 for t in firsts]
    if not firsts or not any(double):
        return firsts, None
    if not all(double):
        raise OptionError("tokenizer: texts and pairs of texts in one batch")
    return [t[0] for t in firsts], [t[1] for t in firsts]
