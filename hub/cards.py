"""Cards: what is known about a model and its weights, as data with a checked schema.

A cards file is JSON, one per family::

    {"schema": 1, "family": "resnet", "docs": "https://...",
     "defaults": {...},            fields that every model below shares
     "weights_defaults": {...},    fields that every set of weights below shares
     "models": [
      {"name": "resnet18", "architecture": "resnet", "config": {...}, "num_params": 11689512,
       "weights": [
        {"name": "imagenet1k_v1", "default": true, "sources": ["https://..."],
         "hash_prefix": "f37072fd", "metrics": {"acc@1": 69.758}}]}]}

A row wins over its defaults; ``config``, ``preprocessing`` and ``metrics`` are merged key by key.
A set of weights may have a ``config`` of its own, which wins over that of its model.
The fields and which are required are those of ``Card`` and ``Weights``. No hash, no entry: each
file has ``sha256``, ``hash_prefix`` or ``git_sha1``, and where the file name publishes a prefix
(``name-<digits>.pth``) the two must agree. Exactly one set of a model's weights is the default.

``files`` are companions of the weights (a tokenizer, a vocabulary), fetched and verified like them
and handed to the zoo's ``preprocess``; ``shards`` are the files that a sharded checkpoint's index
names, which is then what ``sources`` and the hash of the weights mean::

    "files": {"tokenizer.json": {"sources": ["https://..."], "sha256": "...", "bytes": 466247}}

Besides the schemes of ``sources``, ``local:path`` is relative to the folder (or ``hf://``
repository) that the cards belong to, and may not leave it.

Unknown, missing or mistyped fields are ``CardError``, naming the file, the field and both values.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from sensorium.errors import CardError, SensoriumError

from . import sources
from .expect import Expect, published_prefix

SCHEMA = 1
_LIMIT = 8 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_FILE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)?[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file: where it is and what it must hash to."""

    sources: list[str]  # in order of preference
    sha256: str | None = None
    hash_prefix: str | None = None
    git_sha1: str | None = None  # git's hash of the content, where no sha256 is published
    bytes: int | None = None  # the most bytes the file may have

    @property
    def expect(self) -> Expect:
        """What ``fetch`` checks."""
        return Expect(self.sha256, self.hash_prefix, self.bytes, self.git_sha1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights(File):
    """One published set of weights: its file, and what is true of it."""

    name: str  # "imagenet1k_v1"
    licence: str  # SPDX where there is one
    default: bool = False
    metrics: dict[str, float] = field(default_factory=dict)  # as published, not measured here
    preprocessing: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)  # over the card's: another image size, ...
    labels: str | list[str] = ""  # class names, or the name of a list of them; empty for none
    files: dict[str, File] = field(default_factory=dict)  # companions by their names
    shards: dict[str, File] = field(default_factory=dict)  # by the names in the index
    recipe: str = ""  # how it was trained, or where that is told
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One model: what to build, and which weights exist for it."""

    name: str
    task: str  # "image-classification"
    architecture: str  # a name that the zoo's ``build`` knows
    weights: list[Weights]
    config: dict[str, Any] = field(default_factory=dict)
    num_params: int | None = None
    gmacs: float | None = None  # 1e9 multiply-adds of one input
    # Prefixes of the keys that ``num_classes=`` makes anew: "fc", or "classifier pooler?", where a
    # question mark means only if the weights lack it.
    classifier: str = ""
    description: str = ""
    docs: str = ""
    paper: str = ""
    family: str = ""

    def default(self) -> Weights | None:
        """The default weights; None for a model without any."""
        return next((weights for weights in self.weights if weights.default), None)


# -- the checker ---------------------------------------------------------------------------------
_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "text"),
    "str | list[str]": (
        lambda value: (
            isinstance(value, str)
            or (isinstance(value, list) and all(isinstance(item, str) for item in value))
        ),
        "text or a list of text",
    ),
    "dict[str, File]": (lambda value: isinstance(value, dict), "an object"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "int": (lambda value: type(value) is int and value > 0, "a positive whole number"),
    "float": (lambda value: type(value) in {int, float}, "a number"),
    "list[str]": (
        lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
        "a list of text",
    ),
    "dict[str, float]": (
        lambda value: (
            isinstance(value, dict) and all(type(item) in {int, float} for item in value.values())
        ),
        "an object of numbers",
    ),
    "dict[str, Any]": (lambda value: isinstance(value, dict), "an object"),
    "list[Weights]": (lambda value: isinstance(value, list), "a list"),
}


def read_cards(path: str | os.PathLike[str], *, root: str | None = None) -> list[Card]:
    """The cards of a file. ``root`` is what ``local:`` sources are relative to: a folder, or an
    ``hf://org/repo`` address; by default the file's own folder."""
    name = os.fsdecode(path)
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise CardError(f"{name}: cannot be read: {error.strerror}") from None
    if len(data) > _LIMIT:
        raise CardError(f"{name}: more than the {_LIMIT} bytes that a cards file may have")
    return parse_cards(data, name=name, root=root or os.path.dirname(os.path.abspath(name)))


