"""From a name to a model ready to use: card, verified files, state, model.

``load`` is a ladder of the other files: ``registry`` and ``layouts`` find the card, ``fetching`` the
files, ``sensorium.io`` reads them, the zoo converts and builds, the model checks every key and
shape. The model appears when all of its files, shards and companions are here and verified.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sensorium.errors import (
    CacheError,
    CardError,
    NotFoundError,
    OptionError,
    SensoriumError,
    StateDictError,
)

from . import layouts, registry, sources
from .cards import Card, Weights
from .expect import published_prefix
from .layouts import get
from .registry import Zoo
from .repository import Folder, Place

Result = TypeVar("Result")
_TRIES = 50


def load(
    name: str,
    *,
    weights: str | None = "default",
    device: Any = None,
    strict: bool = True,
    num_classes: int | None = None,
) -> Any:
    """A model with its weights, in eval mode, with ``.preprocess``, ``.card`` and ``.files``.

    ``files`` are the companions of the weights by name, as paths (empty for most models).

    name
        a model's name; a folder that ``save`` wrote or in Hugging Face's layout (``./folder``); or
        ``hf://org/name[@revision]``
    weights
        the name of a published set, ``"default"``, None for fresh ones; or a checkpoint of your
        own: a path (``./x.pth``), or a source whose file name ends in the first digits of its
        sha256 (``https://host/resnet50-11ad3fa6.pth``)
    device
        as in ``Tensor.to``
    strict
        False: load what fits by name, ignore missing and unexpected keys
    num_classes
        another number of classes: the last layer is fresh, everything before it is loaded, and
        the labels are no longer those of the card

    ``NotFoundError`` (closest names suggested), the errors of ``fetch``, ``FormatError`` for a
    file that is no checkpoint, ``StateDictError`` listing every key that does not fit.
    """
    options = _Options(device, strict, None if num_classes is None else _positive(num_classes))
    return _steadily(name, lambda: _load(_choose(name, weights), options))


def pipeline(name: str, *, weights: str = "default", device: Any = None) -> Callable[..., Any]:
    """``load``, then the zoo's pipeline for the task: what a user has in, results out."""

    def make() -> Callable[..., Any]:
        chosen = _choose(name, weights)
        if chosen.weights is None:
            raise NotFoundError(f"{chosen.card.name}: a pipeline needs weights, got weights=None")
        model = _load(chosen, _Options(device, True, None))
        return chosen.zoo.pipeline(chosen.card, chosen.weights, model)

    return _steadily(name, make)


def pull(name: str, *, weights: str = "default") -> dict[str, Path]:
    """Every file of a set of weights, fetched and verified: its path by its name.

    The weights (or the index of their shards) come first, then shards, then companions.
    """

    def bring() -> dict[str, Path]:
        chosen = _choose(name, weights)
        if chosen.weights is None:
            raise NotFoundError(f"{chosen.card.name} has no published weights")
        first, shards = _weight_files(chosen.card, chosen.weights)
        chosen.remember()
        own = sources.file_name(chosen.weights.sources[0])
        return {own: first} | shards | _companions(chosen.card, chosen.weights)

    return _steadily(name, bring)


# -- what is meant -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Options:
    device: Any
    strict: bool
    num_classes: int | None


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the two arguments of ``load`` mean."""

    card: Card
    zoo: Zoo
    weights: Weights | None
    place: Place | None = None

    def remember(self) -> None:
        if self.place is not None:
            self.place.remember()


def _choose(name: str, weights: str | None) -> _Chosen:
    card, zoo, place = layouts.find(name)
    if weights is not None and layouts.is_address(weights):
        chosen: Weights | None = _given(card, weights)
    else:
        chosen = registry.choose(card, weights)
    return _Chosen(_configured(card, chosen or card.default()), zoo, chosen, place)


def _configured(card: Card, weights: Weights | None) -> Card:
    """The card with the options that a set of weights has over it: those of another image size.

    Fresh weights take those of the default ones, whose preprocessing the model gets.
    """
    if weights is None or not weights.config:
        return card
    config = card.config | weights.config
    return dataclasses.replace(card, config=config, num_params=None, gmacs=None)


def _given(card: Card, source: str) -> Weights:
    """A checkpoint of the user's own, with the facts of the card's default weights."""
    base = card.default()
    facts: dict[str, Any] = {"licence": "unknown", "note": "given by the caller"}
    if base is not None:
        facts |= {"preprocessing": base.preprocessing, "labels": base.labels, "files": base.files}
        facts |= {"config": base.config}
    if ":" not in source or os.path.exists(source):
        local = Path(os.path.abspath(os.path.expanduser(source)))
        if local.name.endswith(".index.json") and (index := Folder(local.parent).find(local.name)):
            facts["shards"] = layouts.shards(Folder(local.parent), index)
        return Weights(name="own", default=True, sources=[local.as_uri()], **facts)
    prefix = published_prefix(sources.file_name(source))
    if prefix is None:
        raise NotFoundError(
            f"{sources.redact(source)}: its name does not end in digits of its sha256 "
            "(name-0123abcd.pth); fetch it with hub.fetch(source, sha256=...) and give the path"
        )
    return Weights(name="own", default=True, sources=[source], hash_prefix=prefix, **facts)


def _positive(number: int) -> int:
    if type(number) is not int or number < 1:
        raise OptionError(f"load: num_classes is a positive whole number, got {number!r}")
    return number


def _steadily(name: str, attempt: Callable[[], Result]) -> Result:
    """Try again if the folder was saved over, or the cache cleared, while it was being read.

    A file is verified first and opened again to be read, so a result counts only if the folder is
    still what it was before: what was read is then what was verified.
    """
    error: Exception | None = None
    for _ in range(_TRIES):
        before = layouts.mark(name)
        try:
            result = attempt()
        except (SensoriumError, FileNotFoundError) as found:
            # Ours tell of the files as they are, FileNotFoundError of one that was just there.
            if layouts.mark(name) == before and isinstance(found, SensoriumError):
                raise
            error = found
        else:
            if layouts.mark(name) == before:
                return result
            error = None
    raise error or CacheError(f"{name}: is being saved over and over; try again later")


# -- the steps of load ---------------------------------------------------------------------------
def _load(chosen: _Chosen, options: _Options) -> Any:
    card, zoo, weights = chosen.card, chosen.zoo, chosen.weights
    fresh_head = options.num_classes is not None
    built = card if options.num_classes is None else zoo.headed(card, options.num_classes)
    # The files first: a missing one is told before time is spent on building.
    files = _companions(card, weights or card.default())
    paths = _weight_files(card, weights) if weights else None
    whole = paths is not None and options.strict and not fresh_head
    model = _build(zoo, built, every_weight_follows=whole)
    if paths is not None:
        _fill(model, zoo.convert(built, _read(*paths)), card, options.strict, fresh_head)
    model.eval()
    chosen.remember()
    model = model if options.device is None else model.to(options.device)
    return _dress(model, chosen, files, built)


def _weight_files(card: Card, weights: Weights) -> tuple[Path, dict[str, Path]]:
    """The file of the weights, and each of its shards."""
    label = f"{card.name}.{weights.name}"
    suffix = os.path.splitext(sources.file_name(weights.sources[0]))[1]  # tells text from binary
    first = get(weights, f"{label}{suffix}")
    return first, {name: get(file, f"{label}.{name}") for name, file in weights.shards.items()}


def _companions(card: Card, weights: Weights | None) -> dict[str, Path]:
    if weights is None:
        return {}
    label = f"{card.name}.{weights.name}"
    return {name: get(file, f"{label}.{name}") for name, file in weights.files.items()}


def _read(path: Path, shards: Mapping[str, Path]) -> Mapping[str, Any]:
    from sensorium import io

    return io.load_sharded(path, files=shards) if shards else io.load(path)


def _build(zoo: Zoo, card: Card, *, every_weight_follows: bool) -> Any:
    """The zoo's model, without drawing random weights that a checkpoint overwrites."""
    if not every_weight_follows:
        return zoo.build(card, card.config)
    from sensorium.nn.init import skip_random

    with skip_random():
        return zoo.build(card, card.config)


def _fill(model: Any, state: Mapping[str, Any], card: Card, strict: bool, fresh: bool) -> None:
    """Load ``state``; with ``fresh`` all of it except the classifier, which stays as built."""
    if not fresh:
        model.load_state_dict(state, strict=strict)
        return
    if not card.classifier:
        raise CardError(
            f"{card.name}: its card names no classifier, so num_classes= cannot be used"
        )
    head = tuple(_heads(card.classifier, state))
    kept = {key: value for key, value in state.items() if not key.startswith(head)}
    own = {key for key in model.state_dict() if not key.startswith(head)}
    if strict and own != kept.keys():
        raise StateDictError(
            f"{card.name}: missing keys {sorted(own - kept.keys())[:20]}, "
            f"unexpected keys {sorted(kept.keys() - own)[:20]}"
        )
    model.load_state_dict(kept, strict=False)


def _heads(classifier: str, state: Mapping[str, Any]) -> Iterator[str]:
    """The prefixes that stay fresh; one with a question mark only if the weights lack it.

    >>> [*_heads("fc pooler? neck?", {"pooler.weight": 0})]
    ['fc.', 'neck.']
    """
    for name in classifier.split():
        prefix = name.removesuffix("?") + "."
        if prefix[:-1] == name or not any(key.startswith(prefix) for key in state):
            yield prefix


def _dress(model: Any, chosen: _Chosen, files: dict[str, Path], built: Card) -> Any:
    """Attach what belongs to the weights: plain attributes, no part of the state."""
    row = chosen.weights
    if row is not None:  # labels are those of the head that was published
        row = dataclasses.replace(
            row, default=True, labels=row.labels if built is chosen.card else ""
        )
    loaded = dataclasses.replace(built, weights=[row] if row else [])
    preprocess = chosen.zoo.preprocess(built, row or chosen.card.default(), files)
    object.__setattr__(model, "card", loaded)
    object.__setattr__(model, "files", files)
    object.__setattr__(model, "preprocess", preprocess)
    return model
