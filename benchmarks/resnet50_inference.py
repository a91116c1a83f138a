"""ResNet-50 inference, batch 1, 8 and 32, 224x224, float32: ours eager against the peers.

    python benchmarks/resnet50_inference.py [--quick] [--rounds N] [--no-compile] [--out FOLDER]

Every contender has the same weights and gets the same image; its logits are compared with ours
before anything is timed. Peers: PyTorch eager in its default and in the channels-last layout,
torch.compile, ONNX Runtime. What does not run here is named in the result with the reason.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import _harness
import _torch_models
import numpy as np
import torch

import sensorium as sn
from sensorium.vision import models

ABOUT = "ResNet-50, 224x224, float32, eval mode without gradients. Ratios are ours / theirs."
OURS, DEFAULT = "sensorium", "torch eager"
TARGETS = {1: 0.75, 8: 0.6, 32: 0.6}  # of PyTorch eager, default layout
TOLERANCE = 1e-4

Infer = Callable[[np.ndarray], np.ndarray]
Prepare = Callable[[np.ndarray], Callable[[], object]]


# -- contenders: from an image to a call without arguments ---------------------------------------
def ours(net: _torch_models.ResNet50) -> Prepare:
    mine = models.resnet50()
    state = _torch_models.state(net)
    mine.load_state_dict({key: sn.from_numpy(value) for key, value in state.items()})
    mine.eval()

    def prepare(x: np.ndarray) -> Callable[[], object]:
        image = sn.from_numpy(x)

        def run() -> object:
            with sn.inference_mode():
                return mine(image)

        return run

    return prepare


def torch_eager(net: torch.nn.Module, layout: torch.memory_format) -> Prepare:
    copy = _torch_models.ResNet50()
    copy.load_state_dict(net.state_dict())
    return torch_run(copy.eval().to(memory_format=layout), layout)


def torch_run(net: Callable[[torch.Tensor], object], layout: torch.memory_format) -> Prepare:
    def prepare(x: np.ndarray) -> Callable[[], object]:
        image = torch.from_numpy(x).contiguous(memory_format=layout)

        def run() -> object:
            with torch.inference_mode():
                return net(image)

        return run

    return prepare


def torch_compile(net: torch.nn.Module) -> Prepare:
    torch._dynamo.reset()
    return torch_run(torch.compile(net), torch.contiguous_format)


def onnx_runtime(net: torch.nn.Module, threads: int) -> Prepare:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        path = Path(folder) / "resnet50.onnx"
        axes = {"x": {0: "n"}, "y": {0: "n"}}
        torch.onnx.export(
            net, (torch.zeros(1, 3, 224, 224),), path, input_names=["x"], output_names=["y"],
            dynamic_axes=axes, dynamo=False,
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    return lambda x: lambda: session.run(None, {"x": x})[0]


def contenders(
    net: torch.nn.Module, options: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Prepare]]]:
    """Names, and how to make each: making may fail."""
    yield OURS, lambda: ours(net)
    yield DEFAULT, lambda: torch_eager(net, torch.contiguous_format)
    yield "torch eager, channels-last", lambda: torch_eager(net, torch.channels_last)
    if not options.no_compile:
        yield "torch.compile", lambda: torch_compile(net)
    yield "ONNX Runtime", lambda: onnx_runtime(net, options.threads)


# -- one batch size ------------------------------------------------------------------------------
def difference(got: object, wanted: np.ndarray) -> float:
    """The largest difference relative to the largest logit."""
    return float(np.abs(np.asarray(got) - wanted).max() / np.abs(wanted).max())


def start(
    x: np.ndarray, net: torch.nn.Module, options: argparse.Namespace
) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """What runs, and why the rest does not: a peer that cannot run here is a fact to report."""
    runs: dict[str, Callable[[], object]] = {}
    skipped = {"torch.compile": "--no-compile"} if options.no_compile else {}
    for name, make in contenders(net, options):
        try:
            run = make()(x)
            run()
        except Exception as error:
            if name in (OURS, DEFAULT):
                raise
            skipped[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
        else:
            runs[name] = run
    return runs, skipped


def compare(batch: int, net: torch.nn.Module, options: argparse.Namespace) -> _harness.Table:
    x = np.random.default_rng(batch).normal(size=(batch, 3, 224, 224)).astype(np.float32)
    runs, skipped = start(x, net, options)
    wanted = np.asarray(runs[OURS]())
    checks = {name: difference(run(), wanted) for name, run in runs.items() if name != OURS}
    for name, far in checks.items():
        if not far <= TOLERANCE:
            raise SystemExit(f"batch {batch}: {name} differs from ours by {far:.1e}")
    rounds = options.rounds or (1 if options.quick else max(7, 25 - batch // 2))
    times = _harness.race(runs, rounds, warmup=0 if options.quick else 2)
    return _harness.Table(
        f"batch {batch}", times, OURS, DEFAULT, TARGETS[batch], checks=checks, skipped=skipped
    )


def main() -> None:
    options = _harness.arguments(ABOUT, no_compile="leave out torch.compile")
    report = _harness.Report("resnet50-inference", ABOUT, options.threads)
    sn.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    net = _torch_models.resnet50().eval()
    for batch in (1,) if options.quick else TARGETS:
        report.tables.append(compare(batch, net, options))
    _harness.finish(report, options)


if __name__ == "__main__":
    main()
