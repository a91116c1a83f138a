"""Events added up by name: ``EventList.key_averages()`` and its table.

A call inside a call of the same name adds to the count and to the time of its own (self), but its
time is part of the outer's total already. PyTorch adds it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

from ..errors import OptionError
from ._table import table
from .events import FunctionEvent


class FunctionEventAvg:
    """What the calls of one name (and shapes, and lines) add up to; times in microseconds."""

    def __init__(self, event: FunctionEvent) -> None:
        self.key, self.kind = event.name, event.kind
        self.input_shapes, self.stack = event.input_shapes, event.stack
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.primitive_time_total = self.self_primitive_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.bytes_in = self.bytes_out = 0
        self._primitives: dict[str, int] = {}

    def add(self, event: FunctionEvent) -> None:
        """Count another call."""
        self.count += 1
        self.self_cpu_time_total += event.self_cpu_time_total
        self.self_cpu_memory_usage += event.self_cpu_memory_usage
        self.self_primitive_time_total += event.self_primitive_time_total
        self.bytes_in += event.bytes_in
        self.bytes_out += event.bytes_out
        spent = self._primitives.get(event.primitive, 0)
        self._primitives[event.primitive] = spent + event.longest_ns
        if not _inside_its_like(event):
            self.cpu_time_total += event.cpu_time_total
            self.cpu_memory_usage += event.cpu_memory_usage
            self.primitive_time_total += event.primitive_time_total

    @property
    def cpu_time(self) -> float:
        """The total for one call."""
        return self.cpu_time_total / self.count

    @property
    def primitive(self) -> str:
        """The implementation that took longest, or "numpy"."""
        return max(self._primitives, key=lambda name: self._primitives[name])

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg {self.key}: {self.count} calls, {self.cpu_time_total:.3f} us, "
            f"self {self.self_cpu_time_total:.3f} us, {self.primitive}>"
        )


def _inside_its_like(event: FunctionEvent) -> bool:
    above = event.cpu_parent
    while above is not None:
        if above.name == event.name:
            return True
        above = above.cpu_parent
    return False


class EventList(Sequence[Any]):
    """Events, or what they add up to; ``table()`` prints either.

    >>> from sensorium.profiler import profile, record_function
    >>> with profile() as p:
    ...     for _ in range(3):
    ...         with record_function("step"):
    ...             pass
    >>> [(row.key, row.count) for row in p.key_averages()]
    [('step', 3)]
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = list(items)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __repr__(self) -> str:
        return repr(self._items)

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all, each moment of a thread counted once."""
        return float(sum(item.self_cpu_time_total for item in self))

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0
    ) -> EventList:
        """One item for each name (and shapes, and innermost n lines), in order of appearance."""
        found: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = str(event.input_shapes) if group_by_input_shape else ""
            key = event.name, shapes, tuple(event.stack[:group_by_stack_n])
            if key not in found:
                found[key] = FunctionEventAvg(event)
                found[key].input_shapes = event.input_shapes if group_by_input_shape else []
                found[key].stack = event.stack[:group_by_stack_n]
            found[key].add(event)
        return EventList(found.values())

    def total_average(self) -> FunctionEventAvg:
        """All events as one; times of events inside others are in their self time only."""
        if not self._items:
            raise OptionError("total_average: there are no events")
        total = FunctionEventAvg(self[0])
        total.key = "Total"
        for event in self:
            total.add(event)
        total.cpu_time_total = total.self_cpu_time_total
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """Columns of names, times and counts; of bytes, memory, shapes and lines if recorded.

        sort_by: "self_cpu_time_total", "cpu_time_total", "cpu_time", "count", "bytes_in",
        "bytes_out", "cpu_memory_usage", "self_cpu_memory_usage", "primitive_time_total"; None: as
        they came. row_limit: -1 for all rows.
        """
        if sort_by is not None and sort_by not in _SORTS:
            raise OptionError(
                f"table: sort_by must be one of {', '.join(sorted(_SORTS))}, got {sort_by!r}"
            )
        items = self._items
        if top_level_events_only:
            items = [item for item in items if getattr(item, "cpu_parent", None) is None]
        if sort_by is not None:
            items = sorted(items, key=_by(sort_by), reverse=True)
        shown = items if row_limit < 0 else items[:row_limit]
        widths = max_name_column_width, max_shapes_column_width
        return table(shown, self._items, widths, header)


def _by(name: str) -> Callable[[Any], float]:
    return lambda item: float(getattr(item, name))


_SORTS = {
    "bytes_in",
    "bytes_out",
    "count",
    "cpu_memory_usage",
    "cpu_time",
    "cpu_time_total",
    "primitive_time_total",
    "self_cpu_memory_usage",
    "self_cpu_time_total",
}
