"""A step of an optimiser alone: AdamW over the parameters of BERT-base, SGD over those of ResNet-50.

    python benchmarks/optimizers.py [--quick] [--rounds N] [--threads N] [--out FOLDER]

Every contender is alone in a process of its own, and they take turns. All begin with the same numbers
and gradients; some of the parameters are compared after a step before anything is timed. PyTorch runs
in its three forms: a loop over the parameters (its default on a CPU), ``foreach`` and ``fused``.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import _contest
import _harness
import numpy as np
from _contest import OURS, TORCH
from _results import Target

ABOUT = "float32; one step with gradients that stay."
FOREACH, FUSED = "torch eager, foreach", "torch eager, fused"
ADAMW = {"lr": 1e-4, "weight_decay": 0.01}
SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}

Shape = tuple[int, ...]
Run = Callable[[], np.ndarray]


# -- shapes --------------------------------------------------------------------------------------
def bert(width: int = 768, layers: int = 12, words: int = 30522) -> list[Shape]:
    """Embeddings, the layers and the pooler: 199 tensors, 109 million numbers."""
    w, wide = (width,), (4 * width,)
    square = [w * 2, w]
    layer = [*square * 4, w, w, wide + w, wide, w + wide, w, w, w]
    return [(words, width), (512, width), (2, width), w, w, *layer * layers, *square]


def resnet(blocks: tuple[int, ...] = (3, 4, 6, 3), first: int = 64) -> list[Shape]:
    """Convolutions, their norms and the classifier: 161 tensors, 26 million numbers."""
    shapes: list[Shape] = [(first, 3, 7, 7), (first,), (first,)]
    channels = first
    for stage, count in enumerate(blocks):
        inner = first << stage
        for block in range(count):
            for rows, columns, side in (
                (inner, channels, 1), (inner, inner, 3), (4 * inner, inner, 1)
            ):  # fmt: skip
                shapes += [(rows, columns, side, side), (rows,), (rows,)]
            if block == 0:
                shapes += [(4 * inner, channels, 1, 1), (4 * inner,), (4 * inner,)]
            channels = 4 * inner
    return [*shapes, (1000, channels), (1000,)]


CASES: dict[str, tuple[Callable[..., list[Shape]], str, dict[str, float]]] = {
    "bert": (bert, "AdamW", ADAMW),
    "resnet": (resnet, "SGD", SGD),
}


# -- contenders ----------------------------------------------------------------------------------
def contender(library: str, case: str, threads: int, small: bool, **form: bool) -> Run:
    """One library's optimiser, ready to step; the result is a part of what it changed."""
    m: Any = importlib.import_module(library)
    m.set_num_threads(threads)
    shapes, kind, options = CASES[case]
    rng, parameters = np.random.default_rng(0), []
    for shape in shapes():
        keep = shape if not small else tuple(min(n, 64) for n in shape)
        p = m.nn.Parameter(m.from_numpy(rng.standard_normal(keep, np.float32) * np.float32(0.02)))
        p.grad = m.from_numpy(rng.standard_normal(keep, np.float32) * np.float32(0.001))
        parameters.append(p)
    optimizer = getattr(m.optim, kind)(parameters, **options, **form)
    shown = [p.detach().numpy() for p in (parameters[0], parameters[3], parameters[-2])]

    def step() -> np.ndarray:
        optimizer.step()
        return np.concatenate([p.reshape(-1)[:64] for p in shown])

    return step


CONTEST = _contest.Contest(
    __file__,
    {
        OURS: partial(contender, "sensorium"),
        TORCH: partial(contender, "torch"),
        FOREACH: partial(contender, "torch", foreach=True),
        FUSED: partial(contender, "torch", fused=True),
    },
    (Target(1.0, OURS, (FUSED,)), Target(1.0, OURS, (FOREACH,))),
    ours=(OURS,),
    tolerance=(1e-5, 1e-5),
)


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("optimizers", ABOUT, threads=options.threads)
    rounds = options.rounds or (1 if options.quick else 20)
    for case, (shapes, kind, _) in CASES.items():
        numbers = sum(math.prod(shape) for shape in shapes())
        title = f"{kind} over {case}: {len(shapes())} tensors, {numbers / 1e6:.0f} million numbers"
        settings = {"case": case, "threads": options.threads, "small": options.quick}
        report.tables.append(CONTEST.race(title, settings, rounds))
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(CONTEST.makers, main)
