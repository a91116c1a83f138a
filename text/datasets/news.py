"""AG_NEWS: headlines of four kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, overload

from sensorium.errors import FormatError

from ._read import MAX_BYTES, File, csv_rows
from ._splits import Splits, find_root, split_of
from .tables import Table

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
"""The names of labels 1 to 4."""


class AGNewsSplit(Table):
    """One split of AG_NEWS: (label 1 to 4, title and description)."""

    def __init__(self, path: Path) -> None:
        found = csv_rows(path, ",", "utf-8", MAX_BYTES)
        super().__init__([_sample(path, line, row) for line, row in found], ("label", "text"))
        if not self.rows:
            raise FormatError(f"{path}: the file has no rows")


def _sample(path: Path, line: int, row: list[str]) -> tuple[int, str]:
    if len(row) != 3 or row[0] not in ("1", "2", "3", "4"):
        raise FormatError(
            f"{path}:{line}: want label (1 to 4), title, description; got {row!r:.80}"
        )
    return int(row[0]), " ".join(row[1:])


@overload
def AG_NEWS(root: File, split: str) -> AGNewsSplit: ...
@overload
def AG_NEWS(root: File, split: tuple[str, ...] = ("train", "test")) -> tuple[AGNewsSplit, ...]: ...
def AG_NEWS(root: File, split: Splits = ("train", "test")) -> Any:
    """News (Zhang et al., 2015) as (label, text): label 1 to 4 for ``CLASSES``.

    One split is a dataset, several are a tuple of them. root holds train.csv and test.csv, itself or
    in a folder AG_NEWS: rows of label, title, description without a header. The text is title and
    description joined by a space, as torchtext's.
    """
    below = ("AG_NEWS", "datasets/AG_NEWS", "ag_news_csv", "")

    def load(name: str) -> AGNewsSplit:
        return AGNewsSplit(find_root(root, below, f"{name}.csv") / f"{name}.csv")

    return split_of(split, ("train", "test"), load, "AG_NEWS")
