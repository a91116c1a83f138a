"""LSTM and GRU of two layers of 512 units over 128 steps of 16 sequences: forward, and training.

    python benchmarks/recurrent.py [--quick] [--rounds N] [--threads N] [--out FOLDER]

Every contender is alone in a process of its own, and they take turns. Both start from the same weights
and see the same batch; what each gives is compared before anything is timed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import _contest
import _harness
import numpy as np
from _contest import OURS, TORCH
from _results import Target

ABOUT = "2 layers of 512 units, 128 steps, batch 16, float32."
Run = Callable[[], float]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def contender(library: str, kind: str, train: bool, threads: int, small: bool) -> Run:
    """One library's layer, ready to run; the result says what it computed."""
    m: Any = importlib.import_module(library)
    m.set_num_threads(threads)
    width, steps = (32, 8) if small else (512, 128)
    net = getattr(m.nn, kind)(width, width, num_layers=2)
    with m.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(m.from_numpy(numbers(*p.shape, seed=i) / width**0.5))
    x = m.from_numpy(numbers(steps, 16, width))

    def forward() -> float:
        with m.no_grad():
            return float(net(x)[0].square().mean())

    def training() -> float:
        net.zero_grad()
        net(x)[0].square().mean().backward()
        return float(sum(p.grad.abs().mean() for p in net.parameters()))

    return training if train else forward


CONTEST = _contest.Contest(
    __file__,
    {OURS: partial(contender, "sensorium"), TORCH: partial(contender, "torch")},
    (Target(0.9, OURS, (TORCH,)), *_contest.lean((OURS,), TORCH)),
    ours=(OURS,),
)


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("recurrent", ABOUT, options.threads)
    rounds = options.rounds or (2 if options.quick else 20)
    settings = {"threads": options.threads, "small": options.quick}
    for kind in ("LSTM", "GRU"):
        for train in (False, True):
            title = f"{kind} 2x512, {'forward + backward' if train else 'forward'}"
            own = {**settings, "kind": kind, "train": train}
            report.tables.append(CONTEST.race(title, own, rounds))
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(CONTEST.makers, main)
