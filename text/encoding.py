"""A batch of encoded texts: ``Encoding``, a dict of tensors that a model takes as keywords."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sensorium.errors import OptionError, OutOfBoundsError
from sensorium.tensor import Tensor

from ._template import Piece


@dataclass(frozen=True, slots=True)
class Row:
    """One encoded text or pair before padding: the library's encodings and the tokens kept."""

    texts: tuple[Any, ...]  # the library's encoding of each text
    kept: tuple[slice, ...]  # the tokens of each that truncation left
    pieces: tuple[Piece, ...]
    ids: list[int]

    def spread(self, of_text: Callable[[Any], list[Any]], special: Any) -> list[Any]:
        """A value for every token: of_text(encoding)[i] in a text, ``special`` in between."""
        values: list[Any] = []
        for piece in self.pieces:
            if piece.text is None:
                values += [special] * len(piece.ids)
            else:
                values += of_text(self.texts[piece.text])[self.kept[piece.text]]
        return values

    def text_numbers(self) -> list[int | None]:
        """0 or 1 for the tokens of a text, None for special tokens."""
        values: list[int | None] = []
        for piece in self.pieces:
            count = len(piece.ids)
            if piece.text is not None:
                kept = self.kept[piece.text]
                count = kept.stop - kept.start
            values += [piece.text] * count
        return values


class Encoding(dict[str, Any]):
    """What a tokenizer returns: names to int64 tensors (N, T), or to lists where lengths differ.

    ``model(**encoding)`` works, ``encoding.input_ids`` is ``encoding["input_ids"]``, ``.to(device)``
    moves the tensors. ``tokens``, ``word_ids``, ``sequence_ids`` and ``char_to_token`` say where a
    row's tokens come from; they are not kept when an encoding goes to another process.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        rows: tuple[Row, ...] | None = None,
        shifts: tuple[int, ...] = (),
        width: int = 0,
        token_of: Callable[[int], str | None] | None = None,
    ) -> None:
        super().__init__(values)
        self._rows, self._shifts, self._width, self._token_of = rows, shifts, width, token_of

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"Encoding has no {name!r}; it has {sorted(self)}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Encoding, (dict(self),)

    def to(self, device: Any) -> Encoding:
        """The same with every tensor on a device."""
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in self.items()}
        return Encoding(moved, self._rows, self._shifts, self._width, self._token_of)

    # -- where tokens come from ------------------------------------------------------------------
    def tokens(self, row: int = 0) -> list[str | None]:
        """The tokens of a row as strings; None where it is padded."""
        token_of = self._token_of
        if token_of is None:
            raise self._lost()
        return self._padded(row, [token_of(number) for number in self._row(row).ids])

    def word_ids(self, row: int = 0) -> list[int | None]:
        """For each token the number of its word in its text; None for special tokens and padding."""
        return self._padded(row, self._row(row).spread(lambda text: text.word_ids, None))

    def sequence_ids(self, row: int = 0) -> list[int | None]:
        """For each token 0 or 1, the text it is of; None for special tokens and padding."""
        return self._padded(row, self._row(row).text_numbers())

    def char_to_token(self, row: int, char: int, text: int = 0) -> int | None:
        """The place in the row of the token that covers character ``char`` of a text, if any."""
        spans = self._padded(row, self._row(row).spread(lambda found: found.offsets, None))
        numbers = self.sequence_ids(row)
        for place, (span, number) in enumerate(zip(spans, numbers)):
            if number == text and span is not None and span[0] <= char < span[1]:
                return place
        return None

    def _row(self, row: int) -> Row:
        if self._rows is None:
            raise self._lost()
        if not -len(self._rows) <= row < len(self._rows):
            raise OutOfBoundsError(f"Encoding: row {row} of {len(self._rows)}")
        return self._rows[row]

    def _padded(self, row: int, values: list[Any]) -> list[Any]:
        shift = self._shifts[row]
        return [None] * shift + values + [None] * (self._width - shift - len(values))

    @staticmethod
    def _lost() -> OptionError:
        return OptionError(
            "Encoding: where tokens come from is not kept across processes; "
            "ask the tokenizer for offsets=True where they are needed"
        )
