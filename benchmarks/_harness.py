"""Comparing fairly: contenders take turns, and what is reported is a ratio from one run.

    race        times contenders A B C A B C ..., after warm-up, in rotating order
    Remote      a contender alone in a process of its own; ``serve`` is that process's side
    local       a contender within this process, for what takes microseconds
    arguments   the options all benchmarks have; ``finish`` prints and writes their report

What is done with the times is in ``_results``; ``_contest`` joins both for scripts whose contenders
are processes.

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
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from _results import Report, cores

RESULTS = Path(__file__).resolve().parent / "results"
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
        array = np.asarray(run())
        np.save(argument, array.astype(np.float32) if array.dtype.kind == "V" else array)
        return 0.0  # V: bfloat16, which NumPy's files cannot name
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
