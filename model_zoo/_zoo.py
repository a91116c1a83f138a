"""``zoo``: the five methods of ``sensorium.hub.Zoo`` over the cards of this folder.

A new model needs a card in ``cards/`` and a builder in its domain; a new task a row in ``_TASKS``
and a pipeline. Domains are imported inside functions: listing cards must stay quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.errors import CardError
from sensorium.hub import Card, Weights, read_cards

HERE = Path(__file__).parent
Table = Mapping[str, Any]


# -- tasks ---------------------------------------------------------------------------------------
def _vision_model(architecture: str, config: Table) -> Any:
    from sensorium.vision import models

    return models.get_model(architecture, **config)


def _image_preset(preprocessing: Table) -> Callable[..., Any]:
    from sensorium.vision import transforms

    return transforms.ImageClassification.from_dict(preprocessing)


def _image_classification(model: Any, labels: str) -> Callable[..., Any]:
    from .pipelines import ImageClassification

    return ImageClassification(model, labels=labels)


class Task(NamedTuple):
    """What a task needs: a builder of its models, a preset, a pipeline."""

    build: Callable[[str, Table], Any]
    preset: Callable[[Table], Callable[..., Any]]
    pipeline: Callable[[Any, str], Callable[..., Any]]


_TASKS = {"image-classification": Task(_vision_model, _image_preset, _image_classification)}


def _task(card: Card) -> Task:
    if card.task not in _TASKS:
        raise CardError(f"{card.name}: task is {card.task!r}, want one of {sorted(_TASKS)}")
    return _TASKS[card.task]


# -- the zoo -------------------------------------------------------------------------------------
class _Zoo:
    def cards(self) -> list[Card]:
        """Every card of ``cards/``."""
        return list(_cards())

    def build(self, card: Card, config: Table) -> Any:
        """A fresh model of the card's architecture."""
        return _task(card).build(card.architecture, config)

    def convert(self, card: Card, state: Table) -> Table:
        """The state as it is: our keys are those of the publishers."""
        return state

    def preprocess(self, card: Card, weights: Weights | None) -> Callable[..., Any] | None:
        """The transform that belongs to the weights; None without any."""
        if weights is None or not weights.preprocessing:
            return None
        return _task(card).preset(weights.preprocessing)

    def pipeline(self, card: Card, weights: Weights, model: Any) -> Callable[..., Any]:
        """The pipeline of the card's task around a model that ``hub.load`` made."""
        return _task(card).pipeline(model, weights.labels)

    def __repr__(self) -> str:
        return "<the zoo of sensorium>"


@cache
def _cards() -> tuple[Card, ...]:
    files = sorted((HERE / "cards").glob("*.json"))
    return tuple(card for file in files for card in read_cards(file, root=str(HERE)))


zoo = _Zoo()
