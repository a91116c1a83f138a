"""What the models return: values by attribute, by name, and by number, as in transformers.

``out.logits``, ``out["logits"]`` and, counting only what is there, ``out[0]``; ``loss, logits =
out.to_tuple()``. An output is a mapping of the values that are not None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sensorium.nn.cache import KVCache
from sensorium.tensor import Tensor


class ModelOutput(Mapping[str, Any]):
    """The base of all outputs.

    >>> out = TokenClassifierOutput(logits=Tensor([[1.0]]))
    >>> out[0] is out.logits is out["logits"], list(out), out.loss
    (True, ['logits'], None)
    """

    def to_tuple(self) -> tuple[Any, ...]:
        """The values that are there, in order."""
        return tuple(getattr(self, name) for name in self)

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if key not in tuple(self):
            raise KeyError(f"{type(self).__name__} has {list(self)}, not {key!r}")
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        names = (field.name for field in fields(self))  # type: ignore[arg-type]
        return (name for name in names if getattr(self, name) is not None)

    def __len__(self) -> int:
        return len(tuple(iter(self)))


Layers = tuple[Tensor, ...]  # the embeddings, then what every layer returned: (N, T, E) each


@dataclass(eq=False)
class BaseModelOutput(ModelOutput):
    """last_hidden_state (N, T, E); hidden_states if asked for."""

    last_hidden_state: Tensor
    hidden_states: Layers | None = None


@dataclass(eq=False)
class BaseModelOutputWithPooling(ModelOutput):
    """last_hidden_state (N, T, E), pooler_output (N, E) of the first token."""

    last_hidden_state: Tensor
    pooler_output: Tensor | None = None
    hidden_states: Layers | None = None


@dataclass(eq=False)
class BaseModelOutputWithPast(ModelOutput):
    """last_hidden_state (N, T, E), and the cache that the next call continues from."""

    last_hidden_state: Tensor
    past_key_values: KVCache | None = None
    hidden_states: Layers | None = None


@dataclass(eq=False)
class MaskedLMOutput(ModelOutput):
    """logits (N, T, V) of every token of the vocabulary at every place."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: Layers | None = None


@dataclass(eq=False)
class SequenceClassifierOutput(ModelOutput):
    """logits (N, K) of a text's class."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: Layers | None = None


@dataclass(eq=False)
class TokenClassifierOutput(ModelOutput):
    """logits (N, T, K) of every token's class."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: Layers | None = None


@dataclass(eq=False)
class QuestionAnsweringModelOutput(ModelOutput):
    """start_logits and end_logits (N, T): where the answer begins and what is its last token."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    hidden_states: Layers | None = None


@dataclass(eq=False)
class CausalLMOutputWithPast(ModelOutput):
    """logits (N, T, V) of the token after every place."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: KVCache | None = None
    hidden_states: Layers | None = None
