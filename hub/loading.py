"""From a name to a model ready to use: card, verified file, state, model.

``load`` is a ladder of the other files: ``registry`` finds the card, ``fetching`` the file,
``sensorium.io`` reads it, the zoo converts and builds, the model checks every key and shape.
A local folder or an ``hf://org/repo`` that ``save`` wrote (``card.json`` and
``model.safetensors``) is loaded the same way, without being registered. Other repositories of
that hub have configurations of their own and are not read here.
"""

from __future__ import annotations

import builtins
import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from sensorium.errors import CardError, NotFoundError, OptionError, StateDictError

from . import cards, registry, sources
from .cards import Card, Weights
from .expect import published_prefix
from .fetching import fetch
from .registry import Zoo

CARD_FILE, WEIGHTS_FILE = "card.json", "model.safetensors"


def load(
    name: str,
    *,
    weights: str | None = "default",
    device: Any = None,
    strict: bool = True,
    num_classes: int | None = None,
) -> Any:
    """A model with its weights, in eval mode, with ``.preprocess`` and ``.card``.

    name
        a model's name, a folder that ``save`` wrote (``./folder``), or ``hf://org/repo``
    weights
        the name of a published set, ``"default"``, None for fresh ones; or a checkpoint of your
        own: a path (``./x.pth``), or a source whose file name ends in the first digits of its
        sha256 (``https://host/resnet50-11ad3fa6.pth``)
    device
        as in ``Tensor.to``
    strict
        False: load what fits by name, ignore missing and unexpected keys
    num_classes
        another number of classes: the last layer is fresh, everything before it is loaded

    ``NotFoundError`` (closest names suggested), the errors of ``fetch``, ``FormatError`` for a
    file that is no checkpoint, ``StateDictError`` listing every key that does not fit.
    """
    card, zoo, chosen = _resolve(name, weights)
    config = dict(card.config)
    if num_classes is not None:
        config["num_classes"] = _positive(num_classes)
    # The file first: a missing one is told before time is spent on building.
    path = fetch(chosen.sources, **_hashes(chosen), name=_label(card, chosen)) if chosen else None
    whole = path is not None and strict and num_classes is None
    model = _build(zoo, card, config, every_weight_follows=whole)
    if path is not None:
        _fill(model, zoo.convert(card, _read(path)), card, strict, num_classes is not None)
    model.eval()
    return _dress(model if device is None else model.to(device), card, zoo, chosen, config)


def _build(zoo: Zoo, card: Card, config: dict[str, Any], *, every_weight_follows: bool) -> Any:
    """The zoo's model, without drawing random weights that a checkpoint overwrites."""
    if not every_weight_follows:
        return zoo.build(card, config)
    from sensorium.nn.init import skip_random

    with skip_random():
        return zoo.build(card, config)


def pipeline(name: str, *, weights: str = "default", device: Any = None) -> Callable[..., Any]:
    """``load``, then the zoo's pipeline for the task: a path or image in, labelled results out."""
    card, zoo, chosen = _resolve(name, weights)
    if chosen is None:
        raise NotFoundError(f"{card.name}: a pipeline needs weights, got weights=None")
    return zoo.pipeline(card, chosen, load(name, weights=weights, device=device))


def list(pattern: str = "*", *, task: str | None = None) -> builtins.list[str]:
    """Names of the models that match a shell pattern and a task, in natural order."""
    return [card.name for card in registry.cards(pattern, task=task)]


def card(name: str) -> Card:
    """The card of a model: what it is, its published weights and their facts."""
    return _resolve(name, None)[0]


def help(name: str) -> str:
    """A model's card as text to read: what it is, and a line for each set of weights."""
    found = card(name)
    size = f"{found.num_params:,} parameters" if found.num_params else ""
    macs = f"{found.gmacs:g} GMACs" if found.gmacs else ""
    facts = ", ".join(part for part in (found.task, size, macs) if part)
    lines = [f"{found.name}: {facts}", *filter(None, (found.description, found.docs, found.paper))]
    for entry in found.weights:
        lines += ["", *_describe(entry)]
    return "\n".join(lines)


def _describe(entry: Weights) -> builtins.list[str]:
    metrics = ", ".join(f"{name} {value:g}" for name, value in entry.metrics.items())
    lines = [f"  {entry.name}{' (default)' if entry.default else ''}  {metrics}".rstrip()]
    lines += [f"    from     {sources.redact(source)}" for source in entry.sources]
    lines += [f"    sha256   {entry.expect.digits}{'' if entry.sha256 else '...'}"]
    rows = {"licence": entry.licence, "labels": entry.labels, "recipe": entry.recipe}
    rows["note"] = entry.note
    return lines + [f"    {label:8} {value}" for label, value in rows.items() if value]


def save(model: Any, folder: str | os.PathLike[str], *, name: str | None = None) -> Path:
    """Write a model that ``load`` made, so that ``load("./folder")`` brings it back.

    ``model.safetensors`` first, then ``card.json`` with its sha256, so a folder with a card is
    complete. The card keeps preprocessing and labels, and drops the published metrics, which
    would no longer be true of other weights. Returns the folder.
    """
    own = getattr(model, "card", None)
    if not isinstance(own, Card):
        raise CardError(f"save: {type(model).__name__} has no card; only models of hub.load do")
    from sensorium.io import atomic_write, save_safetensors

    target = Path(os.path.abspath(os.path.expanduser(folder)))
    target.mkdir(parents=True, exist_ok=True)
    arrays = {key: value.detach().cpu().numpy() for key, value in model.state_dict().items()}
    save_safetensors(target / WEIGHTS_FILE, arrays)
    data = cards.dump(_own_card(own, name or own.name, target / WEIGHTS_FILE))

    def write(file: BinaryIO) -> None:
        file.write(data)

    atomic_write(target / CARD_FILE, write)
    return target


