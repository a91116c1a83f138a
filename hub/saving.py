"""``save``: a model as a folder that ``load`` reads back, and transformers too.

    model.safetensors    the state (or shards with their index)
    config.json, ...     what the zoo writes beside it, in Hugging Face's form where there is one
    card.json            architecture, preprocessing, labels, and the sha256 of every file

Saving over an older model is one step for whoever loads it with ``hub.load``. All files are written and
synced in a folder of their own, ``.saving-*``; renaming that to ``.saved`` is the step. From then on
``load`` takes files from there first, and they are moved to their places, ``card.json`` last; after a
crash the next ``save`` moves the rest. A reader that meets files of two versions finds out by
their hashes and reads again. Other programs see files change one by one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from sensorium.errors import CacheError, CardError, HubError, OptionError

from . import cards, registry, sink
from .cards import Card, File, Weights
from .layouts import CARD_FILE
from .repository import PENDING
from .store import file_digest

_STAGE = re.compile(r"\.saving-([0-9a-f]+)-(\d+)-[0-9a-f]+")
_INDEX = "model.safetensors.index.json"


def save(
    model: Any,
    folder: str | os.PathLike[str],
    *,
    name: str | None = None,
    labels: str | Sequence[str] | None = None,
    architecture: str | None = None,
    config: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    task: str | None = None,
    classifier: str | None = None,
    licence: str | None = None,
    max_shard_bytes: int | None = None,
) -> Path:
    """Write a model so that ``load("./folder")`` brings it back, preprocessing and labels included.

    A model of ``hub.load`` brings these facts along; each can be given anew. For any other model
    ``architecture`` (which a zoo must know) and ``task`` are needed.

    name
        what the card calls it (default: its name, or the folder's)
    labels
        class names in the order of the outputs, or the name of a list of them
    config
        the options that ``architecture`` is built with
    preprocessing
        what the zoo makes the model's ``preprocess`` from
    classifier
        prefix of the last layer's keys, which ``load(..., num_classes=)`` replaces
    max_shard_bytes
        write shards of at most so many bytes and an index

    Published metrics are dropped: they would not be true of other weights. Saving over an older
    model is safe at any moment (see the module). Returns the folder. ``CardError`` for a model
    without a card, ``OptionError`` for facts that contradict each other.
    """
    target = Path(os.path.abspath(os.path.expanduser(folder)))
    facts: dict[str, Any] = {"architecture": architecture, "task": task, "classifier": classifier}
    facts["config"] = None if config is None else dict(config)
    card = _card(model, {key: value for key, value in facts.items() if value is not None})
    card = dataclasses.replace(card, name=_name(name, card, target, own=not card.name))
    zoo = registry.find_architecture(card.architecture)
    weights = _facts(card, labels, preprocessing, licence)
    names = weights["labels"] if isinstance(weights.get("labels"), list) else []
    companions = _checked(_carried(model) | dict(zoo.companions(model, names)))
    with _staged(target) as stage:
        files = _write(stage, zoo.checkpoint(model), companions, max_shard_bytes)
        data = cards.dump(_finished(card, weights, files, companions, model))
        _put(stage / CARD_FILE, data)
    return target


# -- the card ------------------------------------------------------------------------------------
def _card(model: Any, facts: dict[str, Any]) -> Card:
    own = getattr(model, "card", None)
    if isinstance(own, Card):
        changed = "architecture" in facts and facts["architecture"] != own.architecture
        base = dataclasses.replace(own, num_params=None, gmacs=None, config={}) if changed else own
        return dataclasses.replace(base, **facts)
    if missing := [key for key in ("architecture", "task") if key not in facts]:
        raise CardError(
            f"save: {type(model).__name__} has no card, which models of hub.load do; give "
            f"{' and '.join(f'{key}=' for key in missing)}"
        )
    return Card(name="", weights=[], **facts)


def _name(name: str | None, card: Card, target: Path, *, own: bool) -> str:
    if name is None and own:
        name = re.sub(r"[^a-z0-9_.-]+", "-", target.name.lower()).lstrip("_.-") or "model"
    return cards.model_name(name or card.name, "save")


def _facts(
    card: Card,
    labels: str | Sequence[str] | None,
    preprocessing: Mapping[str, Any] | None,
    licence: str | None,
) -> dict[str, Any]:
    """What belongs to the weights: that of the weights it was loaded with, over-written."""
    base = card.default()
    facts: dict[str, Any] = {"licence": "unknown", "note": f"saved from {card.name}"}
    if base is not None:
        facts |= {"licence": base.licence, "preprocessing": base.preprocessing}
        facts |= {"labels": base.labels}
    if labels is not None:
        facts["labels"] = labels if isinstance(labels, str) else [str(item) for item in labels]
    if preprocessing is not None:
        facts["preprocessing"] = dict(preprocessing)
    if licence is not None:
        facts["licence"] = licence
    _check_count(facts.get("labels", ""), card)
    return facts


def _check_count(labels: str | list[str], card: Card) -> None:
    classes = card.config.get("num_classes")
    if isinstance(labels, list) and classes is not None and len(labels) != classes:
        raise OptionError(f"save: {len(labels)} labels for a model of {classes} classes")


def _finished(
    card: Card,
    weights: dict[str, Any],
    files: list[File],
    companions: Mapping[str, bytes],
    model: Any,
) -> Card:
    """The card of what was written; ``files`` begins with what is loaded first."""
    first, *rest = files
    given = {entry.name: getattr(first, entry.name) for entry in dataclasses.fields(File)}
    named = {_local(file): file for file in rest}
    row = Weights(
        **given,
        **weights,
        name="own",
        default=True,
        files={name: file for name, file in named.items() if name in companions},
        shards={name: file for name, file in named.items() if name not in companions},
    )
    count = sum(int(parameter.numel()) for parameter in getattr(model, "parameters", list)())
    return dataclasses.replace(card, weights=[row], num_params=count or card.num_params)


def _local(file: File) -> str:
    return file.sources[0].removeprefix("local:")


def _carried(model: Any) -> dict[str, bytes]:
    """The companions that the model was loaded with; the zoo's own replace those of their name."""
    carried = {}
    for name, path in getattr(model, "files", {}).items():
        try:
            carried[name] = Path(path).read_bytes()
        except OSError as error:  # no reason to lose a trained model
            warnings.warn(f"save: {name} is left out: {error}", stacklevel=3)
    return carried


def _checked(companions: Mapping[str, bytes]) -> Mapping[str, bytes]:
    for name, data in companions.items():
        cards.file_name(name, "save: companions")
        if name == CARD_FILE or name.endswith(".safetensors") or not isinstance(data, bytes):
            raise CardError(f"save: {name!r} ({type(data).__name__}) may not stand beside weights")
    return companions


# -- the files -----------------------------------------------------------------------------------
def _write(
    stage: Path,
    state: Mapping[str, Any],
    companions: Mapping[str, bytes],
    max_shard_bytes: int | None,
) -> list[File]:
    """Everything but the card. ``format: pt`` is what transformers asks of the metadata."""
    from sensorium.io import save_safetensors, save_sharded

    arrays = {key: value.detach().cpu().numpy() for key, value in state.items()}
    metadata = {"format": "pt"}
    if max_shard_bytes is None:
        save_safetensors(stage / "model.safetensors", arrays, metadata)
        names = ["model.safetensors"]
    else:
        names = save_sharded(stage, arrays, max_shard_bytes=max_shard_bytes, metadata=metadata)
    for name, data in companions.items():
        (stage / name).parent.mkdir(exist_ok=True)
        _put(stage / name, data)
    return [_file(stage, name) for name in (*names, *companions)]


def _file(stage: Path, name: str) -> File:
    path = stage / name
    size = path.stat().st_size
    if not size:
        raise CardError(f"save: {name!r} would be an empty file")
    return File(sources=[f"local:{name}"], sha256=file_digest(path), bytes=size)


def _put(path: Path, data: bytes) -> None:
    from sensorium.io import atomic_write

    def write(file: BinaryIO) -> None:
        file.write(data)

    atomic_write(path, write)


# -- the one step --------------------------------------------------------------------------------
@contextlib.contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A folder to write into; on leaving without an error it becomes the model at ``target``."""
    stage = target / f".saving-{sink.place()}-{os.getpid()}-{os.urandom(8).hex()}"
    with _telling(target):
        target.mkdir(parents=True, exist_ok=True)
        finish(target)  # what a save before this one left
        _sweep(target)
        stage.mkdir()
    try:
        with _telling(target):
            yield stage
            for folder in (stage, *(path for path in stage.iterdir() if path.is_dir())):
                sink.sync_folder(folder)
            _switch(stage, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    with _telling(target, "it is saved, and the next save puts the files in their places"):
        finish(target)


def _switch(stage: Path, target: Path) -> None:
    """The step: from here on the new files are the model."""
    for _ in range(100):
        try:
            os.rename(stage, target / PENDING)
            return sink.sync_folder(target)
        except OSError:
            if not (target / PENDING).is_dir():
                raise
            finish(target)  # of another process that saves here
    raise CacheError(f"{target}: other processes keep saving into this folder")


def finish(target: Path) -> None:
    """Move what a save has left in ``.saved`` to its places, the card last."""
    pending = target / PENDING
    if not pending.is_dir():
        return
    names = [path.relative_to(pending) for path in sorted(pending.rglob("*")) if path.is_file()]
    names.sort(key=lambda name: name == Path(CARD_FILE))
    for name in names:
        if name == Path(CARD_FILE):
            _drop_old(target, pending)
        (target / name).parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another process was quicker
            os.replace(pending / name, target / name)
    for folder in {(target / name).parent for name in names} | {target}:
        sink.sync_folder(folder)
    with contextlib.suppress(OSError):  # not empty: another save has begun
        for folder in [path for path in pending.iterdir() if path.is_dir()]:
            folder.rmdir()
        pending.rmdir()


def _drop_old(target: Path, pending: Path) -> None:
    """Remove files that only the card about to be replaced names, such as its shards."""
    with contextlib.suppress(CardError, FileNotFoundError):
        kept = _named(pending / CARD_FILE)
        for name in _named(target / CARD_FILE) - kept:
            (target / name).unlink(missing_ok=True)


def _named(path: Path) -> set[str]:
    """The files that a card of ``save`` names, card excepted."""
    root = path.parent.as_uri()
    found = {
        source.removeprefix(f"{root}/")
        for card in cards.read_cards(path)
        for row in card.weights
        for file in (row, *row.files.values(), *row.shards.values())
        for source in file.sources
        if source.startswith(f"{root}/")
    }
    return {name for name in found if "%" not in name and cards.file_name(name, "card")}


def _sweep(target: Path) -> None:
    """Remove what processes that died in the middle of a save have left."""
    for path in target.glob(".saving-*"):
        match = _STAGE.fullmatch(path.name)
        if match and sink.is_dead(match[1], int(match[2])):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _telling(target: Path, then: str = "") -> Iterator[None]:
    """Faults of the disk as one line that names the folder and says what holds now."""
    try:
        yield
    except HubError:
        raise
    except OSError as error:
        what = f"save: {target}: {error.strerror or error}"
        raise CacheError(f"{what}; {then or 'the model that was there is as it was'}") from None
