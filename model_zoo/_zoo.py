"""``zoo``: the methods of ``sensorium.hub.Zoo`` over the cards of this folder.

A new model needs a card in ``cards/`` and a builder in its domain; a new task a row in ``_tasks``
and a pipeline; a new domain a row in ``_domains``. Domains are imported inside functions: listing
cards must stay quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sensorium.hub import Card, Weights, read_cards

from . import _domains
from ._tasks import task_of

HERE = Path(__file__).parent
Table = Mapping[str, Any]


class _Zoo:
    def cards(self) -> list[Card]:
        """Every card of ``cards/``."""
        return list(_cards())

    def architectures(self) -> Iterator[str]:
        """Those of the cards first, which cost no import, then every domain's."""
        yield from (card.architecture for card in _cards())
        for domain in _domains.MODELS:
            yield from _domains.architectures(domain)

    def build(self, card: Card, config: Table) -> Any:
        """A fresh model of the card's architecture."""
        return _domains.build(task_of(card).domain, card.architecture, config)

    def convert(self, card: Card, state: Table) -> Table:
        """The published state under our keys, which for most models are the publisher's."""
        return _domains.convert(task_of(card).domain, card.architecture, card.config, state)

    def preprocess(
        self, card: Card, weights: Weights | None, files: Mapping[str, Path]
    ) -> Callable[..., Any] | None:
        """The transform or tokenizer that belongs to the weights; None without any."""
        if weights is None:
            return None
        return task_of(card).preset(weights.preprocessing, files)

    def pipeline(self, card: Card, weights: Weights, model: Any) -> Callable[..., Any]:
        """The pipeline of the card's task around a model that ``hub.load`` made."""
        return task_of(card).make(model, weights.labels)

    def adopt(self, config: Table) -> Card | None:
        """A card for Hugging Face's config.json, if a domain knows the model."""
        return _domains.adopt(config)

    def headed(self, card: Card, num_classes: int) -> Card:
        """The card with so many classes; that of a text model becomes a classifier's."""
        return _domains.headed(task_of(card).domain, card, num_classes)

    def checkpoint(self, model: Any) -> Table:
        """The state, tied weights once."""
        return _domains.checkpoint(model)

    def companions(self, model: Any, labels: Sequence[str]) -> dict[str, bytes]:
        """config.json and tokenizer files, for models that have them."""
        return _domains.companions(model, labels)

    def __repr__(self) -> str:
        return "<the zoo of sensorium>"


@cache
def _cards() -> tuple[Card, ...]:
    files = sorted((HERE / "cards").glob("*.json"))
    return tuple(card for file in files for card in read_cards(file, root=str(HERE)))


zoo = _Zoo()
