"""GPT-2 124M writes 64 tokens behind 16, greedily and with a cache of keys and values: tokens a second.

    python benchmarks/generation.py [--quick] [--rounds N] [--out FOLDER]

Every contender is alone in a process of its own, and they take turns. Both have the same random
weights, which the parent writes, and the same prompt; no token ends a text. The tokens are compared
before anything is timed. The peer is Hugging Face's model and ``generate`` in PyTorch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import _contest
import _harness
import numpy as np
from _contest import COMPILED, OURS, TORCH
from _results import Target

ABOUT = "GPT-2, 12 layers of 768, batch 1, greedy, with cache, float32. Ratios are of time."
ARRAYS, PROMPT = "gpt2.npz", 16
SPREAD = 0.1  # of random weights: with GPT-2's own, 0.02, the answer is one token again and again


def write_weights(folder: str) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    net = transformers.GPT2LMHeadModel(transformers.GPT2Config(initializer_range=SPREAD))
    state = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    np.savez(Path(folder) / ARRAYS, **state)


def prompt() -> np.ndarray:
    """(1, T)."""
    return np.random.default_rng(0).integers(0, 50000, (1, PROMPT))


# -- contenders: each imports its library in its own process -------------------------------------
def ours(new: int, threads: int, folder: str) -> _harness.Run:
    import sensorium as sn
    from sensorium.text.models import GPT2LMHeadModel

    sn.set_num_threads(threads)
    net, ids = GPT2LMHeadModel(eos_token_id=None), sn.from_numpy(prompt())
    with np.load(Path(folder) / ARRAYS) as arrays:
        net.load_state_dict({key: sn.from_numpy(value) for key, value in arrays.items()})
    net.eval()
    return lambda: net.generate(ids, max_new_tokens=new)


def theirs(new: int, threads: int, folder: str) -> _harness.Run:
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    net = transformers.GPT2LMHeadModel(transformers.GPT2Config(eos_token_id=None)).eval()
    with np.load(Path(folder) / ARRAYS) as arrays:
        net.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})
    net.generation_config.eos_token_id = None
    ids = torch.from_numpy(prompt())
    seen = torch.ones_like(ids)

    @torch.inference_mode()
    def run() -> object:
        return net.generate(
            ids, attention_mask=seen, max_new_tokens=new, do_sample=False, pad_token_id=0
        )

    return run


MAKERS: dict[str, Callable[..., _harness.Run]] = {OURS: ours, TORCH: theirs}
CONTEST = _contest.Contest(
    __file__,
    MAKERS,
    (
        Target(1.3, OURS, (TORCH,), of="speed"),
        Target(1.5, COMPILED, (TORCH,), of="speed"),
        *_contest.lean((OURS,), TORCH),
    ),
    ours=(OURS, COMPILED),
    exact=True,
)


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("generation", ABOUT, options.threads)
    new = 8 if options.quick else 64
    rounds = options.rounds or (1 if options.quick else 20)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder)
        settings = {"new": new, "threads": options.threads, "folder": folder}
        left_out = {COMPILED: "a cache that grows has another shape at every token"}
        warmup = 0 if options.quick else 2
        title = f"GPT-2 124M greedy decoding, {new} tokens"
        table = CONTEST.race(title, settings, rounds, warmup, left_out)
    table.notes += [
        f"{name}: {new / np.median(times):.1f} tokens/s" for name, times in table.times.items()
    ]
    report.tables.append(table)
    _harness.finish(report, options)


if __name__ == "__main__":
    _contest.entry(MAKERS, main)
