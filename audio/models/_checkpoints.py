"""Other makers' files: their configurations to a model's name and options, their keys to ours.

Whisper comes from Hugging Face (config.json, generation_config.json, its keys) and from CTranslate2;
Silero VAD as ONNX. CREPE's keys are ours already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sensorium.errors import OptionError

from . import silero_vad, whisper_config
from .whisper import WhisperForConditionalGeneration
from .whisper_checkpoints import from_ctranslate2, from_huggingface


def from_config(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a model and its options, from a config.json.

    What generation_config.json says stands under ``generation_config``, where there is one.
    ``OptionError`` for a model_type that is not here.

    >>> name, options = from_config({"model_type": "whisper", "d_model": 96, "use_cache": True})
    >>> name, options["d_model"]
    ('whisper', 96)
    """
    if config.get("model_type") != "whisper":
        raise OptionError(f"config.json: model_type is 'whisper', got {config.get('model_type')!r}")
    found = asdict(whisper_config.from_config(config, config.get("generation_config")))
    return "whisper", {key: list(v) if isinstance(v, tuple) else v for key, v in found.items()}


def to_config(model: WhisperForConditionalGeneration) -> dict[str, Any]:
    """The config.json of a model, as transformers reads it."""
    return whisper_config.to_config(model.config)[0]


def to_generation_config(model: WhisperForConditionalGeneration) -> dict[str, Any]:
    """Its generation_config.json."""
    return whisper_config.to_config(model.config)[1]


def convert(architecture: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """A published state under the keys of ``architecture``; as it is where the keys are ours."""
    if architecture == "silero_vad":
        return silero_vad.own_keys(state)
    if architecture != "whisper":
        return state
    of_ctranslate2 = any(name.startswith("decoder/layer_") for name in state)
    return from_ctranslate2(state) if of_ctranslate2 else from_huggingface(state)
