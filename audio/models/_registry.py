"""The registry of audio models: ``sensorium.hub.builders.Builders`` filled by the families here."""

from __future__ import annotations

from sensorium.hub.builders import Builders

models = Builders("audio")
register, list_models, builder = models.register, models.list_models, models.builder
get_model, model_config, families = models.get_model, models.model_config, models.families
