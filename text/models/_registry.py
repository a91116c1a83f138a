"""The registry of text models: every class under its own name, sizes as variants of the base ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sensorium.hub.builders import Builders, Row

models = Builders("text")
register, families = models.register, models.families
get_model, list_models = models.get_model, models.list_models
model_config, builder = models.model_config, models.builder


def register_family(variants: Mapping[str, Row], base: Any, *heads: Any) -> None:
    """Register the base model with its sizes, and the models with a head, by their class names."""
    models.register(base.__name__, base, variants)
    for head in heads:
        models.register(head.__name__, head)
