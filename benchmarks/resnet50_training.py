"""One ResNet-50 training step, batch 16, 224x224, float32: time, and the memory it peaks at.

    python benchmarks/resnet50_training.py [--quick] [--rounds N] [--out FOLDER]

A step is forward, cross-entropy, backward, SGD with momentum and weight decay. Every contender is
alone in a process of its own, and they take turns. All start from the same weights, which the
parent writes, and see the same batch; the loss before the first step and after it are compared
before anything is timed. Peak memory (VmHWM) is read from the same processes after the last step.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import _harness
import numpy as np

ABOUT = "ResNet-50, 224x224, float32, one step of SGD with momentum. Ratios are ours / theirs."
OURS, DEFAULT, LAST = "sensorium", "torch eager", "torch eager, channels-last"
TARGET, MEMORY_TARGET = 0.8, 1.1
LOSS_TOLERANCE = 1e-3  # of a loss after one step: gradients of one part in a thousand
SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}

Step = Callable[[], float]


def write_weights(path: str) -> None:
    """The state dict all begin with."""
    import _torch_models

    np.savez(path, **_torch_models.state(_torch_models.resnet50()))


def batch_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 224, 224) and classes (n,)."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3, 224, 224)).astype(np.float32), rng.integers(0, 1000, n)


# -- contenders: each imports its library in its own process -------------------------------------
def ours(n: int, threads: int, weights: str) -> Step:
    import sensorium as sn
    from sensorium import nn, optim
    from sensorium.vision import models

    sn.set_num_threads(threads)
    net = models.resnet50()
    with np.load(weights) as arrays:
        net.load_state_dict({key: sn.from_numpy(value) for key, value in arrays.items()})
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


def theirs(n: int, threads: int, weights: str, last: bool = False) -> Step:
    """PyTorch eager, in the channels-last layout or in its default one."""
    import _torch_models
    import torch

    torch.set_num_threads(threads)
    layout = torch.channels_last if last else torch.contiguous_format
    net = _torch_models.ResNet50()
    with np.load(weights) as arrays:
        net.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})
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
    DEFAULT: theirs,
    LAST: partial(theirs, last=True),
}


# -- both tables ---------------------------------------------------------------------------------
def check(remotes: dict[str, _harness.Remote]) -> dict[str, float]:
    """The largest relative difference of the losses of the first two steps, ours to each."""
    losses = {name: [float(one.output()) for _ in range(2)] for name, one in remotes.items()}
    mine, checks = losses.pop(OURS), {}
    for name, others in losses.items():
        far = [abs(a - b) / abs(b) for a, b in zip(mine, others)]
        if not (far[0] <= 1e-4 and far[1] <= LOSS_TOLERANCE):
            raise SystemExit(f"{name}: losses {others}, ours {mine}")
        checks[name] = max(far)
    return checks


def time_table(
    n: int, remotes: dict[str, _harness.Remote], options: argparse.Namespace
) -> _harness.Table:
    checks = check(remotes)
    rounds = options.rounds or (1 if options.quick else 9)
    times = _harness.race(remotes, rounds, warmup=0 if options.quick else 1)
    title = f"training step, batch {n}"
    return _harness.Table(title, times, OURS, LAST, TARGET, checks=checks)


def memory_table(n: int, remotes: dict[str, _harness.Remote]) -> _harness.Table:
    peaks = {name: [remote.memory()] for name, remote in remotes.items()}
    note = "VmHWM after the timed steps, libraries included."
    title = f"peak memory, batch {n}"
    return _harness.Table(title, peaks, OURS, LAST, MEMORY_TARGET, "MB", notes=[note])


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("resnet50-training", ABOUT, options.threads)
    n = 2 if options.quick else 16
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        weights = str(Path(folder) / "resnet50.npz")
        write_weights(weights)
        settings = {"n": n, "threads": options.threads, "weights": weights}
        made = {name: _harness.Remote(__file__, name, settings) for name in MAKERS}
        remotes = {name: stack.enter_context(remote) for name, remote in made.items()}
        report.tables.append(time_table(n, remotes, options))
        if Path("/proc/self/status").exists():
            report.tables.append(memory_table(n, remotes))
    _harness.finish(report, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contender"]:
        _harness.serve(MAKERS, *sys.argv[2:])
    else:
        main()
