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

    return Tokenizer.from_files(files)


def _log_mel(preprocessing: Table, files: Files) -> Any:
    """A recording as its log-mel spectrogram; None if the weights do not say how."""
    if not preprocessing:
        return None
    from sensorium.audio import models

    return models.LogMel.from_dict(preprocessing)


def _nothing(preprocessing: Table, files: Files) -> Any:
    """The model takes the recording itself."""


# -- pipelines -----------------------------------------------------------------------------------
def _of_image(name: str) -> Any:
    from .pipelines import image

    return getattr(image, name)


def _of_text(name: str) -> Any:
    from .pipelines import text

    return getattr(text, name)


def _of_spans(name: str) -> Any:
    from .pipelines import spans

    return getattr(spans, name)


def _of_audio(name: str) -> Any:
    from .pipelines import audio

    return getattr(audio, name)


class Task(NamedTuple):
    """Where a task's models come from, and what surrounds them."""

    domain: str
    preset: Preset
    find: Callable[[str], Any]  # a pipeline's class by its name
    pipeline: str
    labelled: bool = False  # whether the pipeline names classes

    def make(self, model: Any, labels: str | list[str]) -> Callable[..., Any]:
        """The pipeline around a model that ``hub.load`` made."""
        kind = self.find(self.pipeline)
        return kind(model, labels=labels) if self.labelled else kind(model)


TASKS = {
    "image-classification": Task("vision", _image, _of_image, "ImageClassification", True),
    "sentence-similarity": Task("text", _tokenizer, _of_text, "SentenceSimilarity"),
    "fill-mask": Task("text", _tokenizer, _of_text, "FillMask"),
    "text-classification": Task("text", _tokenizer, _of_text, "TextClassification", True),
    "token-classification": Task("text", _tokenizer, _of_spans, "TokenClassification", True),
    "question-answering": Task("text", _tokenizer, _of_spans, "QuestionAnswering"),
    "text-generation": Task("text", _tokenizer, _of_text, "TextGeneration"),
    "audio-classification": Task("audio", _log_mel, _of_audio, "AudioClassification", True),
    "speech-recognition": Task("audio", _tokenizer, _of_audio, "SpeechRecognition"),
    "voice-activity": Task("audio", _nothing, _of_audio, "VoiceActivity"),
    "pitch": Task("audio", _nothing, _of_audio, "Pitch"),
}


def task_of(card: Card) -> Task:
    if card.task not in TASKS:
        raise CardError(f"{card.name}: task is {card.task!r}, want one of {sorted(TASKS)}")
    return TASKS[card.task]
