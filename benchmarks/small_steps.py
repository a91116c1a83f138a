"""A few small layers at once: a training step of an MLP, a step of an LSTM cell.

    python benchmarks/small_steps.py [--quick] [--rounds N] [--out FOLDER]

What is measured is mostly Python: 32 rows of 64 features, one thread each, both libraries in one
process as in ``small_ops``. Both start from the same weights; results are compared before timing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import _harness
import numpy as np
import small_ops
import torch
from _results import Table, Target

import sensorium as sn

ABOUT = "float32, one thread: microseconds. Ratios are ours / theirs."
Run = Callable[[], object]


def array(*shape: int, seed: int = 0) -> Any:
    """Numbers of both signs, the same for both libraries."""
    return (np.random.default_rng(seed).normal(size=shape) * 0.1).astype(np.float32)


def fill(m: Any, module: Any) -> Any:
    """The module with weights that depend on their place alone."""
    with m.no_grad():
        for i, p in enumerate(module.parameters()):
            p.copy_(m.tensor(array(*p.shape, seed=i).tolist()))
    return module


def mlp(m: Any) -> tuple[Run, Callable[[], list[Any]]]:
    """32 x 64 -> 64 -> 64 -> 10: forward, cross entropy, backward, Adam."""
    nn = m.nn
    net = fill(m, nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
                                nn.Linear(64, 10)))  # fmt: skip
    optimizer = m.optim.Adam(net.parameters(), lr=1e-3)
    x, labels = m.tensor(array(32, 64).tolist()), m.tensor([i % 10 for i in range(32)])

    def step() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, lambda: [step() for _ in range(5)]


def cell(m: Any, grad: bool) -> tuple[Run, Callable[[], list[Any]]]:
    """One step of an LSTM cell of 64 units over 16 rows; with grad, also its gradients."""
    layer = fill(m, m.nn.LSTMCell(64, 64))
    x, h, c = (m.tensor(array(16, 64, seed=i).tolist()) for i in range(3))

    def forward() -> Any:
        with m.no_grad():
            return layer(x, (h, c))

    def backward() -> Any:
        layer.zero_grad()
        h2, c2 = layer(x, (h, c))
        (h2.sum() + c2.sum()).backward()
        return [p.grad for p in layer.parameters()]

    run = backward if grad else forward
    return run, lambda: list(run())


CASES: dict[str, tuple[Callable[[Any], Any], float]] = {
    "MLP training step, 32 x 64 x 64, Adam": (mlp, 0.8),
    "LSTM cell, 64 units, forward": (lambda m: cell(m, False), 0.7),
    "LSTM cell, 64 units, forward + backward": (lambda m: cell(m, True), 0.7),
}


def table(
    title: str, make: Callable[[Any], Any], target: float, options: argparse.Namespace
) -> Any:
    """Rounds of both libraries in turn."""
    made = {name: make(m) for name, m in small_ops.LIBRARIES.items()}
    ours, theirs = (made[name][1]() for name in (small_ops.OURS, small_ops.PEER))
    far = small_ops.difference(ours, theirs)
    if not far <= small_ops.TOLERANCE:
        raise SystemExit(f"{title}: results differ by {far:.1e}")
    calls, rounds = (5, 3) if options.quick else (50, options.rounds or 25)
    runs = {name: _harness.local(run) for name, (run, _) in made.items()}
    times = _harness.race(runs, rounds, warmup=calls, calls=calls, pause=0.0)
    ours, peer = small_ops.OURS, small_ops.PEER
    asked = (Target(target, ours, (peer,)),)
    return Table(title, times, (ours,), asked, "us", checks={peer: far})


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("small-steps", ABOUT, threads=1)
    sn.set_num_threads(1)
    torch.set_num_threads(1)
    for title, (make, target) in CASES.items():
        report.tables.append(table(title, make, target, options))
    _harness.finish(report, options)


if __name__ == "__main__":
    main()
