"""The registry of text models: every class under its own name, sizes as variants of the base ones."""

from __future__ import annotations

from typing import Any

from sensorium.hub.builders import Builders, Row

models = Builders("text")


def register_family(variants: dict[str, Row], base: Any, *heads: Any) -> None:
    """Register the base model with its sizes, and the models with a head, by their class names."""
    models.register(base.__name__, base, variants)
    for head in heads:
        models.register(head.__name__, head)
