"""Timers and their statistics: against sums done by hand, a clock that is set, and PyTorch."""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import OptionError
from sensorium.utils.benchmark import Compare, Measurement, TaskSpec, Timer


class Clock:
    """A clock that only the statement moves."""

    def __init__(self):
        self.now, self.calls = 0.0, 0

    def __call__(self):
        return self.now

    def work(self, seconds=0.001):
        self.now += seconds
        self.calls += 1


def measurement(times, number=1, **spec):
    return Measurement(number, list(times), TaskSpec("f()", **spec))


# -- statistics ----------------------------------------------------------------------------------
def test_statistics_are_numpys():
    times = np.random.default_rng(0).gamma(2.0, 1e-3, 31).tolist()
    m = measurement(times, number=4)
    each = np.array(times) / 4
    assert m.times == pytest.approx(each)
    assert m.median == pytest.approx(np.median(each))
    assert m.mean == pytest.approx(each.mean())
    assert m.quartiles == pytest.approx(tuple(np.quantile(each, [0.25, 0.75])))
    assert m.iqr == pytest.approx(np.subtract(*np.quantile(each, [0.75, 0.25])))


def test_steady_times_are_trusted_and_noise_is_not():
    steady, noisy = measurement([1.0, 1.01, 1.02, 1.0]), measurement([1.0, 2.0, 3.0, 4.0])
    assert steady.meets_confidence() and not steady.has_warnings
    assert noisy.has_warnings and "WARNING" in repr(noisy)
    assert not measurement([1.0, 1.0]).meets_confidence()  # too few to know
    assert steady.significant_figures > noisy.significant_figures >= 1


def test_merge_joins_the_same_task_only():
    a, b = measurement([0.2], number=2), measurement([0.6, 0.3], number=3)
    c = measurement([1.0], label="another")
    one, two = Measurement.merge([a, c, b])
    assert one.times == pytest.approx([0.1, 0.2, 0.1])
    assert two.times == [1.0]


def test_a_report_says_what_was_timed():
    m = measurement([2e-6, 2.1e-6, 2.2e-6], label="ops", sub_label="n = 3", num_threads=2)
    text = repr(m)
    for part in ("ops: n = 3", "Median: 2.10 us", "3 measurements", "2 threads", "1 run per"):
        assert part in text
    assert "1 measurement, " in repr(measurement([1.0]))
    assert "no timings" in repr(measurement([]))


def test_no_timing_has_no_median():
    with pytest.raises(OptionError, match="no timing"):
        _ = measurement([]).median


@pytest.mark.peer
def test_median_iqr_and_confidence_are_pytorchs():
    benchmark = pytest.importorskip("torch.utils.benchmark")
    for seed in range(5):
        times = np.random.default_rng(seed).gamma(9.0, 1e-3, 25).tolist()
        ours = measurement(times, number=5)
        theirs = benchmark.Measurement(5, times, benchmark.TaskSpec("f()", "pass"))
        for name in ("median", "mean", "iqr", "number_per_run", "title", "as_row_name"):
            expected = getattr(theirs, name)
            wanted = pytest.approx(expected, rel=1e-5) if isinstance(expected, float) else expected
            assert getattr(ours, name) == wanted
        assert ours.meets_confidence(0.5) == theirs.meets_confidence(0.5)


# -- timers --------------------------------------------------------------------------------------
def test_timeit_divides_by_the_number_of_runs():
    clock = Clock()
    m = Timer("work(0.003)", timer=clock, globals={"work": clock.work}).timeit(50)
    assert (m.number_per_run, len(m.raw_times)) == (50, 1)
    assert m.median == pytest.approx(0.003)
    assert clock.calls == 50 + 2  # warmed up


def test_repeat_times_each():
    clock = Clock()
    m = Timer(clock.work, timer=clock).repeat(7, 2)
    assert (len(m.raw_times), m.number_per_run) == (7, 2)
    assert m.median == pytest.approx(0.001)


def test_blocked_autorange_runs_for_so_long():
    clock, told = Clock(), []
    timer = Timer("work(1e-5)", timer=clock, globals={"work": clock.work})
    m = timer.blocked_autorange(lambda n, s: told.append((n, s)), min_run_time=0.1)
    assert sum(m.raw_times) >= 0.1
    assert m.number_per_run == 10  # 1e-4 s a block: a thousandth of the whole
    assert told == [(10, pytest.approx(1e-4))] * len(m.raw_times)
    assert m.median == pytest.approx(1e-5)


