"""MobileNetV2, EfficientNet-B0 and ViT-B/16 inference, batch 1 and 8, 224x224, float32.

    python benchmarks/vision_inference.py [--quick] [--rounds N] [--out FOLDER]

Contenders, weights and checks as in ``resnet50_inference``; torch.compile is left out. PyTorch's nets
are in ``_torch_mobile`` and ``_torch_vit``.
"""

from __future__ import annotations

import tempfile

import _contest
import _harness
import _vision
from _contest import COMPILED, LAST, ONNX, OURS, TORCH
from _results import Target

ABOUT = "224x224, float32, eval mode without gradients."
NETS = {
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_b0": "EfficientNet-B0",
    "vit_b_16": "ViT-B/16",
}
CONTEST = _contest.Contest(
    __file__,
    {name: _vision.MAKERS[name] for name in (OURS, COMPILED, TORCH, LAST, ONNX)},
    (
        Target(0.8, OURS, (TORCH, LAST)),
        Target(1.1, COMPILED, (ONNX,)),
        *_contest.lean((OURS, COMPILED), TORCH, LAST),
    ),
    ours=(OURS, COMPILED),
)


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("vision-inference", ABOUT, options.threads)
    rounds = options.rounds or (1 if options.quick else 25)
    for name, title in NETS.items():
        with tempfile.TemporaryDirectory() as folder:
            _vision.write_weights(folder, name)
            for batch in (1,) if options.quick else (1, 8):
                settings = {"name": name, "batch": batch, "threads": options.threads}
                report.tables.append(
                    CONTEST.race(
                        f"{title} inference, batch {batch}",
                        {**settings, "folder": folder},
                        rounds,
                        warmup=0 if options.quick else 3,
                    )
                )
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(CONTEST.makers, main)
