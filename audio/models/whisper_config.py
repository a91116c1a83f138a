"""Whisper's options under the names of Hugging Face's two JSON files, and the published sizes.

``WhisperConfig`` holds what ``config.json`` says about the network and what
``generation_config.json`` says about writing with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from sensorium.errors import OptionError

_OF_GENERATION = (  # written to generation_config.json as well, or only there
    "suppress_tokens", "begin_suppress_tokens", "no_timestamps_token_id", "is_multilingual",
    "lang_to_id", "task_to_id", "prev_sot_token_id", "max_initial_timestamp_index",
)  # fmt: skip
_OF_BOTH = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


@dataclass(frozen=True, kw_only=True)
class WhisperConfig:
    """Sizes, rates of dropout, and tokens; the defaults are Hugging Face's.

    suppress_tokens are never written, begin_suppress_tokens not as the first one; ids beyond the
    vocabulary are ignored. max_initial_timestamp_index: the first timestamp is at most that many
    steps of 20 ms.
    """

    vocab_size: int = 51865
    num_mel_bins: int = 80
    d_model: int = 384
    encoder_layers: int = 4
    encoder_attention_heads: int = 6
    encoder_ffn_dim: int = 1536
    decoder_layers: int = 4
    decoder_attention_heads: int = 6
    decoder_ffn_dim: int = 1536
    max_source_positions: int = 1500
    max_target_positions: int = 448
    activation_function: str = "gelu"
    init_std: float = 0.02
    dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    pad_token_id: int = 50256
    bos_token_id: int = 50256
    eos_token_id: int = 50256
    decoder_start_token_id: int = 50257
    suppress_tokens: tuple[int, ...] | None = None
    begin_suppress_tokens: tuple[int, ...] | None = (220, 50256)
    no_timestamps_token_id: int | None = None
    prev_sot_token_id: int | None = None
    is_multilingual: bool | None = None
    lang_to_id: Mapping[str, int] | None = field(default=None, hash=False)
    task_to_id: Mapping[str, int] | None = field(default=None, hash=False)
    max_initial_timestamp_index: int | None = 50

    def __post_init__(self) -> None:
        for name in ("suppress_tokens", "begin_suppress_tokens"):
            ids = getattr(self, name)
            object.__setattr__(self, name, None if ids is None else tuple(ids))
        for side in ("encoder", "decoder"):
            heads = getattr(self, f"{side}_attention_heads")
            if heads < 1 or self.d_model % heads:
                raise OptionError(
                    f"WhisperConfig: {side}_attention_heads={heads} does not divide "
                    f"d_model={self.d_model}"
                )
        if self.d_model % 2:
            raise OptionError(f"WhisperConfig: d_model must be even, got {self.d_model}")

    @property
    def frames(self) -> int:
        """Frames of log-mel features that the encoder takes: 3000, for 30 s."""
        return 2 * self.max_source_positions


def config_of(config: WhisperConfig | None, options: Mapping[str, Any]) -> WhisperConfig:
    """A configuration from options, or one changed by options; ``OptionError`` for unknown ones."""
    if config is not None and not isinstance(config, WhisperConfig):
        raise OptionError(f"wanted a WhisperConfig, got a {type(config).__name__}")
    known = [f.name for f in fields(WhisperConfig)]
    if unknown := sorted(options.keys() - set(known)):
        raise OptionError(f"WhisperConfig: unknown options {unknown}; there are {known}")
    return WhisperConfig(**options) if config is None else replace(config, **options)


# -- Hugging Face's files ------------------------------------------------------------------------
def from_config(
    config: Mapping[str, Any], generation: Mapping[str, Any] | None = None
) -> WhisperConfig:
    """From the contents of ``config.json`` and, where there is one, ``generation_config.json``.

    Unknown keys are dropped; of a language's token (``"<|en|>"``) the name is kept.

    >>> from_config({"model_type": "whisper", "d_model": 96, "torch_dtype": "float32"}).d_model
    96
    """
    if config.get("model_type", "whisper") != "whisper":
        raise OptionError(f"from_config: model_type is {config['model_type']!r}, want 'whisper'")
    generation = generation or {}
    told = {key: generation[key] for key in (*_OF_GENERATION, *_OF_BOTH) if key in generation}
    if isinstance(ends := told.get("eos_token_id"), list):
        told["eos_token_id"] = ends[0]
    if told.get("lang_to_id"):
        told["lang_to_id"] = {key.strip("<|>"): n for key, n in told["lang_to_id"].items()}
    known = {f.name for f in fields(WhisperConfig)}
    return WhisperConfig(**{k: v for k, v in {**config, **told}.items() if k in known})


def to_config(config: WhisperConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The contents of ``config.json`` and ``generation_config.json`` as transformers reads them."""
    told = {
        key: [*value] if isinstance(value, tuple) else value
        for key, value in asdict(config).items()
    }
    told["lang_to_id"] = config.lang_to_id and {
        f"<|{key}|>": token for key, token in config.lang_to_id.items()
    }
    network = {key: value for key, value in told.items() if key not in _OF_GENERATION[2:]}
    network |= {"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"]}
    network |= {"is_encoder_decoder": True, "tie_word_embeddings": True}
    writing = {key: told[key] for key in (*_OF_GENERATION, *_OF_BOTH) if told[key] is not None}
    return network, {**writing, "max_length": config.max_target_positions}


# -- variants ------------------------------------------------------------------------------------
def _sizes(layers: int, size: int, heads: int, decoder_layers: int | None = None) -> dict[str, Any]:
    return {
        "d_model": size,
        "encoder_layers": layers,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * size,
        "decoder_layers": decoder_layers or layers,
        "decoder_attention_heads": heads,
        "decoder_ffn_dim": 4 * size,
    }


_ENGLISH: dict[str, Any] = {"vocab_size": 51864, "is_multilingual": False}
_MANY: dict[str, Any] = {
    "is_multilingual": True, "pad_token_id": 50257, "bos_token_id": 50257, "eos_token_id": 50257,
    "decoder_start_token_id": 50258, "begin_suppress_tokens": (220, 50257),
}  # fmt: skip
_LARGE_V3: dict[str, Any] = _MANY | {"vocab_size": 51866, "num_mel_bins": 128}
_SIZES = {
    "tiny": _sizes(4, 384, 6),
    "base": _sizes(6, 512, 8),
    "small": _sizes(12, 768, 12),
    "medium": _sizes(24, 1024, 16),
}
VARIANTS: dict[str, dict[str, Any]] = {
    **{f"whisper_{name}_en": row | _ENGLISH for name, row in _SIZES.items()},
    **{f"whisper_{name}": row | _MANY for name, row in _SIZES.items()},
    "whisper_large": _sizes(32, 1280, 20) | _MANY,
    "whisper_large_v2": _sizes(32, 1280, 20) | _MANY,
    "whisper_large_v3": _sizes(32, 1280, 20) | _LARGE_V3,
    "whisper_large_v3_turbo": _sizes(32, 1280, 20, 4) | _LARGE_V3,
}