def _own_card(card: Card, name: str, path: Path) -> Card:
    from .store import file_digest

    base = card.default()
    entry = Weights(
        name="own",
        default=True,
        sources=[f"local:{WEIGHTS_FILE}"],
        sha256=file_digest(path),
        bytes=path.stat().st_size,
        licence=base.licence if base else "unknown",
        preprocessing=base.preprocessing if base else {},
        labels=base.labels if base else "",
        note=f"saved from {card.name}",
    )
    return dataclasses.replace(card, name=name, weights=[entry])


# -- the steps of load ---------------------------------------------------------------------------
def _resolve(name: str, weights: str | None) -> tuple[Card, Zoo, Weights | None]:
    """Card, zoo and the set of weights that the two arguments of ``load`` mean."""
    if _is_address(name):
        found = _own_cards(name)
        zoo = registry.find_architecture(found.architecture)
    else:
        found, zoo = registry.find(name)
    if weights is not None and _is_address(weights):
        return found, zoo, _given(found, weights)
    return found, zoo, registry.choose(found, weights)


def _is_address(text: str) -> bool:
    return ":" in text or "/" in text or os.sep in text or text.startswith((".", "~"))


def _own_cards(name: str) -> Card:
    """The one card of a folder or repository that ``save`` wrote."""
    if "://" in name:
        root = name.rstrip("/")
        try:
            path = fetch(f"{root}/{CARD_FILE}", size=1 << 20, name=f"{root}/{CARD_FILE}")
        except NotFoundError as error:
            raise NotFoundError(
                f"{error}; a repository is loaded by its {CARD_FILE}, which hub.save writes; for "
                'a single file of another, use hub.fetch or hub.load("model", weights=...)'
            ) from None
        found = cards.read_cards(path, root=root)
    else:
        folder = Path(os.path.expanduser(name))
        if not (folder / CARD_FILE).is_file():
            raise NotFoundError(
                f"{name}: no folder with a {CARD_FILE}, which hub.save writes; for a checkpoint "
                'alone, name its model: hub.load("resnet50", weights="./file.pth")'
            )
        found = cards.read_cards(folder / CARD_FILE)
    if len(found) != 1:
        raise CardError(f"{name}/{CARD_FILE}: wanted one model, got {len(found)}")
    return found[0]


def _given(card: Card, source: str) -> Weights:
    """A checkpoint of the user's own, with the facts of the card's default weights."""
    base = card.default()
    facts: dict[str, Any] = {"licence": "unknown", "note": "given by the caller"}
    if base is not None:
        facts |= {"preprocessing": base.preprocessing, "labels": base.labels}
    if ":" not in source or os.path.exists(source):
        local = Path(os.path.abspath(os.path.expanduser(source)))
        return Weights(name="own", default=True, sources=[local.as_uri()], **facts)
    prefix = published_prefix(sources.file_name(source))
    if prefix is None:
        raise NotFoundError(
            f"{sources.redact(source)}: its name does not end in digits of its sha256 "
            "(name-0123abcd.pth); fetch it with hub.fetch(source, sha256=...) and give the path"
        )
    return Weights(name="own", default=True, sources=[source], hash_prefix=prefix, **facts)


def _hashes(weights: Weights) -> dict[str, Any]:
    return {
        "sha256": weights.sha256,
        "hash_prefix": weights.hash_prefix,
        "size": weights.bytes,
    }


def _label(card: Card, weights: Weights) -> str:
    """What to call the file: with the suffix of its source, which tells text from binary."""
    suffix = os.path.splitext(sources.file_name(weights.sources[0]))[1]
    return f"{card.name}.{weights.name}{suffix}"


def _positive(number: int) -> int:
    if type(number) is not int or number < 1:
        raise OptionError(f"load: num_classes is a positive whole number, got {number!r}")
    return number


def _read(path: Path) -> Mapping[str, Any]:
    from sensorium import io

    return io.load(path)


def _fill(model: Any, state: Mapping[str, Any], card: Card, strict: bool, fresh: bool) -> None:
    """Load ``state``; with ``fresh`` all of it except the classifier, which stays as built."""
    if not fresh:
        model.load_state_dict(state, strict=strict)
        return
    if not card.classifier:
        raise CardError(
            f"{card.name}: its card names no classifier, so num_classes= cannot be used"
        )
    head = f"{card.classifier}."
    kept = {key: value for key, value in state.items() if not key.startswith(head)}
    own = {key for key in model.state_dict() if not key.startswith(head)}
    if strict and own != kept.keys():
        raise StateDictError(
            f"{card.name}: missing keys {sorted(own - kept.keys())[:20]}, "
            f"unexpected keys {sorted(kept.keys() - own)[:20]}"
        )
    model.load_state_dict(kept, strict=False)


def _dress(model: Any, card: Card, zoo: Zoo, chosen: Weights | None, config: dict[str, Any]) -> Any:
    """Attach what belongs to the weights: plain attributes, no part of the state."""
    rows = [dataclasses.replace(chosen, default=True)] if chosen else []
    loaded = dataclasses.replace(card, weights=rows, config=config)
    object.__setattr__(model, "card", loaded)
    object.__setattr__(model, "preprocess", zoo.preprocess(card, chosen or card.default()))
    return model
