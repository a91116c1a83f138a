"""Comparing fairly: contenders take turns, and what is reported is a ratio from one run.

    race        times contenders A B C A B C ..., after warm-up, in rotating order
    Remote      a contender alone in a process of its own; ``serve`` is that process's side
    local       a contender within this process, for what takes microseconds
    Table       one comparison: contenders, their times, what was checked, what was left out
    Report      tables and the machine they were made on; written as JSON and as Markdown
    machine     CPU, cores, vector instructions, versions, threads, load, date

Absolute times belong to a machine and a minute; the ratio of two times taken next to each other
travels. So ratios are computed round by round and the median of those is what counts. Each turn is
preceded by a short pause: OpenMP's workers spin for a while after their work, and would otherwise
take the core from the contender that comes next.

Users of a peer run it without us, so a contender gets a process of its own. malloc's policy, which
our CPU engine sets, and the pools of OpenMP and BLAS belong to a process: within ours, PyTorch was
seen to run 20-40% faster than alone. Those not at turn wait for a line, which costs no CPU time.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Self

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
LIBRARIES = (
    "sensorium",
    "numpy",
    "onednn-cpu-gomp",
    "tokenizers",
    "torch",
    "transformers",
    "onnxruntime",
    "onnx",
)
PAUSE = 0.05  # seconds: longer than libgomp's default spinning

Run = Callable[[], object]
Turn = Callable[[int], float]  # number of calls -> seconds for all of them


# -- timing --------------------------------------------------------------------------------------
def race(
    contenders: dict[str, Turn], rounds: int, warmup: int = 2, calls: int = 1, pause: float = PAUSE
) -> dict[str, list[float]]:
    """Seconds per call of each contender in each round; a turn is ``calls`` calls."""
    for take in contenders.values():
        take(warmup)
    names, times = list(contenders), {name: [] for name in contenders}
    for n in range(rounds):
        for name in names[n % len(names) :] + names[: n % len(names)]:
            time.sleep(pause)
            times[name].append(contenders[name](calls) / calls)
    return times


def turn(run: Run, calls: int) -> float:
    """Seconds for some calls; each turn pays for its own garbage and for nobody else's."""
    gc.collect()
    gc.freeze()  # what lives now is not walked again, neither in this turn nor before the next
    begin = time.perf_counter()
    for _ in range(calls):
        run()
    return time.perf_counter() - begin


def local(run: Run) -> Turn:
    """A contender within this process."""
    return partial(turn, run)


# -- a process for each contender ----------------------------------------------------------------
class Failed(Exception):
    """A contender that cannot be made, fails, dies or is not understood; ``why`` omits its name."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.why = why


class Remote:
    """``script --contender NAME ARGUMENTS`` as a process: ``remote(calls)`` is a turn in seconds.

    A line asks, a line answers with one number; anything else is the reason of a failure, after
    which the process ends. The first answer, 0, comes unasked: the contender is made.

        turn N       seconds for N calls
        save PATH    0, once the output of one call is in PATH, by np.save
        memory       the most bytes the process has had resident
        quit         no answer; the end of the input means the same
    """

    def __init__(self, script: str, name: str, arguments: dict[str, object]) -> None:
        self.name = name
        self.command = [sys.executable, script, "--contender", name, json.dumps(arguments)]

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, text=True)
        try:
            self.answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.tell("quit")
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __call__(self, calls: int) -> float:
        return self.ask(f"turn {calls}")

    def output(self) -> np.ndarray:
        """What one call returns."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "output.npy"
            self.ask(f"save {path}")
            return np.load(path)

    def memory(self) -> float:
        """The most bytes it has had resident so far."""
        return self.ask("memory")

    def ask(self, line: str) -> float:
        self.tell(line)
        return self.answer()

    def tell(self, line: str) -> None:
        with suppress(OSError):  # nobody reads: the missing answer says so
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()

    def answer(self) -> float:
        said = self.process.stdout.readline()
        if not said:
            raise Failed(self.name, f"its process died, exit status {self.process.wait()}")
        try:
            return float(said)
        except ValueError:
            raise Failed(self.name, said.strip()) from None


