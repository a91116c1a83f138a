"""What several pipelines share: a name with its score, and lists of names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sensorium.errors import ShapeError


class Label(NamedTuple):
    """The name of a class and its probability."""

    name: str
    score: float


def names_of(labels: str | Sequence[str]) -> tuple[str, ...]:
    """Class names: the names themselves, or the list of ``sensorium.vision.labels`` so called.

    >>> names_of(["cat", "dog"]), names_of("")
    (('cat', 'dog'), ())
    """
    if not isinstance(labels, str):
        return tuple(labels)
    if not labels:
        return ()
    from sensorium.vision import labels as lists

    return tuple(lists.labels(labels))


def checked_names(names: Sequence[str], classes: int, who: str, fallback: str) -> Sequence[str]:
    """``names`` if there is one for every output, or fallback with a number where there are none."""
    if not names:
        return [f"{fallback}{k}" for k in range(classes)]
    if len(names) != classes:
        raise ShapeError(f"{who}: the model has {classes} outputs, the labels {len(names)} names")
    return names
