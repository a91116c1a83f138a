"""What an op costs apart from its arithmetic: 4x4 float32, forward, and forward + backward.

    python benchmarks/small_ops.py [--quick] [--rounds N] [--out FOLDER]

The same Python code runs on ``sensorium`` and on ``torch`` (one argument names the library), so the
two columns differ in the library alone. One thread each; results are compared before timing. The
headline of each table is the geometric mean of the ops' ratios.

Both libraries live in this one process, unlike in the other benchmarks: a turn takes milliseconds,
one thread starts no pool, and 64 bytes are far below what malloc's policy for large blocks changes.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import _harness
import numpy as np
import torch
from _results import Table, Target

import sensorium as sn

ABOUT = "4x4 float32, one thread: microseconds per op. Ratios are ours / theirs."
OURS, PEER = "sensorium", "torch eager"
TARGET = Target(0.7, OURS, (PEER,))
TOLERANCE = 1e-4
LIBRARIES: dict[str, Any] = {OURS: sn, PEER: torch}

Op = Callable[[Any, Any, Any], Any]  # (library, x, y) -> result

FORWARD: dict[str, Op] = {
    "x + y": lambda m, x, y: x + y,
    "x - y": lambda m, x, y: x - y,
    "x * y": lambda m, x, y: x * y,
    "x / y": lambda m, x, y: x / y,
    "x + 2": lambda m, x, y: x + 2.0,
    "2 * x": lambda m, x, y: 2.0 * x,
    "-x": lambda m, x, y: -x,
    "x ** 2": lambda m, x, y: x**2,
    "x @ y": lambda m, x, y: x @ y,
    "x > y": lambda m, x, y: x > y,
    "exp": lambda m, x, y: m.exp(x),
    "log": lambda m, x, y: m.log(y),
    "sqrt": lambda m, x, y: m.sqrt(y),
    "abs": lambda m, x, y: m.abs(x),
    "tanh": lambda m, x, y: m.tanh(x),
    "sigmoid": lambda m, x, y: m.sigmoid(x),
    "relu": lambda m, x, y: m.relu(x),
    "maximum": lambda m, x, y: m.maximum(x, y),
    "clamp": lambda m, x, y: m.clamp(x, -1.0, 1.0),
    "where": lambda m, x, y: m.where(x > y, x, y),
    "sum": lambda m, x, y: x.sum(),
    "sum(1)": lambda m, x, y: x.sum(1),
    "mean": lambda m, x, y: x.mean(),
    "amax(1)": lambda m, x, y: x.amax(1),
    "softmax(1)": lambda m, x, y: m.softmax(x, 1),
    "log_softmax(1)": lambda m, x, y: m.log_softmax(x, 1),
    "reshape": lambda m, x, y: x.reshape(2, 8),
    "transpose": lambda m, x, y: x.transpose(0, 1),
    "x[1]": lambda m, x, y: x[1],
    "x[:, 1:3]": lambda m, x, y: x[:, 1:3],
    "unsqueeze": lambda m, x, y: x.unsqueeze(0),
    "cat": lambda m, x, y: m.cat([x, y]),
    "stack": lambda m, x, y: m.stack([x, y]),
    "linear": lambda m, x, y: m.nn.functional.linear(x, y),
    "layer_norm": lambda m, x, y: m.nn.functional.layer_norm(x, (4,)),
    "gelu": lambda m, x, y: m.nn.functional.gelu(x),
}

LENGTH = 10  # ops in a chain


def chain(step: Op) -> Op:
    """x -> step(step(...)): LENGTH times."""

    def run(m: Any, x: Any, y: Any) -> Any:
        for _ in range(LENGTH):
            x = step(m, x, y)
        return x

    return run


STEPS: dict[str, Op] = {  # one op each, but for the last two
    "x * y": lambda m, x, y: x * y,
    "x + y": lambda m, x, y: x + y,
    "x / y": lambda m, x, y: x / y,
    "x @ y": lambda m, x, y: x @ y,
    "tanh": lambda m, x, y: m.tanh(x),
    "relu": lambda m, x, y: m.relu(x),
    "sigmoid": lambda m, x, y: m.sigmoid(x),
    "softmax(1)": lambda m, x, y: m.softmax(x, 1),
    "transpose": lambda m, x, y: x.transpose(0, 1),
    "x[:]": lambda m, x, y: x[:],
    "linear": lambda m, x, y: m.nn.functional.linear(x, y),
    "layer_norm": lambda m, x, y: m.nn.functional.layer_norm(x, (4,)),
    "mul, add, relu": lambda m, x, y: m.relu(x * y + y),
    "linear, tanh": lambda m, x, y: m.tanh(m.nn.functional.linear(x, y)),
}
OPS_PER_STEP = {"mul, add, relu": 3, "linear, tanh": 2}


# -- one measurement -----------------------------------------------------------------------------
def inputs(m: Any, grad: bool) -> tuple[Any, Any]:
    """x of any sign and y in (0.5, 1), so that chains of either stay of a size."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 4)) * 0.1, rng.uniform(0.5, 1.0, (4, 4)) / 2
    tensors = [m.tensor(a.astype(np.float32).tolist()) for a in (x, y)]
    return tuple(t.requires_grad_() if grad else t for t in tensors)


