"""Embedding 1000 sentences of mixed length with all-MiniLM-L6-v2, tokenization included.

    python benchmarks/sentences.py [--quick] [--rounds N] [--out FOLDER]

PyTorch runs Hugging Face's own model and fast tokenizer in batches of 32, as its users write it and as
sentence-transformers does it, sorted by length. All have the same weights; the vectors are compared
before anything is timed. Needs the network (or a filled cache) for the weights, and transformers.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import _harness
import numpy as np
from _results import Table, Target

ABOUT = "1000 English sentences of 4 to 120 words, median 16, to 384 numbers each; float32."
OURS, PLAIN, SORTED = "sensorium", "torch eager", "torch eager, sorted by length"
BATCH, MAX_LENGTH = 32, 256
TARGET = Target(1.5, OURS, (PLAIN,), of="speed")
COMMON = """
the of and to in is that it was for on are with as his they be at one have this from or had by hot
but some what there we can out other were all your when up use word how said an each she which do
their time if will way about many then them would write like so these her long make thing see him
two has look more day could go come did my sound no most number who over know water than call first
people may down side been now find any new work part take get place made live where after back
little only round man year came show every good me give our under name very through just form much
great think say help low line before turn cause same mean differ move right boy old too does tell
sentence set three want air well also play small end put home read hand port large spell add even
land here must big high such follow act why ask men change went light kind off need house picture
try us again animal point mother world near build self earth father head stand own page should
country found answer school grow study still learn
"""


def sentences(n: int) -> list[str]:
    """n sentences of common words: lengths log-normal, in words, as those of a forum are."""
    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(np.log(16), 0.7, n)).astype(int), 4, 120)
    return [" ".join(rng.choice(COMMON.split(), length)).capitalize() + "." for length in lengths]


# -- contenders: each imports its library in its own process -------------------------------------
def ours(n: int, threads: int, folder: str) -> Callable[[], np.ndarray]:
    import sensorium as sn
    from sensorium import hub

    sn.set_num_threads(threads)
    pipe, texts = hub.pipeline(folder), sentences(n)
    return lambda: pipe.embed(texts).numpy()


def theirs(n: int, threads: int, folder: str, by_length: bool) -> Callable[[], np.ndarray]:
    """The recipe of the model's card, for batches of 32 in the order given or by length."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    texts = sentences(n)
    order = sorted(range(n), key=lambda k: -len(texts[k])) if by_length else [*range(n)]

    @torch.inference_mode()
    def run() -> np.ndarray:
        out = np.empty((n, 384), np.float32)
        for start in range(0, n, BATCH):
            places = order[start : start + BATCH]
            batch = tokenizer([texts[k] for k in places], padding=True, truncation=True,
                              max_length=MAX_LENGTH, return_tensors="pt")  # fmt: skip
            hidden = model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * mask).sum(1) / mask.sum(1)
            out[places] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return out

    return run


MAKERS: dict[str, Callable[..., Callable[[], np.ndarray]]] = {
    OURS: ours,
    PLAIN: partial(theirs, by_length=False),
    SORTED: partial(theirs, by_length=True),
}


# -- the table -----------------------------------------------------------------------------------
def check(remotes: dict[str, _harness.Remote]) -> dict[str, float]:
    """The largest cosine distance between our vectors and each other's."""
    mine = remotes[OURS].output()
    checks = {}
    for name, remote in remotes.items():
        if name != OURS:
            checks[name] = float(np.abs(1 - (mine * remote.output()).sum(1)).max())
            if checks[name] > 1e-5:
                raise SystemExit(f"{name}: cosine distance {checks[name]:.1e}")
    return checks


def main() -> None:
    options = _harness.arguments(ABOUT)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    report = _harness.Report("sentences", ABOUT, options.threads)
    from sensorium import hub

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        hub.save(hub.load("all-minilm-l6-v2"), folder)
        settings = {"n": 64 if options.quick else 1000, "threads": options.threads}
        made = {
            name: _harness.Remote(__file__, name, {**settings, "folder": folder}) for name in MAKERS
        }
        remotes = {name: stack.enter_context(remote) for name, remote in made.items()}
        checks = check(remotes)
        rounds = options.rounds or (1 if options.quick else 7)
        times = _harness.race(remotes, rounds, warmup=0 if options.quick else 1)
        notes = ["difference: the largest cosine distance between two vectors of a sentence"]
        title = f"{settings['n']} sentences"
        report.tables.append(Table(title, times, (OURS,), (TARGET,), checks=checks, notes=notes))
    _harness.finish(report, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contender"]:
        _harness.serve(MAKERS, *sys.argv[2:])
    else:
        main()