def serve(makers: dict[str, Callable[..., Run]], name: str, arguments: str) -> None:
    """The process's side of ``Remote``: make the contender, then answer line by line."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)  # what libraries print is no answer
        try:
            run = makers[name](**json.loads(arguments))
            print(0.0, file=answers)
            for line in sys.stdin:
                if line == "quit\n":
                    break
                print(reply(run, *line.rstrip("\n").split(" ", 1)), file=answers)
        except Exception as error:
            print(reason(error), file=answers)
            raise  # the traceback goes to stderr, the process ends


def reply(run: Run, command: str, argument: str = "") -> float:
    if command == "turn":
        return turn(run, int(argument))
    if command == "save":
        np.save(argument, np.asarray(run()))
        return 0.0
    if command == "memory":
        return peak_bytes()
    raise ValueError(f"unknown command {command!r}")


def reason(error: Exception) -> str:
    """One line of moderate length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def peak_bytes() -> int:
    """The most memory this process has had resident.

    VmHWM, not getrusage's ru_maxrss: that one begins at the parent's size.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


# -- results -------------------------------------------------------------------------------------
@dataclass
class Table:
    """One comparison. ``ours`` against each of the others; ``target`` is the ratio not to exceed
    against ``baseline``; ``skipped`` and ``notes`` say what a reader has to know."""

    title: str
    times: dict[str, list[float]]
    ours: str
    baseline: str
    target: float | None = None
    unit: str = "ms"
    checks: dict[str, float] = field(default_factory=dict)  # largest relative difference to ours
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def ratio(self, other: str) -> float:
        """Ours over another's, the median of the rounds' ratios: below 1, ours is faster."""
        pairs = zip(self.times[self.ours], self.times[other])
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def met(self) -> bool | None:
        """Whether the target is met; None without one, or without the baseline."""
        if self.target is None or self.baseline not in self.times:
            return None
        return self.ratio(self.baseline) <= self.target

    def rows(self) -> list[dict[str, object]]:
        """One line per contender, in this table's unit."""
        return [
            {
                "contender": name,
                "median": statistics.median(times) * SCALES[self.unit],
                "min": min(times) * SCALES[self.unit],
                "ours / it": self.ratio(name),
                "difference": self.checks.get(name),
            }
            for name, times in self.times.items()
        ]

    def data(self) -> dict[str, object]:
        facts = {k: getattr(self, k) for k in ("title", "unit", "ours", "baseline", "target")}
        facts |= {"met": self.met(), "rows": self.rows(), "skipped": self.skipped}
        scaled = {k: [t * SCALES[self.unit] for t in v] for k, v in self.times.items()}
        return {**facts, "notes": self.notes, "rounds": scaled}

    def markdown(self) -> str:
        lines = [f"## {self.title}", ""]
        lines += [f"| contender | median {self.unit} | min {self.unit} | ours / it | difference |"]
        lines += ["|---|---:|---:|---:|---:|"]
        for row in self.rows():
            cells = [number(row[k]) for k in ("median", "min", "ours / it")]
            check = "" if row["difference"] is None else f"{row['difference']:.1e}"
            lines.append(f"| {row['contender']} | {' | '.join(cells)} | {check} |")
        return "\n".join([*lines, "", *self.remarks()])

    def remarks(self) -> list[str]:
        lines = []
        if self.target is not None:
            verdict = {True: "met", False: "missed", None: "not measured"}[self.met()]
            lines = [f"Target: at most {self.target:g} of {self.baseline}: **{verdict}**.", ""]
        lines += [f"- not run: {name}: {why}" for name, why in self.skipped.items()]
        return [*lines, *(f"- {note}" for note in self.notes), ""]


SCALES = {"s": 1.0, "ms": 1e3, "us": 1e6, "MB": 1e-6}  # MB: "times" then hold bytes


def number(value: object) -> str:
    """Three significant digits, without an exponent."""
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass
class Report:
    """Tables under one name, with the machine they were measured on."""

    name: str
    about: str
    threads: int | None = None
    tables: list[Table] = field(default_factory=list)
    machine: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self.machine = machine(self.threads)  # now: the load is to be that of others, not ours

    def write(self, folder: Path) -> list[Path]:
        """``<date>-<name>.json`` and ``.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f"{str(self.machine['date'])[:10]}-{self.name}"
        paths = [stem.with_suffix(".json"), stem.with_suffix(".md")]
        paths[0].write_text(self.json())
        paths[1].write_text(self.markdown())
        return paths

    def json(self) -> str:
        body = {"name": self.name, "about": self.about, "machine": self.machine}
        body["tables"] = [table.data() for table in self.tables]
        return json.dumps(body, indent=1) + "\n"

    def markdown(self) -> str:
        lines = [f"# {self.name}", "", self.about, ""]
        lines += [f"- {key}: {value}" for key, value in self.machine.items()]
        return "\n".join([*lines, "", *(table.markdown() for table in self.tables)])


# -- the machine ---------------------------------------------------------------------------------
def machine(threads: int | None = None) -> dict[str, object]:
    """What a reader needs in order to judge the figures."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "threads": threads or cores(),
        "vector": " ".join(f for f in cpu("flags").split() if f.startswith(("avx", "amx"))),
        "load before": load,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu(key: str) -> str:
    """A field of the first processor in /proc/cpuinfo; "" where there is none."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


# -- command line --------------------------------------------------------------------------------
def arguments(about: str, **flags: str) -> argparse.Namespace:
    """The options all benchmarks have, and switches of one's own as name="help"."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="tiny settings: only a smoke test")
    parser.add_argument("--rounds", type=int, help="turns of each contender")
    parser.add_argument("--threads", type=int, default=cores(), help="threads of each contender")
    parser.add_argument("--out", type=Path, help=f"folder of the results ({RESULTS.name}/)")
    for name, text in flags.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=text)
    return parser.parse_args()


def finish(report: Report, options: argparse.Namespace) -> None:
    """Print; write to the results folder, a quick run only where asked."""
    print(report.markdown())
    if options.out is not None or not options.quick:
        for path in report.write(options.out or RESULTS):
            print(path)