def parse_cards(data: bytes, *, name: str, root: str) -> list[Card]:
    """The cards in the bytes of a file called ``name``; see ``read_cards``.

    >>> parse_cards(b'{"schema": 1, "family": "x", "models": []}', name="x.json", root=".")
    []
    """
    table = _table(strict_json(data, name), name)
    known = {"schema", "family", "docs", "defaults", "weights_defaults", "models"}
    for unknown in sorted(table.keys() - known):
        raise CardError(f"{name}: unknown field {unknown!r}; the fields are {sorted(known)}")
    if table.get("schema") != SCHEMA:
        raise CardError(f"{name}: schema is {table.get('schema')!r}, this version reads {SCHEMA}")
    models = table.get("models")
    if not isinstance(models, list):
        raise CardError(f"{name}: models is {_show(models)}, wanted a list")
    shared = {"family": table.get("family", ""), "docs": table.get("docs", "")}
    shared |= _table(table.get("defaults", {}), f"{name}: defaults")
    of_weights = _table(table.get("weights_defaults", {}), f"{name}: weights_defaults")
    cards = [
        _card(_table(row, f"{name}: models[{n}]"), shared, of_weights, f"{name}: models[{n}]", root)
        for n, row in enumerate(models)
    ]
    _distinct((card.name for card in cards), f"{name}: model")
    return cards


def dump(card: Card) -> bytes:
    """A cards file with this one model, every field in place; ``parse_cards`` reads it back."""
    model = asdict(card)
    family, rows = model.pop("family"), model.pop("weights")
    for row in rows:
        for table in ("files", "shards"):
            row[table] = {name: _given(file) for name, file in row[table].items()}
    models = [_given(model) | {"weights": [_given(row) for row in rows]}]
    return (json.dumps({"schema": SCHEMA, "family": family, "models": models}, indent=1)).encode()


