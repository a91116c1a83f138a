"""``Timer``: runs a statement often enough to say how long it takes.

The loop is that of the standard library's ``timeit``; here are the number of threads, the choice of
how often to run, and names for a table.
"""

from __future__ import annotations

import contextlib
import statistics
import timeit as standard
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter as timer
from typing import Any

from ...backends.cpu.threads import get_num_threads, set_num_threads
from ...errors import OptionError
from .measurement import Measurement, TaskSpec

Report = Callable[[int, float], Any]

_MOST = 2**31 - 1
_OVERHEAD = 1e-4  # the clock's own time, as a share of a block's


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads of the CPU engine inside."""
    before = get_num_threads()
    if before == number:  # setting the number drops compiled primitives
        yield
        return
    set_num_threads(number)
    try:
        yield
    finally:
        set_num_threads(before)


class Timer:
    """Times a statement.

    stmt, setup, global_setup   Python code, or for stmt a function without arguments; both setups run
                    before every measurement and are not timed
    timer           the clock, in seconds
    globals         names that the code sees
    label, sub_label, description, env    names for ``Compare``: table, row, column, and what differs
    num_threads     of the CPU engine, while it runs

    >>> import sensorium as sn
    >>> t = Timer("x * 2", globals={"x": sn.ones(3)}, label="small ops", description="mul")
    >>> t.timeit(10).number_per_run
    10
    """

    def __init__(
        self,
        stmt: str | Callable[[], Any] = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: Mapping[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
    ) -> None:
        if num_threads < 1:
            raise OptionError(f"Timer: num_threads must be 1 or more, got {num_threads}")
        text = stmt if isinstance(stmt, str) else getattr(stmt, "__name__", repr(stmt))
        self._task_spec = TaskSpec(
            text, setup, global_setup, label, sub_label, description, env, num_threads
        )
        before = "\n".join(part for part in (global_setup, setup) if part)
        self._timer = standard.Timer(
            _dedented(stmt) if isinstance(stmt, str) else stmt,
            _dedented(before),
            timer,
            dict(globals or {}),
        )

    # -- how often to run ------------------------------------------------------------------------
    def timeit(self, number: int = 1000000) -> Measurement:
        """One timing of so many runs, after a hundredth of them (at least 2) to warm up."""
        if number < 1:
            raise OptionError(f"timeit: number must be 1 or more, got {number}")
        with _threads(self._task_spec.num_threads):
            self._timer.timeit(max(number // 100, 2))
            return self._measured(number, [self._timer.timeit(number)])

    def repeat(self, repeat: int = -1, number: int = -1) -> Measurement:
        """``repeat`` timings of ``number`` runs each; both must be given."""
        if repeat < 1 or number < 1:
            raise OptionError(f"repeat: wants counts of 1 or more, got {repeat} and {number}")
        with _threads(self._task_spec.num_threads):
            self._timer.timeit(2)
            return self._measured(number, [self._timer.timeit(number) for _ in range(repeat)])

    def autorange(self, callback: Report | None = None) -> Measurement:
        """``blocked_autorange``; the name that the standard library has."""
        return self.blocked_autorange(callback)

    def blocked_autorange(
        self, callback: Report | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Timings of blocks for min_run_time seconds in all.

        A block is so long that the clock's own time does not count. callback(number, seconds) is
        called after each.
        """
        return self._loop(min_run_time, min_run_time, callback, lambda m: True)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Report | None = None,
    ) -> Measurement:
        """Timings of blocks until their middle half spans less than threshold times the median.

        At least for min_run_time and not much longer than max_run_time seconds.
        """

        def steady(m: Measurement) -> bool:
            return len(m.raw_times) > 3 and m.meets_confidence(threshold)

        return self._loop(min_run_time, max_run_time, callback, steady, 0.05)

    def _loop(
        self,
        least: float,
        most: float,
        callback: Report | None,
        enough: Callable[[Measurement], bool],
        block_for: float | None = None,
    ) -> Measurement:
        """Blocks until ``least`` seconds have passed and it is enough, or ``most`` have."""
        with _threads(self._task_spec.num_threads):
            number = self._block_size(least if block_for is None else block_for)
            times: list[float] = []
            while True:
                times.append(self._timer.timeit(number))
                if callback is not None:
                    callback(number, times[-1])
                total = sum(times)
                if total >= most or (total >= least and enough(self._measured(number, times))):
                    return self._measured(number, times)

    def _block_size(self, run_time: float) -> int:
        """Runs a block: the first power of ten that takes long enough."""
        overhead = statistics.median(self._timer.timeit(0) for _ in range(5))
        number = 1
        while True:
            took = self._timer.timeit(number)
            if overhead <= _OVERHEAD * took and took >= run_time / 1000:
                return number
            if took > run_time or number * 10 > _MOST:
                return number
            number *= 10

    def _measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._task_spec)


def _dedented(code: str) -> str:
    import textwrap

    return textwrap.dedent(code).strip("\n") or "pass"
