"""ResNet-50 inference, batch 1, 8 and 32, 224x224: ours, eager and compiled, against the peers.

    python benchmarks/resnet50_inference.py [--quick] [--rounds N] [--no-compile] [--out FOLDER]

Every contender is alone in a process of its own, one for each batch size, and they take turns. All
have the same weights, which the parent writes once, and get the same image; logits are compared
with ours before anything is timed. Peers: PyTorch eager in its default and in the channels-last
layout, torch.compile, ONNX Runtime. What does not run here is named in the result with the reason.

How often bfloat16 chooses another class than float32 is counted at batch 8 on images of stripes in
noise: the weights are random but for the last layer, whose rows are the mean features of a kind of
stripes, so that choices have the margins of a classifier and not those of noise.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from typing import Any

import _contest
import _harness
import _vision
import numpy as np
from _contest import BF16, COMPILED, LAST, ONNX, OURS, TORCH, TORCH_COMPILED
from _results import Target

ABOUT = "ResNet-50, 224x224, eval mode without gradients, float32 unless named otherwise."
NAME, BATCHES = "resnet50", (1, 8, 32)
SHARE = Target(0.99, BF16, (OURS,), of="agreement")
CONTEST = _contest.Contest(
    __file__,
    {name: partial(maker, NAME) for name, maker in _vision.MAKERS.items()},
    (
        Target(0.75, OURS, (TORCH, LAST)),
        Target(1.0, COMPILED, (ONNX,)),
        Target(0.65, BF16, (ONNX,)),
        *_contest.lean((OURS, COMPILED, BF16), TORCH, LAST),
    ),
)


# -- choices -------------------------------------------------------------------------------------
def imprint(net: Any, kinds: int) -> None:
    """A last layer whose first rows are the mean features of a kind, the others random; all as
    directions from the mean of all."""
    import torch

    images, labels = _vision.textures(3 * kinds, kinds, seed=1)
    head, net.fc = net.fc, torch.nn.Identity()
    with torch.no_grad():
        parts = [net(torch.from_numpy(images[n : n + 8])) for n in range(0, len(images), 8)]
        features = torch.cat(parts)  # (N, E)
        middle = features.mean(0)
        for k in range(kinds):
            head.weight[k] = features[labels == k].mean(0) - middle
        head.weight /= head.weight.norm(dim=1, keepdim=True)
        head.bias.copy_(-head.weight @ middle)
    net.fc = head


def agreement(folder: str, kinds: int, options: argparse.Namespace) -> tuple[float, list[str]]:
    """The share of images for which bfloat16 and float32 choose the same, and a note on them."""
    count = 32 if options.quick else 256
    settings = {"batch": 8, "threads": options.threads, "folder": folder}
    settings |= {"probe": count, "kinds": kinds}
    found = []
    for name in (OURS, BF16):
        with _harness.Remote(__file__, name, settings) as remote:
            found.append(remote.output())
    right = np.mean(found[0] == np.arange(count) % kinds)
    note = f"{count} images of {kinds} kinds, of which float32 tells {right:.1%}; bfloat16 chooses"
    return float(np.mean(found[0] == found[1])), [
        f"{note} the same in {(found[0] == found[1]).sum()}"
    ]


# -- one batch size ------------------------------------------------------------------------------
def table(batch: int, folder: str, options: argparse.Namespace) -> Any:
    settings = {"batch": batch, "threads": options.threads, "folder": folder}
    skipped = {TORCH_COMPILED: "--no-compile"} if options.no_compile else {}
    rounds = options.rounds or (1 if options.quick else 25 if batch < 32 else 20)
    warmup = 0 if options.quick else 2
    return CONTEST.race(f"ResNet-50 inference, batch {batch}", settings, rounds, warmup, skipped)


def main() -> None:
    options = _harness.arguments(ABOUT, no_compile="leave out torch.compile")
    report = _harness.Report("resnet50-inference", ABOUT, options.threads)
    kinds = 8 if options.quick else 64
    with tempfile.TemporaryDirectory() as folder:
        _vision.write_weights(folder, NAME, partial(imprint, kinds=kinds))
        for batch in BATCHES[:1] if options.quick else BATCHES:
            report.tables.append(table(batch, folder, options))
        last = report.tables[-1]
        last.targets = (*last.targets, SHARE)
        if BF16 not in last.skipped:
            last.agreement[BF16], notes = agreement(folder, kinds, options)
            last.notes += notes
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(CONTEST.makers, main)
