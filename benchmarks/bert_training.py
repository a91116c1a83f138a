"""A fine-tuning step of BERT-base, 8 texts of 128 tokens, 2 classes, AdamW: time and peak memory.

    python benchmarks/bert_training.py [--quick] [--rounds N] [--out FOLDER]

A step is forward, cross-entropy, backward, AdamW. Every contender is alone in a process of its own,
and they take turns. All start from the same random weights, which the parent writes, and see the same
batch. The losses of the first 3 steps, in which nothing is dropped, are compared; the steps that are
timed drop a tenth, as fine-tuning does. PyTorch has AdamW in two forms: its default, and fused.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import _contest
import _harness
import numpy as np
from _contest import COMPILED, OURS, TORCH
from _results import Target
from bert_inference import ARRAYS, ids_of, write_weights

ABOUT = "BERT-base with a head for 2 classes, float32, one step of AdamW."
FUSED = "torch eager, fused AdamW"
ADAMW = {"lr": 5e-5, "weight_decay": 0.01}
COMPARED, DROP = 3, 0.1  # steps before the first that drops; how much that one drops

Step = Callable[[], float]


def labels_of(batch: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, batch)


# -- contenders: each imports its library in its own process -------------------------------------
def training(
    m: Any, net: Any, optimizer: Any, batch: int, length: int, compiled: Any = None
) -> Step:
    """A step in either library, which has the other's names; compiled makes one of loss and optimizer."""
    ids, labels = m.from_numpy(ids_of(batch, length)), m.from_numpy(labels_of(batch))
    drops = [module for module in net.modules() if isinstance(module, m.nn.Dropout)]
    net.train()

    def loss_of(ids: Any, labels: Any) -> Any:
        return net(ids, labels=labels).loss

    def eager(ids: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(ids, labels)
        loss.backward()
        optimizer.step()
        return loss

    done, step = 0, eager

    def run() -> float:
        nonlocal done, step
        if done in (0, COMPARED):
            for module in drops:
                module.p = DROP if done else 0.0
            step = eager if compiled is None else compiled(loss_of, optimizer)
        done += 1
        return step(ids, labels).item()

    return run


def ours(batch: int, length: int, threads: int, folder: str, compiled: bool = False) -> Step:
    """Eager, or forward and backward as one graph."""
    import sensorium as sn
    from sensorium import jit, optim
    from sensorium.text.models import BertForSequenceClassification

    sn.set_num_threads(threads)
    net = BertForSequenceClassification()
    with np.load(Path(folder) / ARRAYS) as arrays:
        net.load_state_dict({key: sn.from_numpy(value) for key, value in arrays.items()})
    optimizer = optim.AdamW(net.parameters(), **ADAMW)
    make = jit.training_step if compiled else None
    return training(sn, net, optimizer, batch, length, make)


def theirs(batch: int, length: int, threads: int, folder: str, fused: bool = False) -> Step:
    import torch
    import transformers

    torch.set_num_threads(threads)
    net = transformers.BertForSequenceClassification(transformers.BertConfig())
    with np.load(Path(folder) / ARRAYS) as arrays:
        net.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})
    optimizer = torch.optim.AdamW(net.parameters(), fused=fused, **ADAMW)
    return training(torch, net, optimizer, batch, length)


CONTEST = _contest.Contest(
    __file__,
    {
        OURS: ours,
        COMPILED: partial(ours, compiled=True),
        TORCH: theirs,
        FUSED: partial(theirs, fused=True),
    },
    (
        Target(0.55, OURS, (TORCH,)),
        Target(0.5, COMPILED, (TORCH,)),
        *_contest.lean((OURS, COMPILED), TORCH, FUSED),
    ),
    ours=(OURS, COMPILED),
    tolerance=(
        1e-4,
        1e-3,
        1e-3,
    ),  # AdamW's first steps make as much of a small gradient as of a large
)


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("bert-training", ABOUT, options.threads)
    batch, length = (2, 16) if options.quick else (8, 128)
    rounds = options.rounds or (1 if options.quick else 7)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder, classifier=True)
        settings = {"batch": batch, "length": length, "threads": options.threads}
        title = f"BERT-base fine-tuning step, {batch} x {length} tokens, AdamW"
        report.tables.append(CONTEST.race(title, {**settings, "folder": folder}, rounds, 1))
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(CONTEST.makers, main)
