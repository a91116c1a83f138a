"""The table of tasks: for each its domain, what prepares an input, and its pipeline.

A new task is a row here and a class in ``pipelines/``. Everything is imported when first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.errors import CardError
from sensorium.hub import Card

Table = Mapping[str, Any]
Files = Mapping[str, Path]
Preset = Callable[[Table, Files], Any]


# -- presets: from what a user has to what the model takes ---------------------------------------
def _image(preprocessing: Table, files: Files) -> Any:
    """Decode, resize, crop, normalise; None if the weights do not say how."""
    if not preprocessing:
        return None
    from sensorium.vision import transforms

    return transforms.ImageClassification.from_dict(preprocessing)


_TOKENIZERS = {"tokenizer.json", "vocab.txt", "vocab.json"}


def _tokenizer(preprocessing: Table, files: Files) -> Any:
    """The tokenizer of the companion files; None if there is none among them.

    Of a speech recogniser too: it writes, and what it hears by is told by its configuration.
    """
    if not _TOKENIZERS & files.keys():
        return None
    from sensorium.text import Tokenizer

    return Tokenizer.from_files(files, model_max_length=preprocessing.get("max_length"))


def _log_mel(preprocessing: Table, files: Files) -> Any:
    """A recording as its log-mel spectrogram; None if the weights do not say how."""
    if not preprocessing:
        return None
    from sensorium.audio import models

    return models.LogMel.from_dict(preprocessing)


def _nothing(preprocessing: Table, files: Files) -> Any:
    """The model takes the recording itself."""


# -- the table ----------------------------------------------------------------------------------
class Task(NamedTuple):
    """Where a task's models come from, and what surrounds them."""

    domain: str
    preset: Preset
    pipeline: str  # a class of ``pipelines``
    labelled: bool = False  # whether the pipeline names classes

    def make(self, model: Any, labels: str | list[str]) -> Callable[..., Any]:
        """The pipeline around a model that ``hub.load`` made."""
        from . import pipelines

        kind = getattr(pipelines, self.pipeline)
        return kind(model, labels=labels) if self.labelled else kind(model)


TASKS = {
    "image-classification": Task("vision", _image, "ImageClassification", True),
    "sentence-similarity": Task("text", _tokenizer, "SentenceSimilarity"),
    "fill-mask": Task("text", _tokenizer, "FillMask"),
    "text-classification": Task("text", _tokenizer, "TextClassification", True),
    "token-classification": Task("text", _tokenizer, "TokenClassification", True),
    "question-answering": Task("text", _tokenizer, "QuestionAnswering"),
    "text-generation": Task("text", _tokenizer, "TextGeneration"),
    "audio-classification": Task("audio", _log_mel, "AudioClassification", True),
    "speech-recognition": Task("audio", _tokenizer, "SpeechRecognition"),
    "voice-activity": Task("audio", _nothing, "VoiceActivity"),
    "pitch": Task("audio", _nothing, "Pitch"),
}


def task_of(card: Card) -> Task:
    if card.task not in TASKS:
        raise CardError(f"{card.name}: task is {card.task!r}, want one of {sorted(TASKS)}")
    return TASKS[card.task]