def _given(row: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that are not set."""
    return {name: value for name, value in row.items() if value not in (None, "", {})}


def _card(
    row: dict[str, Any], shared: dict[str, Any], of_weights: dict[str, Any], where: str, root: str
) -> Card:
    row = _check(Card, _merge(shared, row), where)
    rows = [
        _weights(_table(item, f"{where}.weights[{n}]"), of_weights, f"{where}.weights[{n}]", root)
        for n, item in enumerate(row["weights"])
    ]
    _distinct((weights.name for weights in rows), f"{where}: weights")
    defaults = [weights.name for weights in rows if weights.default]
    if rows and len(defaults) != 1:
        raise CardError(f"{where}: one set of weights is the default, not {defaults}")
    return Card(**{**row, "weights": rows})


def _weights(row: dict[str, Any], shared: dict[str, Any], where: str, root: str) -> Weights:
    row = _check(Weights, _merge(shared, row), where)
    row["sources"] = _sources(row["sources"], where, root)
    for table in row.keys() & {"files", "shards"}:
        row[table] = {
            file_name(name, f"{where}.{table}"): _file(item, f"{where}.{table}[{name!r}]", root)
            for name, item in row[table].items()
        }
    weights = Weights(**row)
    _check_hash(weights, where)
    return weights


def _file(row: object, where: str, root: str) -> File:
    checked = _check(File, _table(row, where), where)
    file = File(**{**checked, "sources": _sources(checked["sources"], where, root)})
    _check_hash(file, where)
    return file


def _check_hash(file: File, where: str) -> None:
    try:
        expect = file.expect
    except SensoriumError as error:
        raise CardError(f"{where}: {error}") from None
    if not expect.known:
        raise CardError(f"{where}: neither sha256 nor hash_prefix; no hash, no entry")
    for source in file.sources:
        published = published_prefix(sources.file_name(source)) or expect.digits
        if not (expect.digits.startswith(published) or published.startswith(expect.digits)):
            raise CardError(f"{where}: the hash is {expect.digits}, the file name says {published}")


def file_name(name: str, where: str) -> str:
    """The name of a file beside weights, in at most one sub-folder; it never leaves its folder.

    >>> file_name("1_Pooling/config.json", "files")
    '1_Pooling/config.json'
    """
    if not _FILE.fullmatch(name) or len(name) > 200:
        raise CardError(f"{where}: {name[:200]!r} is no name of a file beside the weights")
    return name


def _sources(given: list[str], where: str, root: str) -> list[str]:
    if not given:
        raise CardError(f"{where}.sources: wanted at least one source, got []")
    return [_source(text, f"{where}.sources", root) for text in given]


def _source(text: str, where: str, root: str) -> str:
    """A source, ``local:`` ones made absolute."""
    if not text.startswith("local:"):
        try:
            sources.check(text)
        except SensoriumError as error:
            raise CardError(f"{where}: {error}") from None
        return text
    inside = PurePosixPath(text.removeprefix("local:"))
    if inside.is_absolute() or ".." in inside.parts or "\\" in text or not inside.parts:
        raise CardError(f"{where}: {text!r} leaves the folder of its cards")
    return f"{root}/{inside}" if root.startswith("hf://") else Path(root, inside).as_uri()


def _check(kind: type, row: dict[str, Any], where: str) -> dict[str, Any]:
    """``row`` if its fields are exactly those of the dataclass ``kind``, in name and type."""
    known = {entry.name: entry for entry in fields(kind)}
    for unknown in sorted(row.keys() - known.keys()):
        raise CardError(f"{where}: unknown field {unknown!r}; the fields are {sorted(known)}")
    for name, entry in known.items():
        if name not in row:
            if entry.default is MISSING and entry.default_factory is MISSING:
                raise CardError(f"{where}: field {name!r} is missing")
            continue
        accepts, wanted = _TYPES[str(entry.type).removesuffix(" | None")]
        if not accepts(row[name]):
            raise CardError(f"{where}.{name}: wanted {wanted}, got {_show(row[name])}")
    if "name" in row:
        model_name(row["name"], where)
    return dict(row)


def model_name(name: str, where: str) -> str:
    """The name if a card or a set of weights may have it."""
    if not _NAME.fullmatch(name):
        raise CardError(f"{where}.name: lower-case letters, digits, '_', '-', '.', not {name!r}")
    return name


def _merge(shared: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The row over its defaults; objects are merged one level deep."""
    merged = shared | row
    for name in shared.keys() & row.keys():
        if isinstance(shared[name], dict) and isinstance(row[name], dict):
            merged[name] = shared[name] | row[name]
    return merged


def _distinct(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise CardError(f"{what} {name!r} stands there twice")
        seen.add(name)


# -- JSON, strictly ------------------------------------------------------------------------------
def strict_json(data: bytes, name: str) -> object:
    """One JSON value without duplicate keys or NaN; ``CardError`` names the file."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _distinct((key for key, _ in pairs), f"{name}: field")
        return dict(pairs)

    def refuse(word: str) -> None:
        raise CardError(f"{name}: {word} is no JSON number")

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except CardError:
        raise
    except (ValueError, RecursionError) as error:
        raise CardError(f"{name}: is not JSON: {str(error)[:200]}") from None


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CardError(f"{where}: wanted an object, got {_show(value)}")
    return value


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."
