"""Classifiers of photographs as contenders: ours, PyTorch's, ONNX Runtime's, of the same weights.

Each maker imports its library in the contender's process. ``write_weights`` runs in the parent; the
contenders are given the folder. ``probe`` is a number of images: a call then gives the class chosen
for each, instead of the logits of one batch.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import _harness
import numpy as np
from _contest import BF16, COMPILED, LAST, ONNX, OURS, PRECISIONS, TORCH, TORCH_COMPILED

PEERS = {  # the file and the class, in PyTorch
    "resnet50": ("_torch_models", "ResNet50"),
    "mobilenet_v2": ("_torch_mobile", "MobileNetV2"),
    "efficientnet_b0": ("_torch_mobile", "EfficientNetB0"),
    "vit_b_16": ("_torch_vit", "ViTB16"),
}
PROBE_BATCH = 8


# -- images --------------------------------------------------------------------------------------
def image_of(batch: int) -> np.ndarray:
    """Noise (batch, 3, 224, 224)."""
    return np.random.default_rng(batch).normal(size=(batch, 3, 224, 224)).astype(np.float32)


def textures(count: int, kinds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 3, 224, 224) of stripes in noise, and the kind of each (count).

    A kind has its direction, width and colour; position, contrast and noise are an image's own.
    """
    rng, own = np.random.default_rng(0), np.random.default_rng(seed)
    angle, cycles = rng.uniform(0, np.pi, kinds), rng.uniform(4, 40, kinds)
    colour = rng.normal(size=(kinds, 3))
    y, x = np.mgrid[:224, :224] / 224
    labels = np.arange(count) % kinds
    images = np.empty((count, 3, 224, 224), np.float32)
    for n, k in enumerate(labels):
        along = x * np.cos(angle[k]) + y * np.sin(angle[k])
        wave = np.sin(2 * np.pi * (cycles[k] * along + own.uniform()))
        noise = 0.3 * own.normal(size=(3, 224, 224))
        images[n] = own.uniform(0.7, 1.3) * colour[k][:, None, None] * wave + noise
    return images, labels


# -- the parent's part ---------------------------------------------------------------------------
def bare(name: str) -> Any:
    """The net in PyTorch, as it starts."""
    file, kind = PEERS[name]
    return getattr(importlib.import_module(file), kind)()


def settled(name: str) -> Any:
    """The net in PyTorch, in eval mode, with the weights of the benchmark."""
    import _torch_mobile
    import _torch_models
    import torch

    if name == "resnet50":
        return _torch_models.resnet50().eval()
    torch.manual_seed(0)
    return _torch_mobile.settled(bare(name))


def write_weights(folder: str, name: str, prepare: Callable[[Any], None] | None = None) -> None:
    """The net's state dict for ours and PyTorch, and its graph for ONNX Runtime."""
    import _torch_models
    import torch

    net = settled(name)
    if prepare is not None:
        prepare(net)
    np.savez(Path(folder) / f"{name}.npz", **_torch_models.state(net))
    torch.backends.mha.set_fastpath_enabled(False)  # an op that ONNX has no name for
    axes = {"x": {0: "n"}, "y": {0: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        torch.onnx.export(
            net, (torch.zeros(2, 3, 224, 224),), Path(folder) / f"{name}.onnx", input_names=["x"],
            output_names=["y"], dynamic_axes=axes, dynamo=False,
        )  # fmt: skip


def arrays_of(folder: str, name: str) -> Mapping[str, np.ndarray]:
    with np.load(Path(folder) / f"{name}.npz") as arrays:
        return dict(arrays)


# -- contenders: each imports its library in its own process -------------------------------------
def ours(
    name: str, batch: int, threads: int, folder: str, precision: str | None = None,
    probe: int = 0, kinds: int = 1,
) -> _harness.Run:  # fmt: skip
    """Eager, or compiled for a precision."""
    import sensorium as sn
    from sensorium.vision import models

    sn.set_num_threads(threads)
    net = models.get_model(name)
    state = arrays_of(folder, name)
    net.load_state_dict({key: sn.from_numpy(value) for key, value in state.items()})
    net.eval()
    call = net if precision is None else sn.compile(net, precision=precision)

    def logits(image: Any) -> Any:
        with sn.inference_mode():
            return call(image)

    if probe:
        images = textures(probe, kinds, seed=2)[0]
        return lambda: chosen(lambda part: logits(sn.from_numpy(part)), images)
    return partial(logits, sn.from_numpy(image_of(batch)))


def chosen(logits: Callable[[np.ndarray], Any], images: np.ndarray) -> np.ndarray:
    """The class of each image (N)."""
    parts = [images[n : n + PROBE_BATCH] for n in range(0, len(images), PROBE_BATCH)]
    return np.concatenate([np.asarray(logits(part)).argmax(1) for part in parts])


def theirs(
    name: str, batch: int, threads: int, folder: str, last: bool = False, compiled: bool = False
) -> _harness.Run:
    """PyTorch, in the channels-last layout or in its default one, eager or compiled."""
    import torch

    torch.set_num_threads(threads)
    layout = torch.channels_last if last else torch.contiguous_format
    net = bare(name)
    state = arrays_of(folder, name)
    net.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    net = net.eval().to(memory_format=layout)
    call = torch.compile(net) if compiled else net
    image = torch.from_numpy(image_of(batch)).contiguous(memory_format=layout)

    def run() -> object:
        with torch.inference_mode():
            return call(image)

    return run


def onnx_runtime(name: str, batch: int, threads: int, folder: str) -> _harness.Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(Path(folder) / f"{name}.onnx"), options, providers=["CPUExecutionProvider"]
    )
    image = image_of(batch)
    return lambda: session.run(None, {"x": image})[0]


MAKERS: dict[str, Callable[..., _harness.Run]] = {
    OURS: ours,
    COMPILED: partial(ours, precision=PRECISIONS[COMPILED]),
    BF16: partial(ours, precision=PRECISIONS[BF16]),
    TORCH: theirs,
    LAST: partial(theirs, last=True),
    TORCH_COMPILED: partial(theirs, compiled=True),
    ONNX: onnx_runtime,
}
