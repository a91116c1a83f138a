"""Hugging Face's files: config.json to a model's options and back, checkpoints to our keys and back.

Keys and option names are theirs already. What is left is what their files have gathered over the
years: a base model's keys with or without its prefix, heads that a model does not have, buffers,
tied weights that are stored once, older names of LayerNorm's weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from sensorium.errors import OptionError, StateDictError

from . import bert, distilbert, gpt, roberta
from ._config import config_of
from ._model import TextModel

CLASSES: dict[str, type[TextModel]] = {
    kind.__name__: kind
    for module in (bert, roberta, distilbert, gpt)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, TextModel) and kind.__module__ == module.__name__
}

# Settings that change what is computed, and the values that mean what is computed here.
ONLY: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": (None, "absolute"),
    "is_decoder": (None, False),
    "add_cross_attention": (None, False),
    "is_encoder_decoder": (None, False),
    "pruned_heads": (None, {}, []),
    "quantization_config": (None,),
}


# -- config.json ---------------------------------------------------------------------------------
def from_config(
    config: Mapping[str, Any], *, architecture: str | None = None
) -> tuple[str, dict[str, Any]]:
    """The name of a model and its options, from a config.json.

    The model is ``architecture``, else the first of the file's ``architectures``, else the family's
    base model. Keys that no option has are dropped. ``OptionError`` for a model_type or an
    architecture that is not here, and for settings that would compute something else.

    >>> from_config({"model_type": "bert", "hidden_size": 384, "torch_dtype": "float32"})
    ('BertModel', {'hidden_size': 384})
    """
    base = _family(config.get("model_type"))
    for key, values in ONLY.items():
        if config.get(key) not in values:
            raise OptionError(f"config.json: {key}={config[key]!r} is not supported")
    named = config.get("architectures") or [base.__name__]
    name = _known(architecture or named[0], base.config_class.model_type)
    kind = base.config_class
    known = {field.name for field in fields(kind)}
    renamed = {kind.aliases.get(key, key): value for key, value in config.items()}
    options = {key: value for key, value in renamed.items() if key in known}
    if options.get("id2label") is not None:
        options.pop("num_labels", None)  # id2label says it, and HF writes the other nowhere
    config_of(kind, None, options)
    return name, options


def to_config(model: TextModel) -> dict[str, Any]:
    """The config.json of a model, as transformers reads it.

    >>> model = bert.BertModel(hidden_size=12, num_hidden_layers=1, vocab_size=9)
    >>> to_config(model)["architectures"], from_config(to_config(model))[1]["hidden_size"]
    (['BertModel'], 12)
    """
    config = model.config
    names = (field.name for field in fields(config))
    options = {name: getattr(config, name) for name in names}
    options.pop("num_labels")
    if options.get("add_pooling_layer", True):
        options.pop("add_pooling_layer", None)  # no option of theirs, and the default of ours
    options["id2label"] = {str(number): label for number, label in config.id2label.items()}
    options["label2id"] = config.label2id
    kind = {"architectures": [type(model).__name__], "model_type": config.model_type}
    return kind | {key: value for key, value in options.items() if value is not None}


def _family(model_type: Any) -> type[TextModel]:
    """The base model of a family."""
    bases = {k.config_class.model_type: k for k in CLASSES.values() if not k.head_parts}
    if model_type not in bases:
        raise OptionError(f"config.json: model_type is one of {sorted(bases)}, got {model_type!r}")
    return bases[model_type]


def _known(architecture: str, model_type: str) -> str:
    there = [n for n, kind in CLASSES.items() if kind.config_class.model_type == model_type]
    if architecture not in there:
        raise OptionError(
            f"config.json: no {model_type} model is called {architecture!r}; there are {there}"
        )
    return architecture


# -- checkpoints ---------------------------------------------------------------------------------
_UNUSED = re.compile(  # buffers of older versions, and the next-sentence head
    r"(^|\.)embeddings\.(position_ids|token_type_ids)$"
    r"|(^|\.)h\.\d+\.attn\.(masked_)?bias$"
    r"|^cls\.seq_relationship\."
)
_OLDER = {".gamma": ".weight", ".beta": ".bias"}  # TensorFlow's names of LayerNorm's weights


def convert(
    architecture: str, state: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A published state under the keys of ``architecture``, ready for ``load_state_dict``.

    Adds or removes the base model's prefix, leaves out buffers and the heads of other models of the
    family, fills in tied weights. Keys it does not know stay, so that loading reports them.
    ``options``: those the model is built with.

    >>> list(convert("BertModel", {"bert.pooler.dense.beta": 0, "cls.predictions.bias": 1}))
    ['pooler.dense.bias']
    """
    kind, options = CLASSES[architecture], options or {}
    named = {_renamed(key): value for key, value in state.items() if not _UNUSED.search(key)}
    prefix = kind.base_model_prefix + "."
    prefixed = any(key.startswith(prefix + part + ".") for key in named for part in kind.base_parts)
    own: dict[str, Any] = {}
    for key, value in named.items():
        below = key.removeprefix(prefix) if prefixed else key
        in_base = _part(below) in kind.base_parts and (key.startswith(prefix) or not prefixed)
        if in_base:
            if _part(below) != "pooler" or _pools(kind, options):
                own[prefix + below if kind.head_parts else below] = value
        elif not _foreign(kind, key):
            own[key] = value
    return _with_ties(kind, own, options)


def to_checkpoint(model: TextModel) -> dict[str, Any]:
    """The state of a model without what is tied: what transformers writes and reads.

    >>> model = gpt.GPT2LMHeadModel(vocab_size=9, n_embd=8, n_layer=1, n_head=2)
    >>> sorted(set(model.state_dict()) - set(to_checkpoint(model)))
    ['lm_head.weight']
    """
    tied = model.tied if model.config.tie_word_embeddings else {}
    return {key: value for key, value in model.state_dict().items() if key not in tied}


# -- helpers -------------------------------------------------------------------------------------
def _renamed(key: str) -> str:
    for old, new in _OLDER.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key


def _part(key: str) -> str:
    return key.partition(".")[0]


def _pools(kind: Any, options: Mapping[str, Any]) -> bool:
    """Whether the model has a pooler."""
    return kind.pools if kind.head_parts else options.get("add_pooling_layer", True)


def _foreign(kind: type[TextModel], key: str) -> bool:
    """Whether a key is of a head that other models of the family have, and this one has not."""
    model_type = kind.config_class.model_type
    family = (k for k in CLASSES.values() if k.config_class.model_type == model_type)
    heads: Iterable[str] = (part for k in family for part in k.head_parts)
    return _part(key) not in kind.head_parts and _part(key) in set(heads)


def _with_ties(kind: Any, state: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """state with both names of every tied weight; where both are there they must agree."""
    for copy, source in kind.tied.items():
        if copy not in state and source in state:
            state[copy] = state[source]
        elif source not in state and copy in state:
            state[source] = state[copy]
        elif copy in state and options.get("tie_word_embeddings", True):
            _want_same(copy, state[copy], source, state[source])
    return state


def _want_same(copy: str, a: Any, source: str, b: Any) -> None:
    if a is not b and not np.array_equal(getattr(a, "array", a), getattr(b, "array", b)):
        raise StateDictError(
            f"{copy} and {source} are tied, but the checkpoint holds different values; build the "
            "model with tie_word_embeddings=False"
        )
