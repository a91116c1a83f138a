"""Pipelines: from what a user has to results, one class a task; a table of contents.

    image    ImageClassification
    text     SentenceSimilarity, FillMask, TextClassification, TextGeneration
    spans    QuestionAnswering, TokenClassification
    speech   SpeechRecognition
    audio    VoiceActivity, Pitch, AudioClassification

A pipeline holds a model in eval mode with its ``preprocess`` and names its outputs;
``sensorium.hub.pipeline`` makes one. A file is imported when one of its names is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ._results import Label as Label

_PLACES = {
    "image": ("ImageClassification",),
    "text": ("FillMask", "SentenceSimilarity", "TextClassification", "TextGeneration"),
    "spans": ("QuestionAnswering", "TokenClassification"),
    "speech": ("SpeechRecognition",),
    "audio": ("AudioClassification", "Pitch", "VoiceActivity"),
}
_FILE_OF = {name: file for file, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _FILE_OF:
        return getattr(import_module(f".{_FILE_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_FILE_OF])
