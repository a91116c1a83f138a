"""What the hardware allows: arithmetic of each workload at this machine's peak, beside what was measured.

    python benchmarks/roofline.py [--quick] [--rounds N] [--out FOLDER]

The peak is what oneDNN's best matrix product reaches here, in float32 and in bfloat16; the bandwidth
that of adding two arrays far larger than the caches. A workload's arithmetic is counted on its compiled
graph (a multiply-add is two). The measured times are read from the newest results of the other scripts,
so run those first: nothing but the peaks is timed here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _harness
import numpy as np
from _contest import BF16, COMPILED, ONNX, OURS, TORCH
from _results import line_of, machine, number

import sensorium as sn
from sensorium import nn, optim
from sensorium.backends.cpu import onednn
from sensorium.jit.cost import arithmetic
from sensorium.nn import functional as F
from sensorium.text.models import BertForSequenceClassification, BertModel
from sensorium.vision import models

ABOUT = "Seconds of pure arithmetic at the machine's peak, and the measured share of it."
SIDE = 2048  # of the matrices whose product gives the peak
ROOM = 1 << 26  # elements of the arrays whose sum gives the bandwidth


# -- the machine ---------------------------------------------------------------------------------
def fastest(run: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(rounds + 1):  # the first one warms up
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times[1:])


def peak(precision: str, rounds: int) -> float:
    """Operations a second of a large product, in GFLOP/s."""
    layer, x = nn.Linear(SIDE, SIDE, bias=False).eval(), sn.randn(SIDE, SIDE)
    product = sn.compile(layer, precision=precision)
    with sn.no_grad():
        return 2 * SIDE**3 / fastest(lambda: product(x), rounds) / 1e9


def bandwidth(rounds: int) -> float:
    """Bytes a second of reading two arrays and writing one, in GB/s."""
    a, b = np.ones(ROOM, np.float32), np.ones(ROOM, np.float32)
    return 12 * ROOM / fastest(lambda: onednn.binary("add", a, b, out=a), rounds) / 1e9


# -- the workloads -------------------------------------------------------------------------------
def inference(model: nn.Module, *inputs: Any) -> int:
    """Operations of a forward pass."""
    with sn.no_grad():
        return sum(map(arithmetic, sn.compile(model.eval()).graph(*inputs).nodes))


def training(loss: Callable[..., Any], model: nn.Module, *inputs: Any) -> int:
    """Operations of forward, loss and gradients."""
    step = sn.jit.training_step(loss, optim.SGD(model.parameters(), lr=0.0))
    step(*inputs)
    return sum(arithmetic(node) for graph in step.graphs for node in graph.nodes)


def image(batch: int) -> Any:
    return sn.randn(batch, 3, 224, 224)


def ids(batch: int, length: int) -> Any:
    return sn.randint(0, 1000, (batch, length))


def workloads(quick: bool) -> dict[tuple[str, str], int]:
    """(script, the beginning of its table's title) -> operations."""
    found: dict[tuple[str, str], int] = {}
    resnet = models.get_model("resnet50")
    for batch in (1,) if quick else (1, 8, 32):
        found["resnet50-inference", f"ResNet-50 inference, batch {batch}"] = batch * inference(
            resnet, image(1)
        )
    if quick:
        return found
    bert = BertModel()
    for batch, length in ((1, 128), (8, 128), (1, 384)):
        found["bert-inference", f"BERT-base inference, {batch} x {length} tokens"] = (
            batch * inference(bert, ids(1, length))
        )
    names = {
        "MobileNetV2": "mobilenet_v2",
        "EfficientNet-B0": "efficientnet_b0",
        "ViT-B/16": "vit_b_16",
    }
    for title, name in names.items():
        each = inference(models.get_model(name), image(1))
        for batch in (1, 8):
            found["vision-inference", f"{title} inference, batch {batch}"] = batch * each
    label = sn.tensor([1])
    each = training(
        lambda x, y: F.cross_entropy(resnet(x), y), resnet.train(), image(2), sn.tensor([1, 2])
    )
    found["resnet50-training", "ResNet-50 training"] = 8 * each
    head = BertForSequenceClassification().train()
    each = training(lambda x, y: F.cross_entropy(head(x).logits, y), head, ids(1, 128), label)
    found["bert-training", "BERT-base fine-tuning"] = 8 * each
    return found


# -- beside the measured -------------------------------------------------------------------------
def medians(folder: Path, script: str, title: str) -> dict[str, float]:
    """Milliseconds of every contender in the newest result of a script; {} if there is none."""
    paths = sorted(folder.glob(f"????-??-??-{script}.json"))
    if not paths:
        return {}
    for table in json.loads(paths[-1].read_text())["tables"]:
        if table["title"].startswith(title) and table.get("unit") == "ms":
            return {row["contender"]: row["median"] for row in table["rows"]}
    return {}


def rows(work: dict[tuple[str, str], int], folder: Path, peaks: dict[str, float]) -> list[str]:
    """A line of the table for each workload."""
    lines = []
    for (script, title), operations in work.items():
        found = medians(folder, script, title)
        floor = operations / peaks["float32"] / 1e6
        cells = [title, number(operations / 1e9), number(floor)]
        for name in (OURS, COMPILED, TORCH, ONNX):
            time = found.get(name)
            cells.append("" if time is None else f"{number(time)} ({floor / time:.0%})")
        low = found.get(BF16)
        least = operations / peaks["bfloat16"] / 1e6
        cells.append("" if low is None else f"{number(low)} ({least / low:.0%})")
        lines.append(line_of(cells))
    return lines


def main() -> None:
    options = _harness.arguments(ABOUT)
    sn.set_num_threads(options.threads)
    rounds = 1 if options.quick else 20
    peaks = {kind: peak(kind, rounds) for kind in ("float32", "bfloat16")}
    speed = bandwidth(rounds)
    folder = _harness.RESULTS
    facts = machine(options.threads)
    head = ["work", "GFLOP", "floor ms", OURS, COMPILED, TORCH, ONNX, BF16]
    lines = ["# Roofline", "", ABOUT, ""]
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += [f"- peak: {peaks['float32']:.0f} GFLOP/s float32, {peaks['bfloat16']:.0f} bfloat16"]
    lines += [f"- memory: {speed:.1f} GB/s", "", line_of(head), "|---" * len(head) + "|"]
    lines += rows(workloads(options.quick), folder, peaks)
    lines += ["", "Times in ms, medians; in brackets the floor's share of them.", ""]
    text = "\n".join(lines)
    print(text)
    if not options.quick:
        target = (options.out or folder) / f"{str(facts['date'])[:10]}-roofline.md"
        target.write_text(text)


if __name__ == "__main__":
    main()