def forward(m: Any, op: Op) -> tuple[Callable[[], object], Callable[[], list[Any]]]:
    """A call without recording, and its results to compare."""
    x, y = inputs(m, grad=False)
    return (lambda: op(m, x, y)), (lambda: [op(m, x, y)])


def backward(m: Any, op: Op) -> tuple[Callable[[], object], Callable[[], list[Any]]]:
    """The chain, its sum, and the gradients of both inputs."""
    x, y = inputs(m, grad=True)

    def run() -> object:
        x.grad = y.grad = None
        op(m, x, y).sum().backward()
        return None

    def results() -> list[Any]:
        run()
        return [op(m, x, y).detach(), x.grad, *([y.grad] if y.grad is not None else [])]

    return run, results


def difference(ours: list[Any], theirs: list[Any]) -> float:
    """The largest absolute difference, relative where values are above 1."""
    pairs = [(np.asarray(a, float), np.asarray(b, float)) for a, b in zip(ours, theirs)]
    return max(float((np.abs(a - b) / np.maximum(np.abs(b), 1)).max()) for a, b in pairs)


def measure(
    make: Callable[[Any, Op], Any], op: Op, ops: int, options: argparse.Namespace
) -> tuple[dict[str, list[float]], float]:
    """Seconds per op of each library, and how far their results are apart."""
    made = {name: make(m, op) for name, m in LIBRARIES.items()}
    far = difference(made[OURS][1](), made[PEER][1]())
    calls = 10 if options.quick else max(100, 2000 // ops)
    rounds = options.rounds or (3 if options.quick else 25)
    runs = {name: _harness.local(run) for name, (run, _) in made.items()}
    times = _harness.race(runs, rounds, warmup=calls, calls=calls, pause=0.0)
    return {name: [t / ops for t in values] for name, values in times.items()}, far


# -- tables --------------------------------------------------------------------------------------
def table(
    title: str,
    make: Callable[[Any, Op], Any],
    cases: dict[str, Op],
    ops_in: Callable[[str], int],
    options: argparse.Namespace,
) -> Table:
    """The geometric mean over the ops, with each op as a note and in the numbers."""
    each = {name: measure(make, op, ops_in(name), options) for name, op in cases.items()}
    for name, (_, far) in each.items():
        if not far <= TOLERANCE:
            raise SystemExit(f"{title}: {name}: results differ by {far:.1e}")
    singles = {name: Table(name, times, (OURS,), (TARGET,)) for name, (times, _) in each.items()}
    rounds = zip(*(zip(times[OURS], times[PEER]) for times, _ in each.values()))
    mean = [[statistics.geometric_mean(side) for side in zip(*one)] for one in rounds]
    times = {name: [pair[n] for pair in mean] for n, name in enumerate((OURS, PEER))}
    checks = {PEER: max(far for _, far in each.values())}
    notes = [line(one) for one in singles.values()]
    return Table(title, times, (OURS,), (TARGET,), "us", checks=checks, notes=notes)


def line(one: Table) -> str:
    """One op in a line: ours, theirs, the ratio, and a mark where the target is missed."""
    mine, peer = (statistics.median(one.times[name]) * 1e6 for name in (OURS, PEER))
    ratio = one.ratio(OURS, PEER)
    mark = "" if TARGET.met(ratio) else " (over)"
    return f"`{one.title}`: {mine:.2f} us, torch {peer:.2f} us: {ratio:.2f}{mark}"


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("small-ops", ABOUT, threads=1)
    sn.set_num_threads(1)
    torch.set_num_threads(1)
    with sn.no_grad(), torch.no_grad():
        report.tables.append(
            table("small ops, forward, no grad", forward, FORWARD, lambda name: 1, options)
        )
    steps = {name: chain(step) for name, step in STEPS.items()}
    title = f"small ops, forward + backward, chains of {LENGTH}"

    def ops_in(name: str) -> int:
        return LENGTH * OPS_PER_STEP.get(name, 1) + 1  # and the sum

    report.tables.append(table(title, backward, steps, ops_in, options))
    _harness.finish(report, options)


if __name__ == "__main__":
    main()
