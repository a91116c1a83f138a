"""Where special tokens go: the post-processor of a tokenizer.json as data.

BertProcessing, RobertaProcessing, TemplateProcessing and ByteLevel, alone or in a Sequence, come
down to two things: whether offsets leave out the white space that byte-level tokens begin with
(``trim``), and a template of special tokens around one text and around two. Carried out here, so that
truncation is a slice and padding a fill, and neither the state nor the panics of the library's own
can be met. One difference: the library trims after it has cut, and takes a text cut at its left for one
that begins there; here offsets are those of the whole text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sensorium.errors import TokenizerError

from ._spec import MAX_ID, components

_MAX_PIECES = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of special ids, or the place of text 0 or 1, with the type id it gets."""

    ids: tuple[int, ...]
    text: int | None
    type_id: int


@dataclass(frozen=True, slots=True)
class Template:
    """The pieces around one text and around two, and how offsets are trimmed."""

    single: tuple[Piece, ...]
    pair: tuple[Piece, ...]
    trim: dict[str, Any] | None

    def pieces(self, pair: bool, special: bool) -> tuple[Piece, ...]:
        """The template for this number of texts; without the special tokens if they are unwanted."""
        pieces = self.pair if pair else self.single
        return pieces if special else tuple(p for p in pieces if p.text is not None)

    def count(self, pair: bool) -> int:
        """Special tokens added to one text or to a pair."""
        return sum(len(piece.ids) for piece in (self.pair if pair else self.single))

    @property
    def typed(self) -> bool:
        """Whether the type ids of a pair tell its texts apart by design of the file."""
        return any(piece.type_id and piece.ids for piece in self.pair)


Both = tuple[tuple[Piece, ...], tuple[Piece, ...]]
_BARE: Both = (Piece((), 0, 0),), (Piece((), 0, 0), Piece((), 1, 1))


def read_template(post_processor: object, known_ids: frozenset[int], name: str) -> Template:
    """The template of a post-processor; every id must be in the vocabulary."""
    where = f"{name}: post_processor"
    trim: dict[str, Any] | None = None
    single, pair = _BARE
    for place, part in components(post_processor, "post_processor", where):
        if part["type"] in ("ByteLevel", "RobertaProcessing"):
            trim = _trim(part)
        if part["type"] != "ByteLevel":
            if (single, pair) != _BARE:
                raise TokenizerError(f"{place}: a second template of special tokens")
            single, pair = _READERS[part["type"]](part, place)
    for piece in (*single, *pair):
        unknown = [i for i in piece.ids if i not in known_ids]
        if unknown:
            raise TokenizerError(f"{where}: id {unknown[0]} is not in the vocabulary")
    return Template(single, pair, trim)


def _trim(part: dict[str, Any]) -> dict[str, Any] | None:
    """A ByteLevel post-processor that only trims, or None where nothing is trimmed."""
    if not part.get("trim_offsets", True):
        return None
    prefix = part.get("add_prefix_space", True)
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True}


def _bert(part: dict[str, Any], where: str) -> Both:
    """[CLS] A [SEP] and [CLS] A [SEP] B [SEP], the second text and what ends it of type 1."""
    cls, sep = _one(part, "cls", where), _one(part, "sep", where)
    single = (Piece((cls,), None, 0), Piece((), 0, 0), Piece((sep,), None, 0))
    return single, (*single, Piece((), 1, 1), Piece((sep,), None, 1))


def _roberta(part: dict[str, Any], where: str) -> Both:
    """<s> A </s> and <s> A </s></s> B </s>, all of type 0."""
    cls, sep = _one(part, "cls", where), _one(part, "sep", where)
    single = (Piece((cls,), None, 0), Piece((), 0, 0), Piece((sep,), None, 0))
    return single, (*single, Piece((sep,), None, 0), Piece((), 1, 0), Piece((sep,), None, 0))


def _one(part: dict[str, Any], field: str, where: str) -> int:
    """The id of a ["[CLS]", 101] pair."""
    value = part.get(field)
    if not isinstance(value, list) or len(value) != 2 or not _is_id(value[1]):
        raise TokenizerError(f"{where}.{field}: want [token, id], got {value!r:.60}")
    return value[1]


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID


def _template(part: dict[str, Any], where: str) -> Both:
    tokens = part.get("special_tokens")
    tokens = tokens if isinstance(tokens, dict) else {}
    single = _pieces(part.get("single"), tokens, f"{where}.single")
    pair = _pieces(part.get("pair"), tokens, f"{where}.pair")
    for pieces, want, field in ((single, [0], "single"), (pair, [0, 1], "pair")):
        texts = sorted(piece.text for piece in pieces if piece.text is not None)
        if texts != want:
            names = [("A", "B")[i] for i in texts]
            raise TokenizerError(f"{where}.{field}: want each text once, got {names}")
    return single, pair


def _pieces(value: object, tokens: dict[str, Any], where: str) -> tuple[Piece, ...]:
    if not isinstance(value, list) or len(value) > _MAX_PIECES:
        raise TokenizerError(f"{where}: want a list of at most {_MAX_PIECES} pieces")
    return tuple(_piece(entry, tokens, f"{where}[{i}]") for i, entry in enumerate(value))


def _piece(entry: object, tokens: dict[str, Any], where: str) -> Piece:
    """{"Sequence": {"id": "A", "type_id": 0}} or {"SpecialToken": {"id": "[CLS]", "type_id": 0}}."""
    kind, body = next(iter(entry.items())) if isinstance(entry, dict) and entry else ("", None)
    body = body if isinstance(body, dict) else {}
    name, type_id = body.get("id"), body.get("type_id", 0)
    if not isinstance(name, str) or not _is_id(type_id):
        raise TokenizerError(f"{where}: want a Sequence or SpecialToken, got {entry!r:.60}")
    if kind == "Sequence" and name in ("A", "B"):
        return Piece((), "AB".index(name), type_id)
    found = tokens.get(name)
    ids = found.get("ids") if isinstance(found, dict) else None
    if kind != "SpecialToken" or not isinstance(ids, list) or not 1 <= len(ids) <= _MAX_PIECES:
        raise TokenizerError(f"{where}: special token {name[:60]!a} is not in special_tokens")
    if not all(map(_is_id, ids)):
        raise TokenizerError(f"{where}: ids of {name[:60]!a} must lie in 0 to {MAX_ID}")
    return Piece(tuple(ids), None, type_id)


_READERS = {
    "BertProcessing": _bert,
    "RobertaProcessing": _roberta,
    "TemplateProcessing": _template,
}
