"""ResNet-50 inference, batch 1, 8 and 32, 224x224, float32: ours eager against the peers.

    python benchmarks/resnet50_inference.py [--quick] [--rounds N] [--no-compile] [--out FOLDER]

Every contender is alone in a process of its own, one for each batch size, and they take turns. All
have the same weights, which the parent writes once, and get the same image; logits are compared
with ours before anything is timed. Peers: PyTorch eager in its default and in the channels-last
layout, torch.compile, ONNX Runtime. What does not run here is named in the result with the reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import _harness
import numpy as np

ABOUT = "ResNet-50, 224x224, float32, eval mode without gradients. Ratios are ours / theirs."
OURS, DEFAULT, LAST = "sensorium", "torch eager", "torch eager, channels-last"
COMPILED, ONNX = "torch.compile", "ONNX Runtime"
TARGETS = {1: 0.75, 8: 0.6, 32: 0.6}  # of PyTorch eager, default layout
TOLERANCE = 1e-4
ARRAYS, GRAPH = "resnet50.npz", "resnet50.onnx"  # in the folder that contenders are given


def write_weights(folder: str) -> None:
    """The net's state dict for ours and PyTorch, and its graph for ONNX Runtime."""
    import _torch_models
    import torch

    net = _torch_models.resnet50().eval()
    np.savez(Path(folder) / ARRAYS, **_torch_models.state(net))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        axes = {"x": {0: "n"}, "y": {0: "n"}}
        torch.onnx.export(
            net, (torch.zeros(1, 3, 224, 224),), Path(folder) / GRAPH, input_names=["x"],
            output_names=["y"], dynamic_axes=axes, dynamo=False,
        )  # fmt: skip


def image_of(batch: int) -> np.ndarray:
    """(batch, 3, 224, 224)."""
    return np.random.default_rng(batch).normal(size=(batch, 3, 224, 224)).astype(np.float32)


# -- contenders: each imports its library in its own process -------------------------------------
def ours(batch: int, threads: int, folder: str) -> _harness.Run:
    import sensorium as sn
    from sensorium.vision import models

    sn.set_num_threads(threads)
    net, image = models.resnet50(), sn.from_numpy(image_of(batch))
    with np.load(Path(folder) / ARRAYS) as arrays:
        net.load_state_dict({key: sn.from_numpy(value) for key, value in arrays.items()})
    net.eval()

    def run() -> object:
        with sn.inference_mode():
            return net(image)

    return run


def theirs(
    batch: int, threads: int, folder: str, last: bool = False, compiled: bool = False
) -> _harness.Run:
    """PyTorch, in the channels-last layout or in its default one, eager or compiled."""
    import _torch_models
    import torch

    torch.set_num_threads(threads)
    layout = torch.channels_last if last else torch.contiguous_format
    net = _torch_models.ResNet50()
    with np.load(Path(folder) / ARRAYS) as arrays:
        net.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})
    net = net.eval().to(memory_format=layout)
    call = torch.compile(net) if compiled else net
    image = torch.from_numpy(image_of(batch)).contiguous(memory_format=layout)

    def run() -> object:
        with torch.inference_mode():
            return call(image)

    return run


def onnx_runtime(batch: int, threads: int, folder: str) -> _harness.Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(Path(folder) / GRAPH), options, providers=providers)
    image = image_of(batch)
    return lambda: session.run(None, {"x": image})[0]


MAKERS: dict[str, Callable[..., _harness.Run]] = {
    OURS: ours,
    DEFAULT: theirs,
    LAST: partial(theirs, last=True),
    COMPILED: partial(theirs, compiled=True),
    ONNX: onnx_runtime,
}


# -- one batch size ------------------------------------------------------------------------------
def start(
    stack: ExitStack, settings: dict[str, object], skipped: dict[str, str]
) -> dict[str, tuple[_harness.Remote, np.ndarray]]:
    """What runs, with its logits. A peer that cannot run here is a fact to report: ``skipped``."""
    running = {}
    for name in [name for name in MAKERS if name not in skipped]:
        try:
            remote = stack.enter_context(_harness.Remote(__file__, name, settings))
            running[name] = remote, remote.output()
        except _harness.Failed as error:
            if name in (OURS, DEFAULT):
                raise
            skipped[name] = error.why
    return running


def check(logits: dict[str, np.ndarray]) -> dict[str, float]:
    """The largest difference of each to ours, relative to our largest logit."""
    wanted, checks = logits.pop(OURS), {}
    for name, got in logits.items():
        checks[name] = float(np.abs(got - wanted).max() / np.abs(wanted).max())
        if not checks[name] <= TOLERANCE:
            raise SystemExit(f"{name} differs from ours by {checks[name]:.1e}")
    return checks


def compare(batch: int, folder: str, options: argparse.Namespace) -> _harness.Table:
    settings = {"batch": batch, "threads": options.threads, "folder": folder}
    skipped = {COMPILED: "--no-compile"} if options.no_compile else {}
    rounds = options.rounds or (1 if options.quick else max(7, 25 - batch // 2))
    with ExitStack() as stack:
        running = start(stack, settings, skipped)
        checks = check({name: logits for name, (_, logits) in running.items()})
        remotes = {name: remote for name, (remote, _) in running.items()}
        times = _harness.race(remotes, rounds, warmup=0 if options.quick else 2)
    return _harness.Table(
        f"batch {batch}", times, OURS, DEFAULT, TARGETS[batch], checks=checks, skipped=skipped
    )


def main() -> None:
    options = _harness.arguments(ABOUT, no_compile="leave out torch.compile")
    report = _harness.Report("resnet50-inference", ABOUT, options.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder)
        for batch in (1,) if options.quick else TARGETS:
            report.tables.append(compare(batch, folder, options))
    _harness.finish(report, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contender"]:
        _harness.serve(MAKERS, *sys.argv[2:])
    else:
        main()