def test_adaptive_autorange_stops_when_steady_and_at_the_latest_in_time():
    clock = Clock()
    steady = Timer("work()", timer=clock, globals={"work": clock.work}).adaptive_autorange()
    assert sum(steady.raw_times) < 0.05
    lengths = iter(2.0 ** (n % 8) * 1e-3 for n in range(100_000))
    noisy = Timer(
        "work(next(lengths))", timer=clock, globals={"work": clock.work, "lengths": lengths}
    )
    m = noisy.adaptive_autorange(max_run_time=3.0)
    assert 3.0 <= sum(m.raw_times) < 3.3


def test_setups_run_before_and_are_not_timed():
    clock = Clock()
    names = {"work": clock.work}
    m = Timer("work(x)", "work(100.0)", "x = 0.5", timer=clock, globals=names).timeit(4)
    assert m.median == pytest.approx(0.5)


def test_indented_statements_are_dedented():
    clock = Clock()
    stmt = """
        for _ in range(2):
            work(0.25)
    """
    m = Timer(stmt, timer=clock, globals={"work": clock.work}).timeit(3)
    assert m.median == pytest.approx(0.5)


def test_a_real_clock_sees_a_sleep():
    m = Timer("sleep(0.002)", globals={"sleep": time.sleep}).repeat(3, 1)
    assert 0.002 <= m.median < 0.2


def test_threads_are_set_inside_and_put_back():
    seen, before = [], sn.get_num_threads()
    Timer(lambda: seen.append(sn.get_num_threads()), num_threads=2).timeit(1)
    assert set(seen) == {2}
    assert sn.get_num_threads() == before


def test_errors_of_the_statement_are_its_own():
    before = sn.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        Timer("1 / 0", num_threads=before + 1).timeit(1)
    assert sn.get_num_threads() == before


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Timer(num_threads=0), "num_threads must be 1 or more, got 0"),
        (lambda: Timer().timeit(0), "number must be 1 or more, got 0"),
        (lambda: Timer().repeat(3), "counts of 1 or more, got 3 and -1"),
        (lambda: Compare([1.0]), "wants Measurements, got float"),
    ],
)
def test_what_is_wrong_is_said(call, words):
    with pytest.raises(OptionError, match=words):
        call()


# -- tables --------------------------------------------------------------------------------------
def grid():
    times = {
        ("a", "old", 1): 4e-3,
        ("a", "new", 1): 1e-3,
        ("b", "old", 1): 5e-3,
        ("a", "old", 2): 2e-3,
    }
    return [
        measurement([t] * 3, label="f", sub_label=row, description=column, num_threads=threads)
        for (row, column, threads), t in times.items()
    ]


def test_a_table_has_a_row_a_label_and_a_column_a_description():
    lines = str(Compare(grid())).splitlines()
    assert lines[0].startswith("[-") and " f " in lines[0]
    assert [cell.strip() for cell in lines[1].split("|")] == ["", "old", "new"]
    assert lines[2].startswith("1 threads: ---")
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if "|" in line][1:]
    assert rows == [["a", "4.0", "1.0"], ["b", "5.0", ""], ["a", "2.0", ""]]
    assert lines[5].startswith("2 threads: ---")
    assert lines[-1] == "Times are in milliseconds (ms)."
    assert len({len(line) for line in lines if "|" in line}) == 1


def test_labels_have_tables_of_their_own():
    text = str(Compare([measurement([1.0], label="f"), measurement([2.0], label="g")]))
    assert text.count("Times are in") == 2


def test_colour_marks_the_shortest_and_warnings_the_noisy(capsys):
    table = Compare(grid())
    table.extend_results([measurement([1.0, 2.0, 4.0, 9.0], label="f", sub_label="c")])
    table.colorize()
    table.highlight_warnings()
    table.print()
    text = capsys.readouterr().out
    assert "\033[92m\033[1m1.0\033[0m" in text
    assert "4.0\033" not in text
    assert "(! " in text


def test_figures_are_trimmed_to_what_is_known():
    times = [1.2345e-3 * (1 + 0.05 * (-1) ** n) for n in range(9)]
    table = Compare([measurement(times)])
    full = str(table)
    table.trim_significant_figures()
    assert len(str(table).splitlines()[3]) <= len(full.splitlines()[3]) + 1
    assert f"{statistics.median(times) * 1e3:.5f}" not in str(table)
