"""Which models exist: zoos found through the entry-point group ``sensorium.zoo``.

A zoo is any object with the methods of ``Zoo``. An installed distribution announces one with
an entry point of that group whose value is the object; ``register`` adds one for this process.
Nothing is imported before the first question is asked.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sensorium.errors import CardError, NotFoundError

from .cards import Card, Weights

GROUP = "sensorium.zoo"


class Zoo(Protocol):
    """Models and what belongs to them. Arrays of a state are NumPy arrays by their key."""

    def cards(self) -> Iterable[Card]:
        """Every card; names are distinct across all zoos."""

    def architectures(self) -> Iterable[str]:
        """Every name that ``build`` takes as a card's architecture, those of no card included."""

    def build(self, card: Card, config: Mapping[str, Any]) -> Any:
        """A model of ``card.architecture`` with this config, freshly initialised."""

    def convert(self, card: Card, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The published state under the model's own keys and shapes."""

    def preprocess(
        self, card: Card, weights: Weights | None, files: Mapping[str, Path]
    ) -> Callable[..., Any] | None:
        """The transform from what a user has to what the model takes.

        ``files`` are the companions of the weights by the names in ``weights.files``. A path may
        end in anything (a cached file is called by its hash): go by the name and the content.
        """

    def pipeline(self, card: Card, weights: Weights, model: Any) -> Callable[..., Any]:
        """What turns a user's input into labelled results; it may read ``model.preprocess``."""

    def adopt(self, config: Mapping[str, Any]) -> Card | None:
        """A card without weights for a Hugging Face ``config.json``; None if it is unknown here.

        Where there is a ``generation_config.json``, its contents are under ``generation_config``.
        """

    def headed(self, card: Card, num_classes: int) -> Card:
        """The card of the same model with a last layer for so many classes: its config, and for a
        model that had another kind of head its architecture and task."""

    def checkpoint(self, model: Any) -> Mapping[str, Any]:
        """The tensors that ``hub.save`` writes and ``convert`` takes: the state, without tied copies."""

    def companions(self, model: Any, labels: Sequence[str]) -> Mapping[str, bytes]:
        """What ``hub.save`` writes beside the weights, by name: ``config.json``, a tokenizer.

        ``labels`` are the names of the classes, or empty.
        """


_METHODS = sorted(name for name in vars(Zoo) if not name.startswith("_"))

_registered: list[Zoo] = []
_table: dict[str, tuple[Card, Zoo]] | None = None


def register(zoo: Zoo) -> None:
    """Add a zoo for this process; a model name that exists already is a ``CardError``."""
    table = _cards()
    _add(dict(table), zoo)  # all or nothing
    _add(table, zoo)
    _registered.append(zoo)


def unregister(zoo: Zoo) -> None:
    """Take back ``register``."""
    global _table
    _registered.remove(zoo)
    _table = None


def cards(pattern: str = "*", *, task: str | None = None) -> list[Card]:
    """Every card whose name matches the shell pattern, in order of name."""
    found = (card for card, _ in _cards().values())
    chosen = [c for c in found if fnmatch.fnmatchcase(c.name, pattern.lower())]
    return sorted((c for c in chosen if task in {None, c.task}), key=lambda c: _natural(c.name))


def find(name: str) -> tuple[Card, Zoo]:
    """The card called ``name`` (case does not matter) and its zoo.

    ``NotFoundError`` suggests the closest names.
    """
    table = _cards()
    found = table.get(name.lower())
    if found is None:
        raise NotFoundError(f"no model is called {name!r}{_close(name, table)}")
    return found


def find_architecture(architecture: str) -> Zoo:
    """The one zoo that builds an architecture."""
    zoos = [zoo for zoo in _zoos() if architecture in zoo.architectures()]
    if len(zoos) > 1:
        raise CardError(f"{zoos} all build {architecture!r}: an architecture has one zoo")
    if not zoos:
        close = _close(architecture, {name for zoo in _zoos() for name in zoo.architectures()})
        raise NotFoundError(f"no installed zoo builds the architecture {architecture!r}{close}")
    return zoos[0]


def adopt(config: Mapping[str, Any], where: str) -> tuple[Card, Zoo]:
    """The first zoo that knows a Hugging Face ``config.json``, and its card."""
    for zoo in _zoos():
        found = zoo.adopt(config)
        if found is not None:
            return found, zoo
    named = ", ".join(f"{key} {config.get(key)!r}" for key in ("model_type", "architectures"))
    raise NotFoundError(f"{where}: no installed zoo knows this model ({named})")


def choose(card: Card, weights: str | None) -> Weights | None:
    """The set of weights that a name means: its own, ``"default"``, or None for none.

    Case does not matter, and torchvision's ``ResNet50_Weights.IMAGENET1K_V2`` is read as
    ``imagenet1k_v2``.
    """
    if weights is None:
        return None
    wanted = weights.rpartition(".")[2].lower()
    names = {entry.name: entry for entry in card.weights}
    chosen = card.default() if wanted == "default" else names.get(wanted)
    if chosen is None:
        what = "has no published weights" if not names else f"has no weights {weights!r}"
        raise NotFoundError(f"{card.name} {what}{_close(wanted, names)}; weights=None builds it")
    return chosen


def _cards() -> dict[str, tuple[Card, Zoo]]:
    global _table
    if _table is None:
        table: dict[str, tuple[Card, Zoo]] = {}
        for zoo in _zoos():
            _add(table, zoo)
        _table = table
    return _table


def _zoos() -> list[Zoo]:
    return [*_installed(), *_registered]


def _installed() -> list[Zoo]:
    """Zoos of installed distributions; one that does not import is told, not passed over."""
    from importlib.metadata import entry_points

    zoos = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            zoos.append(entry.load())
        except (ImportError, AttributeError) as error:
            raise CardError(
                f"zoo {entry.name!r} ({entry.value}) cannot be imported: {error}"
            ) from error
    return zoos


def _add(table: dict[str, tuple[Card, Zoo]], zoo: Zoo) -> None:
    if missing := [name for name in _METHODS if not callable(getattr(zoo, name, None))]:
        raise CardError(f"{zoo!r} is no zoo: it lacks {', '.join(missing)}; see sensorium.hub.Zoo")
    for card in zoo.cards():
        if card.name in table:
            raise CardError(f"two cards are called {card.name!r}: names are distinct over all zoos")
        table[card.name] = (card, zoo)


def _close(name: str, names: Iterable[str]) -> str:
    known = sorted(names)
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    if close:
        return f"; did you mean {', '.join(close)}?"
    return (
        f"; there are {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}" if known else ""
    )


def _natural(name: str) -> list[tuple[int, int | str]]:
    """resnet18 before resnet101: digits compare as numbers."""
    parts: list[tuple[int, int | str]] = []
    digits = ""
    for letter in f"{name}\0":
        if letter.isdecimal():
            digits += letter
            continue
        if digits:
            parts.append((0, int(digits)))
            digits = ""
        parts.append((1, letter))
    return parts
