"""What the command prints: lines and tables for people, or one JSON document for programs.

Results go to stdout, notes and errors to stderr. No colours; bars are drawn with block characters
where the terminal's encoding has them, with ``#`` elsewhere.
"""

from __future__ import annotations

import json as jsons
import sys
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 80
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Output:
    """Where a command's words go. With ``json`` lines are dropped: the document says it all."""

    def __init__(self, *, json: bool) -> None:
        self.json = json

    def line(self, text: str = "") -> None:
        """A line of the result."""
        if not self.json:
            print(_printable(text, sys.stdout))

    def lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.line(text)

    def note(self, text: str) -> None:
        """Progress or a problem, on stderr."""
        sys.stdout.flush()
        print(_printable(text, sys.stderr), file=sys.stderr, flush=True)

    def document(self, value: Any) -> None:
        """The JSON document; nothing without ``--json``."""
        if self.json:
            print(jsons.dumps(value, indent=1))


def _printable(text: str, stream: Any) -> str:
    """text with what the stream's encoding lacks replaced, so that printing cannot fail."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def bar(share: float, width: int) -> str:
    """share in [0, 1] of ``width`` characters, in eighths.

    >>> bar(0.5, 4).rstrip() in {"██", "##"}
    True
    """
    if not _has_blocks():
        return ("#" * round(share * width)).ljust(width)
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def _has_blocks() -> bool:
    try:
        _EIGHTHS.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Rows as lines, columns aligned; those numbered in ``right`` to the right.

    >>> table([["a", "10"], ["long", "9"]], right=[1])
    ['a     10', 'long   9']
    """
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cell.rjust(width) if k in right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def ranking(labels: Sequence[tuple[str, float]], indent: int = 4) -> list[str]:
    """A line for each label: percentage, bar, name."""
    return [
        f"{' ' * indent}{100 * score:5.1f}%  {bar(score, 28)}  {name[: WIDTH - indent - 38]}"
        for name, score in labels
    ]


def size(count: int) -> str:
    """Bytes for people.

    >>> size(18826032), size(512)
    ('18.8 MB', '512 B')
    """
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return ""
