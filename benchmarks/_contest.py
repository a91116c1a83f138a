"""A contest of processes: who runs, do all compute the same, how long and how much memory.

    Contest     the contenders of a script, which of them are ours, what is asked
    difference  how far an output is from another

A contender that ``needed`` does not name and that cannot start is listed with its reason. One that
starts and computes something else ends the benchmark.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import _harness
import numpy as np
from _results import Table, Target

OURS, COMPILED, BF16 = "sensorium", "sensorium compiled", "sensorium compiled, bfloat16"
TORCH, LAST = "torch eager", "torch eager, channels-last"
TORCH_COMPILED, ONNX = "torch.compile", "ONNX Runtime"
PRECISIONS = {OURS: None, COMPILED: "float32", BF16: "bfloat16"}  # what sn.compile is told
FAR = {BF16: 5e-2}  # how far these may be from ours, relative to the largest number; others:
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Contest:
    """``tolerance`` has a number for each call whose output is compared before the race."""

    script: str
    makers: Mapping[str, Callable[..., _harness.Run]]
    targets: tuple[Target, ...]
    ours: tuple[str, ...] = (OURS, COMPILED, BF16)
    needed: tuple[str, ...] = (OURS, TORCH)
    tolerance: tuple[float, ...] = (TOLERANCE,)
    exact: bool = False  # outputs are tokens

    def race(
        self,
        title: str,
        settings: Mapping[str, object],
        rounds: int,
        warmup: int = 2,
        skipped: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
    ) -> Table:
        """All contenders with these settings, but those already ``skipped``."""
        skipped = dict(skipped or {})
        with ExitStack() as stack:
            running, outputs = self.start(stack, settings, warmup, skipped)
            checks = self.check(outputs)
            times = _harness.race(running, rounds, warmup=0)
            memory = {}
            if Path("/proc/self/status").exists():
                memory = {name: remote.memory() for name, remote in running.items()}
        return Table(
            title,
            times,
            self.ours,
            self.targets,
            checks=checks,
            memory=memory,
            skipped=skipped,
            notes=list(notes),
        )

    def start(
        self,
        stack: ExitStack,
        settings: Mapping[str, object],
        warmup: int,
        skipped: dict[str, str],
    ) -> tuple[dict[str, _harness.Remote], dict[str, list[np.ndarray]]]:
        """What runs, warm, with the outputs of its first calls; the rest goes to ``skipped``."""
        running, outputs = {}, {}
        for name in [name for name in self.makers if name not in skipped]:
            remote = _harness.Remote(self.script, name, dict(settings))
            try:
                stack.enter_context(remote)
                found = [remote.output() for _ in self.tolerance]
                remote(warmup)
                running[name], outputs[name] = remote, found
            except _harness.Failed as error:
                if name in self.needed:
                    raise
                skipped[name] = error.why
        return running, outputs

    def check(self, outputs: Mapping[str, list[np.ndarray]]) -> dict[str, float]:
        """The largest difference of each to the first of ours."""
        wanted, checks = outputs[self.ours[0]], {}
        for name, got in outputs.items():
            if name == self.ours[0]:
                continue
            away = [difference(a, b, self.exact) for a, b in zip(got, wanted)]
            allowed = [max(most, FAR.get(name, 0)) for most in self.tolerance]
            if not all(one <= most for one, most in zip(away, allowed)):
                raise SystemExit(f"{name} differs from {self.ours[0]} by {away}")
            checks[name] = max(away)
        return checks


def difference(got: np.ndarray, wanted: np.ndarray, exact: bool = False) -> float:
    """The largest, relative to the largest wanted number; exact: 0, or infinite for any."""
    if got.shape != wanted.shape or exact:
        return 0.0 if np.array_equal(got, wanted) else float("inf")
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def lean(ours: Sequence[str], *peers: str) -> tuple[Target, ...]:
    """Each of ours peaks at no more memory than the leanest of these peers."""
    return tuple(Target(1.0, name, peers, of="memory") for name in ours)


def entry(makers: Mapping[str, Callable[..., _harness.Run]], main: Callable[[], None]) -> None:
    """What a script does: a contender's side if it was started as one, else the benchmark."""
    if sys.argv[1:2] == ["--contender"]:
        _harness.serve(dict(makers), *sys.argv[2:])
    else:
        main()
