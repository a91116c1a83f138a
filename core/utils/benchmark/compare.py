"""``Compare``: measurements as a table, a column a description, a row a sub-label."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from ...errors import OptionError
from .measurement import Measurement, rounded, unit_of

_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_GREEN, _END = "\033[92m\033[1m", "\033[0m"


class Compare:
    """A table of measurements: one for each label, parted by the number of threads.

    >>> from sensorium.utils.benchmark import Measurement, TaskSpec
    >>> one = TaskSpec("f()", label="f", sub_label="n = 1", description="old")
    >>> two = TaskSpec("f()", label="f", sub_label="n = 1", description="new")
    >>> print(Compare([Measurement(1, [3e-3], one), Measurement(1, [1e-3], two)]))
    [----------- f -----------]
                 |  old  |  new
    1 threads: -----------------
          n = 1  |  3.0  |  1.0
    <BLANKLINE>
    Times are in milliseconds (ms).
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results: list[Measurement] = []
        self._trim = self._colours = self._warn = False
        self.extend_results(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements."""
        results = list(results)
        for m in results:
            if not isinstance(m, Measurement):
                raise OptionError(f"Compare: wants Measurements, got {type(m).__name__}")
        self._results += results

    def trim_significant_figures(self) -> None:
        """Print no more figures than the spread leaves meaningful."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Print the shortest time of a row in colour. rowwise: as PyTorch has it; always so here."""
        self._colours = True

    def highlight_warnings(self) -> None:
        """Mark times whose spread is large by (! and the spread in per cent)."""
        self._warn = True

    def print(self) -> None:
        """Write the tables to stdout."""
        sys.stdout.write(f"{self}\n")

    def __str__(self) -> str:
        merged = Measurement.merge(self._results)
        labels = list(dict.fromkeys(m.task_spec.label or m.task_spec.stmt for m in merged))
        tables = [
            self._table(
                label, [m for m in merged if (m.task_spec.label or m.task_spec.stmt) == label]
            )
            for label in labels
        ]
        return "\n\n".join(tables)

    # -- one table -------------------------------------------------------------------------------
    def _table(self, label: str, found: Sequence[Measurement]) -> str:
        heads = list(dict.fromkeys(_head(m) for m in found))
        unit, size = unit_of(min(m.median for m in found))
        body: list[list[str] | int] = []  # a number: the rows below ran on so many threads
        for threads in sorted({m.num_threads for m in found}):
            body.append(threads)
            own = [m for m in found if m.num_threads == threads]
            for name in dict.fromkeys(_row(m) for m in own):
                cells = {_head(m): m for m in own if _row(m) == name}
                body.append([f"      {name}", *self._cells(cells, heads, size)])
        lines = _laid_out(label, ["", *heads], body)
        return "\n".join([*lines, "", f"Times are in {_NAMES[unit]} ({unit})."])

    def _cells(self, row: dict[str, Measurement], heads: Sequence[str], size: float) -> list[str]:
        """The medians of a row, in the order of the headings."""
        best = min(m.median for m in row.values())
        cells = []
        for head in heads:
            m = row.get(head)
            text = "" if m is None else self._time(m, size)
            if m is not None and self._colours and m.median == best and len(row) > 1:
                text = f"{_GREEN}{text}{_END}"
            cells.append(text)
        return cells

    def _time(self, m: Measurement, size: float) -> str:
        value = rounded(m.median, m.significant_figures) if self._trim else m.median
        places = 1
        if self._trim:
            magnitude = len(str(int(value / size)))
            places = max(0, m.significant_figures - magnitude)
        text = f"{value / size:.{places}f}"
        if self._warn and m.has_warnings and len(m.times) > 1:
            text += f" (! {100 * m.iqr / m.median:.0f}%)"
        return text


def _head(m: Measurement) -> str:
    return m.task_spec.description or ""


def _row(m: Measurement) -> str:
    name = m.as_row_name
    return f"{name} ({m.task_spec.env})" if m.task_spec.env else name


def _width(text: str) -> int:
    """Of what is seen: colours take no place."""
    return len(text.replace(_GREEN, "").replace(_END, ""))


def _laid_out(label: str, heads: list[str], body: Sequence[list[str] | int]) -> list[str]:
    """Title, headings and rows, columns aligned."""
    rows = [heads, *(row for row in body if isinstance(row, list))]
    sizes = [max(_width(cell) for cell in column) for column in zip(*rows)]
    total = sum(sizes) + 5 * (len(sizes) - 1)
    lines = [f"[{f' {label} '.center(max(total - 2, len(label) + 2), '-')}]", _joined(heads, sizes)]
    for row in body:
        if isinstance(row, int):
            lines.append(f"{row} threads: ".ljust(total + 1, "-"))
        else:
            lines.append(_joined(row, sizes))
    return lines


def _joined(cells: Sequence[str], sizes: Sequence[int]) -> str:
    others = [" " * (size - _width(c)) + c for c, size in zip(cells[1:], sizes[1:])]
    return "  |  ".join([cells[0].ljust(sizes[0]), *others])
