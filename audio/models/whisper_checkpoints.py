"""Whisper's parameters from other makers' files: CTranslate2's WhisperSpec, Hugging Face's.

CTranslate2 fuses projections of one input: ``linear_0`` of self-attention is query, key, value over
each other; of the attention to the encoder it is the query and ``linear_1`` key and value. It stores
half precision, or integers with a scale a row; parameters leave here as float32. Where Whisper has
no bias (of the keys) its fused bias is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sensorium.errors import FormatError

from .whisper_config import WhisperConfig
from .whisper_tokens import LANGUAGES

State = dict[str, np.ndarray]
_NORM = {"gamma": "weight", "beta": "bias"}
_SIDES = ("encoder", "decoder")


# -- CTranslate2 ---------------------------------------------------------------------------------
def from_ctranslate2(variables: Mapping[str, np.ndarray]) -> State:
    """A state dict of ``WhisperForConditionalGeneration`` from the variables of a ``model.bin``.

    ``FormatError`` names a variable that is missing or has no place.
    """
    source = _Variables(variables)
    state: State = {}
    for side in _SIDES:
        for theirs, name in _outside(side):
            state[f"model.{side}.{name}"] = source.take(f"{side}/{theirs}")
        for n in range(_count(variables, side)):
            for theirs, ours in _inside(side):
                prefix = f"model.{side}.layers.{n}."
                source.spread(f"{side}/layer_{n}/{theirs}", [prefix + name for name in ours], state)
    source.finish()
    return state


def ctranslate2_config(
    variables: Mapping[str, np.ndarray], config: Mapping[str, Any] | None = None
) -> WhisperConfig:
    """The configuration of a ``model.bin``, its sizes read off the variables.

    config: the contents of the ``config.json`` beside it, which lists suppressed tokens.
    """
    shapes = {name: array.shape for name, array in variables.items()}
    try:
        vocabulary, size = shapes["decoder/embeddings/weight"]
        sizes = {
            "vocab_size": vocabulary,
            "d_model": size,
            "num_mel_bins": shapes["encoder/conv1/weight"][1],
            "max_source_positions": shapes["encoder/position_encodings/encodings"][0],
            "max_target_positions": shapes["decoder/position_encodings/encodings"][0],
        }
        for side in _SIDES:
            sizes[f"{side}_layers"] = _count(variables, side)
            sizes[f"{side}_attention_heads"] = int(variables[f"{side}/num_heads"])
            sizes[f"{side}_ffn_dim"] = shapes[f"{side}/layer_0/ffn/linear_0/weight"][0]
    except (KeyError, ValueError, IndexError) as error:
        raise FormatError(f"these variables are not a Whisper's: {error}") from None
    return WhisperConfig(**sizes, **_writing(sizes["vocab_size"], config or {}))


def _writing(vocabulary: int, config: Mapping[str, Any]) -> dict[str, Any]:
    """Options about tokens, from the size of the vocabulary and CTranslate2's config.json."""
    many = vocabulary > 51864
    options: dict[str, Any] = {"is_multilingual": many}
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        options[name] = 50256 + many
    options["decoder_start_token_id"] = 50257 + many
    options["begin_suppress_tokens"] = config.get("suppress_ids_begin", (220, 50256 + many))
    options["suppress_tokens"] = config.get("suppress_ids")
    if many and (ids := config.get("lang_ids")):
        options["lang_to_id"] = dict(zip(LANGUAGES, ids))
    return options


def _outside(side: str) -> Iterator[tuple[str, str]]:
    """Pairs of their name and ours outside the layers."""
    yield "position_encodings/encodings", "embed_positions.weight"
    for theirs, ours in _NORM.items():
        yield f"layer_norm/{theirs}", f"layer_norm.{ours}"
    if side == "decoder":
        yield "embeddings/weight", "embed_tokens.weight"
        return
    for n in (1, 2):
        for name in ("weight", "bias"):
            yield f"conv{n}/{name}", f"conv{n}.{name}"


