"""From a place to a card: ``card.json`` of ``hub.save``, or Hugging Face's ``config.json``.

A folder or repository with a ``card.json`` is read by it. Otherwise ``config.json`` is shown to the
zoos; the one that knows it gives the architecture, and the rest is the layout's own convention:

    weights      model.safetensors, else its .index.json and shards, else the same of
                 pytorch_model.bin (read as data, never unpickled)
    companions   tokenizer.json or vocab.txt, vocab.json and merges.txt; tokenizer_config.json,
                 special_tokens_map.json, generation_config.json, preprocessor_config.json,
                 1_Pooling/config.json, sentence_bert_config.json: those that are there
    labels       id2label of the configuration, unless it only numbers them
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.errors import CardError, NotFoundError

from . import cards, registry
from .cards import Card, File, Weights
from .fetching import fetch_with
from .registry import Zoo
from .repository import PENDING, Folder, Place, Repository
from .sources import local_path, redact
from .transport import Policy

CARD_FILE, CONFIG_FILE = "card.json", "config.json"
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_GENERATION = "generation_config.json"
_TOKENIZER = "tokenizer.json"  # says all that the files of the next line say
_VOCABULARY = ("vocab.txt", "vocab.json", "merges.txt", "added_tokens.json")
_COMPANIONS = (
    CONFIG_FILE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "preprocessor_config.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
)
_SMALL = 64 << 20


def find(name: str) -> tuple[Card, Zoo, Place | None]:
    """What the first argument of ``hub.load`` means: a card, its zoo, and where its files lie
    unless it is a registered name."""
    if not is_address(name):
        return (*registry.find(name), None)
    where = _place(name)
    return (*read(where), where)


def _place(name: str) -> Place:
    if name.startswith("hf://"):
        return Repository(name)
    if "://" in name and not name.startswith("file:"):
        raise NotFoundError(
            f"{redact(name)}: a model is loaded by its name, from a folder, or from "
            "hf://organisation/repository; for a checkpoint give it as weights="
        )
    return Folder(local_path(name) if name.startswith("file:") else name)


def is_address(text: str) -> bool:
    return ":" in text or "/" in text or os.sep in text or text.startswith((".", "~"))


def mark(name: str) -> object:
    """Something that changes when a folder is saved over; None for what is no folder."""
    if not is_address(name) or "://" in name:
        return None
    marks = []
    for part in (PENDING, ""):
        with contextlib.suppress(OSError, ValueError):
            status = os.stat(Path(os.path.expanduser(name), part, CARD_FILE))
            marks.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return marks


def read(where: Place) -> tuple[Card, Zoo]:
    """The card of a place and the zoo that builds it.

    ``NotFoundError`` if it holds neither kind of card, or no zoo knows it; ``CardError`` for one
    that breaks its schema.
    """
    own = where.find(CARD_FILE)
    if own is not None:
        return _own(where, get(own, f"{where.name}/{CARD_FILE}"))
    config = where.find(CONFIG_FILE)
    if config is None:
        raise NotFoundError(
            f"{where.name}: holds neither {CARD_FILE}, which hub.save writes, nor {CONFIG_FILE}; "
            'for a checkpoint alone, name its model: hub.load("resnet50", weights="./file.pth")'
        )
    told = _read_config(where, config, CONFIG_FILE)
    writing = where.find(_GENERATION)
    if writing is not None:
        told[_GENERATION.removesuffix(".json")] = _read_config(where, writing, _GENERATION)
    return _adopted(where, told)


def get(file: File, name: str, *, at_most: int | None = None) -> Path:
    """A file, fetched and verified."""
    expect = file.expect
    if at_most is not None and expect.size is None:
        expect = dataclasses.replace(expect, size=at_most)
    return fetch_with(Policy(), file.sources, expect, name)


# -- what hub.save wrote -------------------------------------------------------------------------
def _own(where: Place, path: Path) -> tuple[Card, Zoo]:
    found = cards.read_cards(path, root=where.root)
    if len(found) != 1:
        raise CardError(f"{where.name}/{CARD_FILE}: wanted one model, got {len(found)}")
    zoo = registry.find_architecture(found[0].architecture)
    return (_with_pending(found[0], where) if isinstance(where, Folder) else found[0]), zoo


def _with_pending(card: Card, where: Folder) -> Card:
    """The card, its files looked for first where a ``save`` may still keep them."""
    if not (where.path / PENDING).is_dir():
        return card
    base, pending = where.path.as_uri(), (where.path / PENDING).as_uri()

    def moved(file: File) -> Any:
        first = [source.replace(base, pending, 1) for source in file.sources]
        return dataclasses.replace(file, sources=[*first, *file.sources])

    rows = []
    for row in card.weights:
        tables = {
            name: {key: moved(file) for key, file in getattr(row, name).items()}
            for name in ("files", "shards")
        }
        rows.append(dataclasses.replace(moved(row), **tables))
    return dataclasses.replace(card, weights=rows)


# -- Hugging Face --------------------------------------------------------------------------------
def _read_config(where: Place, file: File, called: str) -> dict[str, Any]:
    name = f"{where.name}/{called}"
    path = get(file, name, at_most=_SMALL)
    config = cards.strict_json(path.read_bytes(), name)
    if not isinstance(config, dict):
        raise CardError(f"{name}: wanted an object, got {type(config).__name__}")
    return config


def _adopted(where: Place, config: dict[str, Any]) -> tuple[Card, Zoo]:
    card, zoo = registry.adopt(config, where.name)
    name = re.sub(r"[^a-z0-9_.-]+", "-", _last(where).lower()).lstrip("_.-") or card.name
    weights = _weights(where, labels(config))
    rows = [weights] if weights else []
    return dataclasses.replace(card, name=name, weights=rows, docs=where.name), zoo


def _last(where: Place) -> str:
    if isinstance(where, Repository):
        return where.repository.rpartition("/")[2]
    return Path(where.root).name


def _weights(where: Place, names: list[str]) -> Weights | None:
    found = ((name, where.find(name)) for name in _WEIGHTS)
    name, file = next(((name, file) for name, file in found if file is not None), ("", None))
    if file is None:
        return None
    facts = {entry.name: getattr(file, entry.name) for entry in dataclasses.fields(File)}
    return Weights(
        **facts,
        name="published",
        default=True,
        licence="unknown",
        labels=names or "",
        files=companions(where),
        shards=shards(where, file) if name.endswith(".index.json") else {},
        note=f"from {where.name}",
    )


def companions(where: Place) -> dict[str, File]:
    """The files beside the weights that a zoo's ``preprocess`` may want, by their names."""
    tokenizer = where.find(_TOKENIZER)
    names = _COMPANIONS if tokenizer else (*_VOCABULARY, *_COMPANIONS)
    found = {_TOKENIZER: tokenizer} | {name: where.find(name) for name in names}
    return {name: file for name, file in found.items() if file is not None}


def shards(where: Place, index: File) -> dict[str, File]:
    """The files that an index names, every name checked before the first is asked for."""
    from sensorium.io import load_index

    names = load_index(get(index, f"{where.name} (index)", at_most=_SMALL)).shards
    found = {name: where.find(name) for name in names}
    if missing := [name for name, file in found.items() if file is None]:
        raise NotFoundError(
            f"{where.name}: {len(missing)} of {len(names)} shards are missing: "
            f"{', '.join(missing[:20])}"
        )
    return {name: file for name, file in found.items() if file is not None}


def labels(config: Mapping[str, Any]) -> list[str]:
    """``id2label`` as a list; empty if it is not there, has holes or only numbers the classes.

    >>> labels({"id2label": {"0": "cat", "1": "dog"}}), labels({"id2label": {"0": "LABEL_0"}})
    (['cat', 'dog'], [])
    """
    table = config.get("id2label")
    if not isinstance(table, dict) or not all(isinstance(name, str) for name in table.values()):
        return []
    if table.keys() != {str(n) for n in range(len(table))}:
        return []
    names = [table[str(n)] for n in range(len(table))]
    return [] if names == [f"LABEL_{n}" for n in range(len(names))] else names
