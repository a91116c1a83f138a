"""Options of a text model, under the names that Hugging Face's config.json gives them.

A configuration is a frozen dataclass: what it lists is what a model can be told. Here is what all
families share: labels, special tokens, and the checks of types and ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

from sensorium.errors import OptionError

_KINDS: dict[str, Any] = {
    "int": int,
    "float": (int, float),
    "str": str,
    "bool": bool,
    "list[int]": list,
    "Mapping[int, str]": Mapping,
    "None": type(None),
}


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Shared options. num_labels=0 means as many as ``id2label`` names, or 2.

    problem_type: "regression", "single_label_classification", "multi_label_classification", or
    None to tell from the labels.
    """

    model_type: ClassVar[str]
    aliases: ClassVar[Mapping[str, str]] = {}  # other names that a config.json may use

    initializer_range: float = 0.02
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    tie_word_embeddings: bool = True
    num_labels: int = 0
    id2label: Mapping[int, str] | None = None
    problem_type: str | None = None

    def __post_init__(self) -> None:
        names = _labels(type(self).__name__, self.num_labels, self.id2label)
        object.__setattr__(self, "num_labels", len(names))
        object.__setattr__(self, "id2label", names)
        for field in fields(self):
            _check(type(self).__name__, field.name, str(field.type), getattr(self, field.name))
        if self.problem_type not in (None, *PROBLEM_TYPES):
            raise OptionError(
                f"{type(self).__name__}: problem_type is one of {[*PROBLEM_TYPES]} or None, "
                f"got {self.problem_type!r}"
            )

    def for_base(self, pools: bool) -> TextConfig:
        """The configuration of the network below a head; pools: the head reads a pooler."""
        return self

    @property
    def label2id(self) -> dict[str, int]:
        """The number of every label."""
        return {name: number for number, name in (self.id2label or {}).items()}


PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
Config = TypeVar("Config", bound=TextConfig)


def config_of(kind: type[Config], config: Config | None, options: Mapping[str, Any]) -> Config:
    """A configuration of this kind from one, from options, or from one changed by options.

    ``OptionError`` names the options there are.
    """
    known = {field.name for field in fields(kind)}
    if unknown := sorted(options.keys() - known):
        raise OptionError(f"{kind.__name__}: unknown options {unknown}; there are {sorted(known)}")
    if config is None:
        return kind(**options)
    if not isinstance(config, kind):
        raise OptionError(f"wanted a {kind.__name__}, got a {type(config).__name__}")
    if "num_labels" in options and "id2label" not in options:
        options = {**options, "id2label": None}  # the names of another number of classes
    return replace(config, **options) if options else config


def divides(name: str, heads: int, size: int) -> None:
    """``OptionError`` unless size splits evenly into heads."""
    if size % heads:
        raise OptionError(f"{name}: {heads} attention heads do not divide the hidden size {size}")


# -- helpers -------------------------------------------------------------------------------------
def _labels(kind: str, count: Any, names: Any) -> dict[int, str]:
    """The name of every class; ``{"0": "no"}``, as JSON has it, is read as ``{0: "no"}``."""
    if names is None:
        if type(count) is not int or count < 0:
            raise OptionError(f"{kind}: num_labels is a positive whole number, got {count!r}")
        return {number: f"LABEL_{number}" for number in range(count or 2)}
    try:
        named = {int(number): str(names[number]) for number in names}
    except (TypeError, ValueError):
        raise OptionError(f"{kind}: id2label maps numbers to names, got {names!r}") from None
    if sorted(named) != list(range(len(named))) or not named:
        raise OptionError(f"{kind}: id2label must name 0, 1, ..., got {sorted(named)}")
    if count and count != len(named):
        raise OptionError(f"{kind}: num_labels is {count} but id2label names {len(named)}")
    return dict(sorted(named.items()))


def _check(kind: str, name: str, annotation: str, value: Any) -> None:
    wanted = annotation.split(" | ")
    allowed = [_KINDS[word] for word in wanted]
    fits = isinstance(value, tuple(_flat(allowed)))
    if not fits or (isinstance(value, bool) and "bool" not in wanted):
        raise OptionError(f"{kind}: {name} must be {annotation}, got {value!r}")
    if annotation == "int" and value < 1:
        raise OptionError(f"{kind}: {name} must be at least 1, got {value}")


def _flat(kinds: list[Any]) -> list[type]:
    return [kind for group in kinds for kind in (group if isinstance(group, tuple) else (group,))]
