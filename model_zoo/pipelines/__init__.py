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

from typing import Any

from ._results import Label as Label

_SPANS = {"QuestionAnswering", "TokenClassification"}
_TEXT = {"FillMask", "SentenceSimilarity", "TextClassification", "TextGeneration"}
_AUDIO = {"AudioClassification", "Pitch", "VoiceActivity"}
_ALL = {"ImageClassification", "SpeechRecognition", *_SPANS, *_TEXT, *_AUDIO}


def __getattr__(name: str) -> Any:
    place: Any
    if name == "ImageClassification":
        from . import image as place
    elif name in _TEXT:
        from . import text as place
    elif name in _SPANS:
        from . import spans as place
    elif name == "SpeechRecognition":
        from . import speech as place
    elif name in _AUDIO:
        from . import audio as place
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(place, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ALL])
