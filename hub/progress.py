"""A progress bar for a transfer: tqdm on a terminal, nothing anywhere else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol


class Bar(Protocol):
    """What a transfer reports to: bytes so far, and how many there will be (None: unknown)."""

    def __call__(self, done: int, total: int | None) -> None: ...


@contextlib.contextmanager
def bar(name: str) -> Iterator[Bar]:
    """Report bytes under ``name`` on standard error; silent when that is not a terminal.

    >>> with bar("weights") as report:
    ...     report(10, 100)
    """
    if not _is_terminal():
        yield lambda done, total: None
        return
    from tqdm import tqdm

    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1024, leave=False) as shown:

        def report(done: int, total: int | None) -> None:
            shown.total = total
            shown.update(done - shown.n)  # negative after a restart, which tqdm accepts

        yield report


def _is_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # a closed stream
        return False
