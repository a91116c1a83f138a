"""One ResNet-50 training step, batch 16, 224x224, float32: time, and the memory it peaks at.

    python benchmarks/resnet50_training.py [--quick] [--rounds N] [--out FOLDER]

A step is forward, cross-entropy, backward, SGD with momentum and weight decay. All contenders start
from the same weights and see the same batch; the loss before the first step and after it are
compared before anything is timed. Peak memory (VmHWM) is read in a process of each one's own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import _harness
import numpy as np

ABOUT = "ResNet-50, 224x224, float32, one step of SGD with momentum. Ratios are ours / theirs."
OURS, DEFAULT, LAST = "sensorium", "torch eager", "torch eager, channels-last"
TARGET, MEMORY_TARGET = 0.8, 1.1
LOSS_TOLERANCE = 1e-3  # of a loss after one step: gradients of one part in a thousand
SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}

Step = Callable[[], float]


def batch_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 224, 224) and classes (n,)."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3, 224, 224)).astype(np.float32), rng.integers(0, 1000, n)


# -- contenders ----------------------------------------------------------------------------------
def ours(n: int, threads: int, state: dict[str, np.ndarray] | None = None) -> Step:
    """Ours; with its own initial weights where no state is given (only memory is looked at)."""
    import sensorium as sn
    from sensorium import nn, optim
    from sensorium.vision import models

    sn.set_num_threads(threads)
    net = models.resnet50()
    if state is not None:
        net.load_state_dict({key: sn.from_numpy(value) for key, value in state.items()})
    net.train()
    images, classes = (sn.from_numpy(array) for array in batch_of(n))
    optimizer = optim.SGD(net.parameters(), **SGD)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), classes)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def theirs(n: int, threads: int, last: bool, state: dict[str, np.ndarray] | None = None) -> Step:
    """PyTorch eager, in the channels-last layout or in its default one."""
    import _torch_models
    import torch

    torch.set_num_threads(threads)
    layout = torch.channels_last if last else torch.contiguous_format
    net = _torch_models.resnet50()
    if state is not None:
        net.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    net.train().to(memory_format=layout)
    images, classes = (torch.from_numpy(array) for array in batch_of(n))
    images = images.contiguous(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), **SGD)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(images), classes)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


MAKERS: dict[str, Callable[..., Step]] = {
    OURS: ours,
    DEFAULT: lambda n, threads, state=None: theirs(n, threads, False, state),
    LAST: lambda n, threads, state=None: theirs(n, threads, True, state),
}


# -- time ----------------------------------------------------------------------------------------
def check(steps: dict[str, Step]) -> dict[str, float]:
    """The largest relative difference of the losses of the first two steps, ours to each."""
    losses = {name: [step(), step()] for name, step in steps.items()}
    mine, checks = losses.pop(OURS), {}
    for name, others in losses.items():
        far = [abs(a - b) / abs(b) for a, b in zip(mine, others)]
        if far[0] > 1e-4 or far[1] > LOSS_TOLERANCE:
            raise SystemExit(f"{name}: losses {others}, ours {mine}")
        checks[name] = max(far)
    return checks


def time_table(n: int, options: argparse.Namespace) -> _harness.Table:
    import _torch_models

    state = _torch_models.state(_torch_models.resnet50())
    steps = {name: make(n, options.threads, state=state) for name, make in MAKERS.items()}
    checks = check(steps)
    rounds = options.rounds or (1 if options.quick else 9)
    times = _harness.race(steps, rounds, warmup=0 if options.quick else 1)
    title = f"training step, batch {n}"
    return _harness.Table(title, times, OURS, LAST, TARGET, checks=checks)


# -- memory --------------------------------------------------------------------------------------
def peak_bytes() -> int:
    """The most memory this process has had resident.

    VmHWM, not getrusage's ru_maxrss: that one begins at the parent's size.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def memory_of(name: str, n: int, threads: int) -> float:
    """Peak bytes of three steps in a fresh process."""
    command = [sys.executable, __file__, "--memory-of", name, str(n), str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_table(n: int, options: argparse.Namespace) -> _harness.Table:
    count = 1 if options.quick else 3
    peaks = {name: [memory_of(name, n, options.threads) for _ in range(count)] for name in MAKERS}
    note = "VmHWM after three steps, libraries included; each contender in a process of its own."
    title = f"peak memory, batch {n}"
    return _harness.Table(title, peaks, OURS, LAST, MEMORY_TARGET, "MB", notes=[note])


def main() -> None:
    if sys.argv[1:2] == ["--memory-of"]:
        step = MAKERS[sys.argv[2]](int(sys.argv[3]), int(sys.argv[4]))
        for _ in range(3):
            step()
        print(peak_bytes())
        return
    options = _harness.arguments(ABOUT)
    report = _harness.Report("resnet50-training", ABOUT, options.threads)
    n = 2 if options.quick else 16
    if Path("/proc/self/status").exists():  # before this process itself becomes large
        report.tables.append(memory_table(n, options))
    report.tables.insert(0, time_table(n, options))
    _harness.finish(report, options)


if __name__ == "__main__":
    main()
