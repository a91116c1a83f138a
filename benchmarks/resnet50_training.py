"""One ResNet-50 training step, batch 16, 224x224, float32: time, and the memory it peaks at.

    python benchmarks/resnet50_training.py [--quick] [--rounds N] [--out FOLDER]

A step is forward, cross-entropy, backward, SGD with momentum and weight decay. Every contender is
alone in a process of its own, and they take turns. All start from the same weights, which the
parent writes, and see the same batch; the loss before the first step and after it are compared
before anything is timed. Peak memory (VmHWM) is read from the same processes after the last step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import _contest
import _harness
import numpy as np
from _contest import COMPILED, LAST, OURS, TORCH
from _results import Target

ABOUT = "ResNet-50, 224x224, float32, one step of SGD with momentum."
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
def ours(n: int, threads: int, weights: str, compiled: bool = False) -> Step:
    """Eager, or forward and backward as one graph."""
    import sensorium as sn
    from sensorium import jit, nn, optim
    from sensorium.vision import models

    sn.set_num_threads(threads)
    net = models.resnet50()
    with np.load(weights) as arrays:
        net.load_state_dict({key: sn.from_numpy(value) for key, value in arrays.items()})
    net.train()
    images, classes = (sn.from_numpy(array) for array in batch_of(n))
    optimizer = optim.SGD(net.parameters(), **SGD)
    if compiled:
        train = jit.training_step(lambda x, y: nn.functional.cross_entropy(net(x), y), optimizer)
        return lambda: train(images, classes).item()

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


CONTEST = _contest.Contest(
    __file__,
    {
        OURS: ours,
        COMPILED: partial(ours, compiled=True),
        TORCH: theirs,
        LAST: partial(theirs, last=True),
    },
    (
        Target(0.7, OURS, (LAST,)),
        Target(0.6, COMPILED, (LAST,)),
        *_contest.lean((OURS, COMPILED), TORCH, LAST),
    ),
    ours=(OURS, COMPILED),
    needed=(OURS, TORCH, LAST),
    tolerance=(1e-4, 1e-3),  # after one step: gradients of one part in a thousand
)


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("resnet50-training", ABOUT, options.threads)
    n = 2 if options.quick else 16
    rounds = options.rounds or (1 if options.quick else 9)
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "resnet50.npz")
        write_weights(weights)
        settings = {"n": n, "threads": options.threads, "weights": weights}
        title = f"ResNet-50 training step, batch {n}, SGD with momentum"
        warmup = 0 if options.quick else 1
        report.tables.append(CONTEST.race(title, settings, rounds, warmup))
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(CONTEST.makers, main)
