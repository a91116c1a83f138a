"""What several pipelines answer with: a name and its score."""

from __future__ import annotations

from typing import NamedTuple


class Label(NamedTuple):
    """The name of a class and its probability."""

    name: str
    score: float
