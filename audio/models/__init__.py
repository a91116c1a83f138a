"""Models of ``audio``: networks whose keys and numerics are those of the published checkpoints.

    get_model, list_models   any of them by name
    whisper_tiny_en, ...     a builder for every name in ``list_models()``
    crepe                    pitch of a frame
    silero_vad               probability of speech
    speech_cnn               spoken words from their spectrograms
    whisper                  speech to text; WhisperModel and WhisperForConditionalGeneration
    transcribe               a recording of any length to its text, by Whisper
    from_config, to_config   Hugging Face's config.json to a model's name and options, and back
    convert                  a published checkpoint to a model's state
    transcribe               a recording of any length to what is said in it, by a Whisper

>>> from sensorium.audio import models
>>> models.whisper_tiny_en(encoder_layers=1, decoder_layers=1).config.vocab_size
51864
"""

from __future__ import annotations

from sensorium.hub.builders import Builder

from ._checkpoints import (
    convert as convert,
    from_config as from_config,
    to_config as to_config,
    to_generation_config as to_generation_config,
)
from ._registry import (
    builder,
    families as families,
    get_model as get_model,
    list_models as list_models,
    model_config as model_config,
    register as register,
)
from .crepe import Crepe as Crepe
from .silero_vad import SileroVAD as SileroVAD
from .speech_cnn import LogMel as LogMel, SpectrogramCNN as SpectrogramCNN
from .whisper import (
    WhisperForConditionalGeneration as WhisperForConditionalGeneration,
    WhisperModel as WhisperModel,
)
from .whisper_config import WhisperConfig as WhisperConfig
from .whisper_decoding import DecodingOptions as DecodingOptions
from .whisper_features import WhisperFeatureExtractor as WhisperFeatureExtractor
from .whisper_long import Transcript as Transcript, transcribe as transcribe
from .whisper_tokens import WhisperTokens as WhisperTokens


def __getattr__(name: str) -> Builder:
    if name in list_models():
        return builder(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *list_models()])