def _inside(side: str) -> Iterator[tuple[str, list[str]]]:
    """Pairs of their name and ours within a layer; several of ours are over each other."""
    norms = {"self_attention": "self_attn_layer_norm", "ffn": "final_layer_norm"}
    linears = {
        "self_attention/linear_0": [f"self_attn.{x}_proj" for x in "qkv"],
        "self_attention/linear_1": ["self_attn.out_proj"],
        "ffn/linear_0": ["fc1"],
        "ffn/linear_1": ["fc2"],
    }
    if side == "decoder":
        norms["attention"] = "encoder_attn_layer_norm"
        linears["attention/linear_0"] = ["encoder_attn.q_proj"]
        linears["attention/linear_1"] = ["encoder_attn.k_proj", "encoder_attn.v_proj"]
        linears["attention/linear_2"] = ["encoder_attn.out_proj"]
    for block, norm in norms.items():
        for theirs, ours in _NORM.items():
            yield f"{block}/layer_norm/{theirs}", [f"{norm}.{ours}"]
    for linear, names in linears.items():
        for part in ("weight", "bias"):
            yield f"{linear}/{part}", [f"{name}.{part}" for name in names]


def _count(variables: Mapping[str, np.ndarray], side: str) -> int:
    """The number of layers of a side."""
    prefix = f"{side}/layer_"
    numbers = {
        name.removeprefix(prefix).split("/")[0] for name in variables if name.startswith(prefix)
    }
    return len(numbers - {"norm"})


class _Variables:
    """The variables of a file, and which of them were used."""

    def __init__(self, variables: Mapping[str, np.ndarray]) -> None:
        self.variables = variables
        self.used: set[str] = {"decoder/projection/weight"}  # the embeddings under another name

    def take(self, name: str) -> np.ndarray:
        """A variable as float32, integers divided by their scale."""
        if name not in self.variables:
            raise FormatError(f"Whisper's variable {name!a} is missing")
        self.used |= {name, f"{name}_scale"}
        array = self.variables[name]
        if array.dtype.kind != "i":
            return array.astype(np.float32)
        scale = self.variables.get(f"{name}_scale")
        if scale is None:
            raise FormatError(f"{name!a} holds {array.dtype} without a scale")
        return array / scale.reshape(-1, *(1,) * (array.ndim - 1)).astype(np.float32)

    def spread(self, name: str, names: list[str], state: State) -> None:
        """A variable's equal parts under several names; the bias that keys lack must be zero."""
        array = self.take(name)
        if len(array) % len(names):
            raise FormatError(f"{name!a} {array.shape} does not divide into {len(names)} parts")
        for ours, part in zip(names, np.split(array, len(names))):
            if not ours.endswith("k_proj.bias"):
                state[ours] = part
            elif part.any():
                raise FormatError(f"{name!a}: Whisper's keys have no bias, but one is stored")

    def finish(self) -> None:
        """Scalars say how to run; an array that nobody took is another model's."""
        left = {name for name, array in self.variables.items() if array.ndim} - self.used
        left -= {name for name in left if name.endswith(("alignment_heads", "weight_scale"))}
        if left:
            raise FormatError(f"Whisper has no place for {sorted(left)[:5]}")


# -- Hugging Face --------------------------------------------------------------------------------
def from_huggingface(state: Mapping[str, np.ndarray]) -> State:
    """A state dict of ``WhisperForConditionalGeneration`` from one of it or of ``WhisperModel``.

    The tied ``proj_out.weight`` is dropped.

    >>> [*from_huggingface({"decoder.layer_norm.bias": 0, "proj_out.weight": 0})]
    ['model.decoder.layer_norm.bias']
    """
    prefix = "" if any(name.startswith("model.") for name in state) else "model."
    return {f"{prefix}{name}": array for name, array in state.items() if name != "proj_out.weight"}
