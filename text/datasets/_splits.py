"""torchtext's conventions: one split or several, and where below a root a dataset lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensorium.errors import OptionError

from ._read import File

Splits = str | tuple[str, ...]


def split_of(split: Splits, known: tuple[str, ...], make: Callable[[str], Any], name: str) -> Any:
    """A dataset for a split's name, a tuple of datasets for a tuple of names."""
    for part in (split,) if isinstance(split, str) else split:
        if part not in known:
            raise OptionError(f"{name}: split must be of {known}, got {part!r}")
    return make(split) if isinstance(split, str) else tuple(make(part) for part in split)


def find_root(root: File, below: tuple[str, ...], sign: str) -> Path:
    """The first of the folders below root that holds ``sign``."""
    places = [Path(root, part) for part in below]
    for place in places:
        if (place / sign).exists():
            return place
    looked = ", ".join(str(place / sign) for place in places)
    raise FileNotFoundError(f"no {sign} below {Path(root)}; looked for {looked}")
