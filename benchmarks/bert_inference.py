"""BERT-base inference, 1 x 128, 8 x 128 and 1 x 384 tokens: ours, eager and compiled, and the peers.

    python benchmarks/bert_inference.py [--quick] [--rounds N] [--out FOLDER]

Every contender is alone in a process of its own, and they take turns. All have the same random
weights, which the parent writes, and see the same tokens, none of them padding; the last hidden
states are compared before anything is timed. Peers: Hugging Face's model in PyTorch with the attention
it chooses itself, and its graph in ONNX Runtime.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import _contest
import _harness
import numpy as np
from _contest import BF16, COMPILED, ONNX, OURS, PRECISIONS, TORCH
from _results import Target

ABOUT = "BERT-base, 12 layers of 768, eval mode without gradients, float32 unless named otherwise."
SIZES = ((1, 128), (8, 128), (1, 384))  # texts, tokens of each
ARRAYS, GRAPH = "bert.npz", "bert.onnx"
POSITIONS = 512  # the longest text


def write_weights(folder: str, classifier: bool = False, positions: int = POSITIONS) -> None:
    """The state dict of the encoder and its graph, or that of a classifier with 2 classes."""
    import torch
    import transformers

    torch.manual_seed(0)
    kind = "BertForSequenceClassification" if classifier else "BertModel"
    config = transformers.BertConfig(max_position_embeddings=positions)
    net = getattr(transformers, kind)(config).eval()
    state = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    np.savez(Path(folder) / ARRAYS, **state)
    if not classifier:
        write_graph(net, str(Path(folder) / GRAPH))


def write_graph(net: object, path: str) -> None:
    """ids (N, T) -> last hidden state (N, T, E), for ONNX Runtime."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.net(ids).last_hidden_state

    axes = {"x": {0: "n", 1: "t"}, "y": {0: "n", 1: "t"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        torch.onnx.export(
            Encoder().eval(), (torch.ones(2, 16, dtype=torch.long),), path, input_names=["x"],
            output_names=["y"], dynamic_axes=axes, dynamo=False,
        )  # fmt: skip


def ids_of(batch: int, length: int) -> np.ndarray:
    """Tokens (batch, length) that are words."""
    return np.random.default_rng(0).integers(1000, 30000, (batch, length))


# -- contenders: each imports its library in its own process -------------------------------------
def ours(
    batch: int, length: int, threads: int, folder: str, precision: str | None = None,
    positions: int = POSITIONS,
) -> _harness.Run:  # fmt: skip
    """Eager, or compiled for a precision."""
    import sensorium as sn
    from sensorium.text.models import BertModel

    sn.set_num_threads(threads)
    net = BertModel(max_position_embeddings=positions)
    ids = sn.from_numpy(ids_of(batch, length))
    with np.load(Path(folder) / ARRAYS) as arrays:
        net.load_state_dict({key: sn.from_numpy(value) for key, value in arrays.items()})
    net.eval()
    call = net if precision is None else sn.compile(net, precision=precision)

    def run() -> object:
        with sn.inference_mode():
            return call(ids).last_hidden_state

    return run


def theirs(
    batch: int, length: int, threads: int, folder: str, positions: int = POSITIONS
) -> _harness.Run:
    import torch
    import transformers

    torch.set_num_threads(threads)
    net = transformers.BertModel(transformers.BertConfig(max_position_embeddings=positions))
    with np.load(Path(folder) / ARRAYS) as arrays:
        net.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})
    net.eval()
    ids = torch.from_numpy(ids_of(batch, length))

    def run() -> object:
        with torch.inference_mode():
            return net(ids).last_hidden_state

    return run


def onnx_runtime(
    batch: int, length: int, threads: int, folder: str, positions: int = POSITIONS
) -> _harness.Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(Path(folder) / GRAPH), options, providers=["CPUExecutionProvider"]
    )
    ids = ids_of(batch, length)
    return lambda: session.run(None, {"x": ids})[0]


MAKERS: dict[str, Callable[..., _harness.Run]] = {
    OURS: ours,
    COMPILED: partial(ours, precision=PRECISIONS[COMPILED]),
    BF16: partial(ours, precision=PRECISIONS[BF16]),
    TORCH: theirs,
    ONNX: onnx_runtime,
}
CONTEST = _contest.Contest(
    __file__,
    MAKERS,
    (
        Target(0.5, OURS, (TORCH,)),
        Target(0.8, COMPILED, (ONNX,)),
        Target(0.5, BF16, (ONNX,)),
        *_contest.lean((OURS, COMPILED, BF16), TORCH),
    ),
)


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("bert-inference", ABOUT, options.threads)
    rounds = options.rounds or (1 if options.quick else 25)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder)
        for batch, length in SIZES[:1] if options.quick else SIZES:
            settings = {"batch": batch, "length": length, "threads": options.threads}
            title = f"BERT-base inference, {batch} x {length} tokens"
            warmup = 0 if options.quick else 3
            report.tables.append(
                CONTEST.race(title, {**settings, "folder": folder}, rounds, warmup)
            )
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(MAKERS, main)
