"""The domains behind the zoo, in one table: how each builds, converts and names its models.

A domain's ``models`` has ``get_model`` and ``list_models``; those that know Hugging Face's files
also ``from_config``, ``to_config`` and ``convert``. Domains are imported when first needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sensorium.errors import OptionError
from sensorium.hub import Card

Table = Mapping[str, Any]


def _vision() -> Any:
    from sensorium.vision import models

    return models


def _text() -> Any:
    from sensorium.text import models

    return models


def _audio() -> Any:
    from sensorium.audio import models

    return models


MODELS: dict[str, Callable[[], Any]] = {"vision": _vision, "text": _text, "audio": _audio}


def architectures(domain: str) -> Iterator[str]:
    """Names that the domain's ``get_model`` takes."""
    models = MODELS[domain]()
    yield from getattr(models, "families", models.list_models)()
    yield from models.list_models()


def build(domain: str, architecture: str, config: Table) -> Any:
    """A fresh model."""
    return MODELS[domain]().get_model(architecture, **config)


def convert(domain: str, architecture: str, config: Table, state: Table) -> Table:
    """A published state under the model's own keys; as it is where the domain has no other."""
    change = getattr(MODELS[domain](), "convert", None)
    if change is None:
        return state
    return change(architecture, state, config) if domain == "text" else change(architecture, state)


def headed(domain: str, card: Card, num_classes: int) -> Card:
    """The card with so many classes; that of a text model becomes its family's classifier.

    >>> card = Card(name="m", task="fill-mask", architecture="BertForMaskedLM", weights=[])
    >>> found = headed("text", card, 3)
    >>> found.architecture, found.task, found.config
    ('BertForSequenceClassification', 'text-classification', {'num_labels': 3})
    """
    if domain != "text":
        return replace(card, config=card.config | {"num_classes": num_classes})
    name = card.architecture
    if not name.endswith(_CLASSIFIERS):
        name = re.sub(r"(Model|For[A-Z]\w+)$", _CLASSIFIERS[0], name)
    kept = {key: v for key, v in card.config.items() if key not in {"id2label", "label2id"}}
    config = kept | {"num_labels": num_classes}
    return replace(card, architecture=name, task=_task(name), config=config, num_params=None)


_HEADS = "classifier pre_classifier bert.pooler?"  # all that is new with another number of classes
_CLASSIFIERS = ("ForSequenceClassification", "ForTokenClassification")


# -- Hugging Face's config.json ------------------------------------------------------------------
_TASKS = (  # what a class is for, by the end of its name
    ("ForMaskedLM", "fill-mask"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"),
    ("LMHeadModel", "text-generation"),
    ("whisper", "speech-recognition"),
    ("Model", "sentence-similarity"),
)


def adopt(config: Table) -> Card | None:
    """A card for a config.json, by the first domain that knows its ``model_type``.

    ``OptionError`` if the type is known and a setting of the file is not supported.
    """
    for domain in ("text", "audio"):
        from_config = getattr(MODELS[domain](), "from_config", None)
        if from_config is None or not _knows(from_config, config):
            continue
        architecture, options = from_config(config)
        task = _task(architecture)
        return Card(
            name="model",
            task=task,
            architecture=architecture,
            config=dict(options),
            classifier=_HEADS if domain == "text" else "",
            weights=[],
        )
    return None


def _task(architecture: str) -> str:
    return next((task for end, task in _TASKS if architecture.endswith(end)), "")


def _knows(from_config: Callable[[Table], Any], config: Table) -> bool:
    """Whether the type alone, with every setting at its default, is accepted."""
    try:
        from_config({"model_type": config.get("model_type")})
    except OptionError:
        return False
    return True


# -- what is saved, and what stands beside it -----------------------------------------------------
def checkpoint(model: Any) -> Table:
    """The state of a model as its publishers write it: tied weights once."""
    domain = _domain(model)
    change = getattr(MODELS[domain](), "to_checkpoint", None) if domain else None
    return model.state_dict() if change is None else change(model)


def companions(model: Any, labels: Sequence[str]) -> dict[str, bytes]:
    """config.json in Hugging Face's form, and the tokenizer, where the model has them."""
    files: dict[str, bytes] = {}
    to_config = getattr(MODELS[_domain(model)](), "to_config", None) if _domain(model) else None
    if to_config is not None and hasattr(model, "config"):
        files["config.json"] = _json(to_config(model) | _names(labels))
        to_generation = getattr(MODELS[_domain(model)](), "to_generation_config", None)
        if to_generation is not None:
            files["generation_config.json"] = _json(to_generation(model))
    to_files = getattr(getattr(model, "preprocess", None), "to_files", None)
    if to_files is not None:
        files |= to_files()
    return files


def _names(labels: Sequence[str]) -> dict[str, Any]:
    """Class names as config.json has them."""
    if not labels:
        return {}
    pairs = [(str(number), label) for number, label in enumerate(labels)]
    return {"id2label": dict(pairs), "label2id": {label: int(number) for number, label in pairs}}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _domain(model: Any) -> str:
    """The domain whose class a model is, or is derived from; empty for others."""
    modules = [kind.__module__.split(".") for kind in type(model).__mro__]
    found = (parts[1] for parts in modules if parts[0] == "sensorium" and len(parts) > 1)
    return next((name for name in found if name in MODELS), "")
