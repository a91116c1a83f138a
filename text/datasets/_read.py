"""Text files read whole, within limits, with errors that name the file and the line."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sensorium.errors import CorruptError, FormatError, LimitError, OptionError
from sensorium.io._json import loads

File = str | os.PathLike[str]

MAX_BYTES = 1 << 30
"""Bytes of one table that are read unless told otherwise; all of it is kept in memory."""
MAX_TEXT = 16 << 20
"""Bytes of one text of a folder."""
_MAX_DEPTH = 64


def read_text(path: Path, encoding: str, max_bytes: int) -> str:
    """The text of a file, a byte-order mark left out."""
    size = path.stat().st_size
    if size > max_bytes:
        raise LimitError(f"{path}: {size} bytes; at most {max_bytes} are read (max_bytes)")
    try:
        text = path.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise CorruptError(f"{path}:{line}: not {encoding} at byte {error.start}") from None
    return text.removeprefix("\ufeff")


def check_encoding(encoding: str) -> str:
    """The name of a text encoding that exists."""
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise OptionError(f"encoding {encoding!r} is not known") from None


def csv_rows(
    path: Path, delimiter: str, encoding: str, max_bytes: int
) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every row; quotes as in RFC 4180, all rows of one width."""
    # newline="": the csv module reads line ends inside quotes itself.
    text = io.StringIO(read_text(path, encoding, max_bytes), newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    width, line = None, 1
    try:
        for row in reader:
            if row and width is None:
                width = len(row)
            if row and len(row) != width:
                raise FormatError(
                    f"{path}:{line}: {len(row)} fields where the first row has {width}"
                )
            if row:  # an empty line is not a row
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise FormatError(f"{path}:{line}: {error}") from None


def json_rows(path: Path, encoding: str, max_bytes: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of every line that is not blank."""
    # Not splitlines: U+2028 may stand inside a JSON string.
    lines = read_text(path, encoding, max_bytes).split("\n")
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        value = loads(text, f"{path}:{line}", _MAX_DEPTH)
        if not isinstance(value, dict):
            raise FormatError(f"{path}:{line}: want an object, got {type(value).__name__}")
        yield line, value


# -- values --------------------------------------------------------------------------------------
Types = Mapping[str | int, Callable[[Any], Any]]


def convert(value: Any, kind: Callable[[Any], Any] | None, where: str, column: object) -> Any:
    """value as its column's type; whatever the type says about it becomes a ``FormatError``."""
    if kind is None:
        return value
    try:
        return kind(value)
    except (ValueError, TypeError, KeyError, ArithmeticError):
        name = getattr(kind, "__name__", repr(kind))
        raise FormatError(f"{where}: column {column!r}: {value!r:.60} is not {name}") from None


def places(columns: Sequence[str | int] | None, header: Sequence[str] | None, width: int,
           where: str) -> list[int]:  # fmt: skip
    """Columns by name or number as numbers."""
    if columns is None:
        return list(range(width))
    return [_place(column, header, width, where) for column in columns]


def _place(column: str | int, header: Sequence[str] | None, width: int, where: str) -> int:
    if isinstance(column, int):
        if not 0 <= column < width:
            raise FormatError(f"{where}: no column {column}; rows have {width} fields")
        return column
    if header is None:
        raise OptionError(f"column {column!r} by name needs header=True ({where})")
    if list(header).count(column) != 1:
        raise FormatError(f"{where}: column {column!r} is not once in the header {list(header)}")
    return list(header).index(column)
