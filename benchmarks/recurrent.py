"""LSTM and GRU of two layers of 512 units over 128 steps of 16 sequences: forward, and training.

    python benchmarks/recurrent.py [--quick] [--rounds N] [--threads N] [--out FOLDER]

Every contender is alone in a process of its own, and they take turns. Both start from the same weights
and see the same batch; what each gives is compared before anything is timed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import _harness
import numpy as np

ABOUT = "2 layers of 512 units, 128 steps, batch 16, float32. Ratios are ours / theirs."
OURS, PEER, TARGET = "sensorium", "torch eager", 0.9
TOLERANCE = 1e-4
Run = Callable[[], float]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def contender(library: str, kind: str, train: bool, threads: int, small: bool) -> Run:
    """One library's layer, ready to run; the result says what it computed."""
    import importlib

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


MAKERS: dict[str, Callable[..., Run]] = {
    OURS: partial(contender, "sensorium"),
    PEER: partial(contender, "torch"),
}


def table(kind: str, train: bool, options: argparse.Namespace) -> _harness.Table:
    """Rounds of both libraries in turn."""
    settings = {"kind": kind, "train": train, "threads": options.threads, "small": options.quick}
    with ExitStack() as stack:
        remotes = {
            name: stack.enter_context(_harness.Remote(__file__, name, settings)) for name in MAKERS
        }
        ours, theirs = (float(remotes[name].output()) for name in (OURS, PEER))
        far = abs(ours - theirs) / abs(theirs)
        if not far <= TOLERANCE:
            raise SystemExit(f"{kind}: {ours} but torch {theirs}")
        times = _harness.race(remotes, options.rounds or (2 if options.quick else 15), warmup=2)
    title = f"{kind}, {'forward + backward' if train else 'forward'}"
    return _harness.Table(title, times, OURS, PEER, TARGET, checks={PEER: far})


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("recurrent", ABOUT, options.threads)
    for kind in ("LSTM", "GRU"):
        for train in (False, True):
            report.tables.append(table(kind, train, options))
    _harness.finish(report, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contender"]:
        _harness.serve(MAKERS, *sys.argv[2:])
    else:
        main()
