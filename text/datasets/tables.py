"""Tables: ``CSVDataset`` and ``JSONLines``. A sample is the tuple of a row's chosen columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sensorium.data import Dataset
from sensorium.errors import FormatError, OptionError, OutOfBoundsError

from ._read import (
    MAX_BYTES,
    File,
    Types,
    check_encoding,
    convert,
    csv_rows,
    json_rows,
    places,
)


class Table(Dataset):
    """Rows in memory, each a tuple; ``columns`` are their names."""

    def __init__(self, rows: list[tuple[Any, ...]], columns: Sequence[str | int]) -> None:
        self.rows, self.columns = rows, tuple(columns)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if not -len(self.rows) <= index < len(self.rows):
            raise OutOfBoundsError(
                f"{type(self).__name__}: index {index} is out of range for {len(self)} samples"
            )
        return self.rows[index]

    def column(self, column: str | int) -> list[Any]:
        """All values of a column, by its name or its place in the samples."""
        place = self.columns.index(column) if column in self.columns else column
        if not isinstance(place, int) or not 0 <= place < len(self.columns):
            raise OptionError(f"{type(self).__name__}: no column {column!r} in {self.columns}")
        return [row[place] for row in self.rows]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples of {self.columns})"


class CSVDataset(Table):
    """The rows of a CSV file as tuples of strings.

    columns
        which, by name or number (from 0), and in which order; default: all
    delimiter, header, encoding
        what separates fields, whether the first row names the columns, the encoding
    types
        functions by column that make a value of its string, such as ``{"label": int}``
    max_bytes
        larger files are refused

    Quotes are RFC 4180's. Raises ``FormatError`` and its kin with file and line for rows of another
    width, open quotes, fields above 131,072 characters, values that are not of their type.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv")
    ...     _ = path.write_text('label,text' + chr(10) + '1,"Hello, you"' + chr(10))
    ...     CSVDataset(path, ["text", "label"], types={"label": int})[0]
    ('Hello, you', 1)
    """

    def __init__(
        self,
        path: File,
        columns: Sequence[str | int] | None = None,
        *,
        delimiter: str = ",",
        header: bool = True,
        encoding: str = "utf-8",
        types: Types | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
            raise OptionError(f"CSVDataset: delimiter must be one character, got {delimiter!r}")
        path = Path(path)
        found = csv_rows(path, delimiter, check_encoding(encoding), max_bytes)
        first = next(found, None)
        if first is None:
            raise FormatError(f"{path}: the file has no rows")
        names = first[1] if header else None
        where = f"{path}:{first[0]}"
        chosen = places(columns, names, len(first[1]), where)
        kinds = _kinds(types, names, len(first[1]), where)
        rows = [] if header else [_row(first[1], chosen, kinds, where, names)]
        rows += [_row(row, chosen, kinds, f"{path}:{line}", names) for line, row in found]
        super().__init__(rows, [names[i] for i in chosen] if names else chosen)


def _kinds(
    types: Types | None, header: Sequence[str] | None, width: int, where: str
) -> dict[int, Callable[[Any], Any]]:
    """The types by number of column."""
    columns = list(types or {})
    numbers = places(columns, header, width, where)
    return {number: (types or {})[column] for number, column in zip(numbers, columns)}


def _row(
    row: Sequence[str],
    chosen: Sequence[int],
    kinds: dict[int, Callable[[Any], Any]],
    where: str,
    header: Sequence[str] | None,
) -> tuple[Any, ...]:
    return tuple(convert(row[i], kinds.get(i), where, header[i] if header else i) for i in chosen)


class JSONLines(Table):
    """The objects of a file with one a line, as tuples of the given fields.

    types are functions by field, as for ``CSVDataset``; blank lines are skipped. Without fields, those
    of the first object. JSON is read strictly (no duplicate keys, no NaN). Raises ``FormatError`` and
    its kin with file and line for lines that are no object or lack a field.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.jsonl")
    ...     _ = path.write_text('{"text": "hello", "label": 1, "id": 7}')
    ...     JSONLines(path, ["text", "label"])[0]
    ('hello', 1)
    """

    def __init__(
        self,
        path: File,
        fields: Sequence[str] | None = None,
        *,
        encoding: str = "utf-8",
        types: Types | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        path, kinds = Path(path), dict(types or {})
        rows: list[tuple[Any, ...]] = []
        names = list(fields) if fields is not None else None
        for line, value in json_rows(path, check_encoding(encoding), max_bytes):
            where = f"{path}:{line}"
            names = list(value) if names is None else names
            missing = [name for name in names if name not in value]
            if missing:
                raise FormatError(f"{where}: no field {missing[0]!r}; it has {sorted(value)}")
            rows.append(tuple(convert(value[n], kinds.get(n), where, n) for n in names))
        if names is None:
            raise FormatError(f"{path}: the file has no objects")
        unknown = sorted(str(name) for name in kinds if name not in names)
        if unknown:
            raise OptionError(f"JSONLines: types for {unknown}, but the fields are {names}")
        super().__init__(rows, names)
