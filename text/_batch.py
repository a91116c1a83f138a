"""From the contents of texts to a batch: truncation, special tokens, padding; as plain slices.

The rules are those of the tokenizers library and of Hugging Face's tokenizers (``longest_first``,
``only_first``, ``only_second``), carried out on numbers, so that no call changes a tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.errors import OptionError
from sensorium.tensor import Tensor

from ._spec import MAX_LENGTH
from ._template import Piece
from .encoding import Row

STRATEGIES = ("longest_first", "only_first", "only_second")


@dataclass(frozen=True, slots=True)
class Cut:
    """How texts are shortened: strategy None leaves them whole."""

    strategy: str | None
    max_length: int | None
    side: str


@dataclass(frozen=True, slots=True)
class Pad:
    """How rows are made equal: by the longest, to a length, or not at all (None)."""

    how: str | None
    length: int | None
    side: str
    multiple: int | None
    number: int | None


# -- options -------------------------------------------------------------------------------------
def as_strategy(truncation: bool | str) -> str | None:
    """truncation as a strategy; True is longest_first, False and "do_not_truncate" are None."""
    if truncation in (False, None, "do_not_truncate"):
        return None
    if truncation is True:
        return "longest_first"
    if truncation in STRATEGIES:
        return str(truncation)
    raise OptionError(f"tokenizer: truncation must be a bool or {STRATEGIES}, got {truncation!r}")


def as_padding(padding: bool | str) -> str | None:
    """padding as "longest", "max_length" or None."""
    if padding in (False, None, "do_not_pad"):
        return None
    if padding is True or padding == "longest":
        return "longest"
    if padding == "max_length":
        return "max_length"
    raise OptionError(
        f"tokenizer: padding must be a bool, 'longest' or 'max_length', got {padding!r}"
    )


def as_length(value: object, name: str, high: int = MAX_LENGTH) -> int | None:
    """A length in tokens, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= high:
        raise OptionError(f"tokenizer: {name} must be an integer from 1 to {high}, got {value!r}")
    return int(value)


def as_side(value: str, name: str) -> str:
    """Left or right."""
    if value not in ("left", "right"):
        raise OptionError(f"tokenizer: {name} must be 'left' or 'right', got {value!r}")
    return value


# -- truncation ----------------------------------------------------------------------------------
def kept_of(lengths: Sequence[int], cut: Cut, specials: int) -> tuple[slice, ...]:
    """The tokens of each text that fit into cut.max_length together with the special tokens."""
    if cut.strategy is None or cut.max_length is None:
        return tuple(slice(0, n) for n in lengths)
    room = cut.max_length - specials
    if room < 0:
        raise OptionError(
            f"tokenizer: max_length {cut.max_length} is below the {specials} special tokens "
            "that every text gets"
        )
    shares = _shares(lengths, room, cut.strategy)
    if cut.side == "right":
        return tuple(slice(0, share) for share in shares)
    return tuple(slice(n - share, n) for n, share in zip(lengths, shares))


def _shares(lengths: Sequence[int], room: int, strategy: str) -> list[int]:
    """How many tokens each text keeps."""
    over = sum(lengths) - room
    if over <= 0:
        return list(lengths)
    if strategy != "longest_first":
        which = STRATEGIES.index(strategy) - 1
        if which >= len(lengths) or lengths[which] < over:
            raise OptionError(
                f"tokenizer: truncation={strategy!r} cannot take {over} tokens from texts of "
                f"{list(lengths)} tokens"
            )
        return [n - over if i == which else n for i, n in enumerate(lengths)]
    if len(lengths) == 1:
        return [room]
    short, long = sorted(lengths)
    # The longer gives first; once both are too long they share evenly, the longer the odd token.
    long = max(short, room - short)
    if short + long > room:
        short, long = room // 2, room - room // 2
    return [short, long] if lengths[0] <= lengths[1] else [long, short]


# -- rows ----------------------------------------------------------------------------------------
def row_of(
    texts: tuple[Any, ...], ids: list[list[int]], cut: Cut, pieces: tuple[Piece, ...]
) -> Row:
    """One row: the texts shortened and put into the template."""
    kept = kept_of([len(i) for i in ids], cut, sum(len(piece.ids) for piece in pieces))
    numbers: list[int] = []
    for piece in pieces:
        numbers += piece.ids if piece.text is None else ids[piece.text][kept[piece.text]]
    return Row(texts, kept, pieces, numbers)


def width_of(rows: Sequence[Row], pad: Pad) -> int | None:
    """The common length of the rows, or None where they differ and are not to be padded."""
    lengths = {len(row.ids) for row in rows}
    width = max(lengths, default=0)
    if pad.how is None:
        return width if len(lengths) <= 1 else None
    if pad.how == "max_length" and pad.length is not None:
        width = max(width, pad.length)
    if pad.multiple:
        width = -(-width // pad.multiple) * pad.multiple
    if pad.number is None and lengths - {width}:
        raise OptionError(
            "tokenizer: these texts have to be padded but the tokenizer has no padding token; set "
            "one (tok.pad_token = tok.eos_token) or pass padding=False"
        )
    return width


def column(
    rows: Sequence[Row],
    values: Callable[[Row], Any],
    width: int | None,
    pad: Pad,
    fill: Any,
    inner: tuple[int, ...] = (),
) -> Any:
    """One named value of all rows: an int64 tensor (N, width, *inner), or lists without a width."""
    if width is None:
        return [values(row) for row in rows]
    table = np.full((len(rows), width, *inner), fill, np.int64)
    for i, row in enumerate(rows):
        found = values(row)
        start = width - len(row.ids) if pad.side == "left" else 0
        if len(row.ids):
            table[i, start : start + len(row.ids)] = found
    return Tensor(table)


def types_of(row: Row) -> list[int]:
    """The type id of every token of a row."""
    types: list[int] = []
    for piece in row.pieces:
        count = len(piece.ids)
        if piece.text is not None:
            count = row.kept[piece.text].stop - row.kept[piece.text].start
        types += [piece.type_id] * count
    return types


def offsets_of(row: Row) -> list[tuple[int, int]]:
    """The (start, end) characters of every token of a row; (0, 0) for special tokens."""
    return row.spread(lambda text: text.offsets, (0, 0))


def specials_of(row: Row) -> list[int]:
    """1 for the special tokens that the template added, else 0."""
    return [int(number is None) for number in row.text_numbers()]
