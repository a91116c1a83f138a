"""Pipelines: from what a user has to results, one class a task; a table of contents.

    image   ImageClassification

A pipeline holds a model in eval mode with its ``preprocess`` and names its outputs;
``sensorium.hub.pipeline`` makes one.
"""

from __future__ import annotations

from ._results import Label as Label
from .image import ImageClassification as ImageClassification
