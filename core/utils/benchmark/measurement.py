"""``Measurement``: the times of one task, and what they say."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...errors import OptionError

_ENOUGH = 3  # times, to speak of their spread
_TRUSTED, _DOUBTFUL = 0.10, 0.25  # spread in units of the median


@dataclass(frozen=True)
class TaskSpec:
    """What was timed, and how it is called in a table."""

    stmt: str
    setup: str = "pass"
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label with the sub-label, or the statement where there is no label."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt if "\n" not in self.stmt else f"stmt:\n{_indented(self.stmt)}"

    def setup_str(self) -> str:
        """The setup as the report shows it; empty if there is none."""
        if self.setup in ("pass", ""):
            return ""
        if "\n" not in self.setup:
            return f"setup: {self.setup}"
        return f"setup:\n{_indented(self.setup)}"

    def summarize(self) -> str:
        """Title, description and setup, a line each."""
        parts = [self.title, self.description, self.setup_str()]
        return "\n".join(part for part in parts if part)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


def unit_of(seconds: float) -> tuple[str, float]:
    """The unit that suits a time, and its seconds.

    >>> unit_of(0.0021), unit_of(3.0)
    (('ms', 0.001), ('s', 1.0))
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return unit, size
    return "ns", 1e-9


def rounded(value: float, figures: int) -> float:
    """value to so many significant figures.

    >>> rounded(0.123456, 2), rounded(98765, 2)
    (0.12, 99000.0)
    """
    if value == 0 or not math.isfinite(value):
        return value
    return float(round(value, figures - 1 - math.floor(math.log10(abs(value)))))


@dataclass
class Measurement:
    """Several timings of one task; times are seconds for one run of the statement.

    >>> m = Measurement(10, [0.2, 0.3, 0.4], TaskSpec("f()"))
    >>> round(m.median, 3), round(m.mean, 3), round(m.iqr, 3)
    (0.03, 0.03, 0.01)
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[str, Any] | None = field(default=None)

    @cached_property
    def times(self) -> list[float]:
        """Seconds for one run, one value a timing."""
        return [time / self.number_per_run for time in self.raw_times]

    @property
    def median(self) -> float:
        return statistics.median(self._some())

    @property
    def mean(self) -> float:
        return statistics.fmean(self._some())

    @property
    def iqr(self) -> float:
        """The range of the middle half: the third quartile less the first."""
        low, high = self.quartiles
        return high - low

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third, interpolated between timings."""
        times = sorted(self._some())
        return _quantile(times, 0.25), _quantile(times, 0.75)

    @property
    def significant_figures(self) -> int:
        """Figures of the median that its spread leaves meaningful, 1 to 5.

        The interquartile range of a normal distribution is 1.349 standard deviations; the median is
        uncertain by 1.253 of them over the root of the count.
        """
        spread = self.iqr / 1.349 * 1.253 / math.sqrt(len(self.times))
        if spread <= 0:
            return 5
        return max(1, min(5, math.floor(math.log10(self.median / spread)) + 1))

    @property
    def has_warnings(self) -> bool:
        """Whether the spread is too large to trust the median."""
        return not self.meets_confidence()

    def meets_confidence(self, threshold: float = _TRUSTED) -> bool:
        """Whether the middle half of the times spans less than threshold times the median."""
        return len(self.times) >= _ENOUGH and self.iqr < threshold * self.median

    # -- what was timed --------------------------------------------------------------------------
    @property
    def title(self) -> str:
        return self.task_spec.title

    @property
    def env(self) -> str:
        """What it ran in, where that was said."""
        return self.task_spec.env or "Unspecified env"

    @property
    def num_threads(self) -> int:
        return self.task_spec.num_threads

    @property
    def as_row_name(self) -> str:
        """Its name in a table."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Measurements of the same task as one, every timing with the same weight.

        >>> a, b = (Measurement(n, [0.1 * n], TaskSpec("f()")) for n in (1, 2))
        >>> Measurement.merge([a, b])[0].times
        [0.1, 0.1]
        """
        found: dict[TaskSpec, list[Measurement]] = {}
        for m in measurements:
            found.setdefault(m.task_spec, []).append(m)
        return [
            Measurement(1, [time for m in same for time in m.times], spec)
            for spec, same in found.items()
        ]

    def _some(self) -> list[float]:
        if not self.raw_times:
            raise OptionError(f"Measurement: no timing of {self.title!r}")
        return self.times

    def __repr__(self) -> str:
        if not self.raw_times:
            return f"Measurement of {self.task_spec.summarize()}: no timings"
        return "\n".join([f"<{type(self).__name__}>", self.task_spec.summarize(), *self._figures()])

    def _figures(self) -> list[str]:
        """Median, spread and counts; with a warning where the spread is large."""
        unit, size = unit_of(self.median)
        n, threads = len(self.times), self.num_threads
        runs = f"{self.number_per_run} run{'s' * (self.number_per_run > 1)} per measurement"
        end = f"{runs}, {threads} thread{'s' * (threads > 1)}"
        if n == 1:
            return [f"  {self.median / size:.2f} {unit}", f"  1 measurement, {end}"]
        low, high = self.quartiles
        lines = [
            f"  {'Median' if n > 2 else 'Mean'}: {self.median / size:.2f} {unit}",
            f"  IQR:    {self.iqr / size:.2f} {unit} ({low / size:.2f} to {high / size:.2f})",
            f"  {n} measurements, {end}",
        ]
        if n >= _ENOUGH and self.has_warnings:
            share = 100 * self.iqr / self.median
            strong = "could" if self.meets_confidence(_DOUBTFUL) else "is likely to"
            lines.append(
                f"  WARNING: the IQR is {share:.0f}% of the median; noise {strong} hide it"
            )
        return lines


def _quantile(times: list[float], share: float) -> float:
    """Of sorted times, linear between neighbours."""
    place = share * (len(times) - 1)
    below = math.floor(place)
    above = min(below + 1, len(times) - 1)
    return times[below] + (times[above] - times[below]) * (place - below)
