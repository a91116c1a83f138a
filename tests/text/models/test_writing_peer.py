"""Generation against transformers: the same ids, and the same logits after every rule."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sensorium as sn
from sensorium import generation, io
from sensorium.text import models

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

GPT = {
    "vocab_size": 61,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 3,
    "n_positions": 48,
    "initializer_range": 0.5,
    "bos_token_id": 3,
    "eos_token_id": 7,
    "pad_token_id": 0,
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """torch, a model of theirs, and ours from its files."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    folder = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(11)
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT)).eval()
    theirs.save_pretrained(folder)
    name, options = models.from_config(json.loads((folder / "config.json").read_text()))
    ours = models.get_model(name, **options).eval()
    ours.load_state_dict(models.convert(name, io.load(folder / "model.safetensors"), options))
    return torch, theirs, ours


def prompts(seed, n=5, length=9):
    """Left-padded ids and their mask."""
    rng = np.random.default_rng(seed)
    ids, mask = rng.integers(8, 61, (n, length)), np.ones((n, length), int)
    for row in range(n):
        ids[row, : 2 * row], mask[row, : 2 * row] = 0, 0
    return ids, mask


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"repetition_penalty": 1.7},
        {"min_new_tokens": 9, "eos_token_id": [7, 20, 21, 30, 31, 32, 33]},
        {"eos_token_id": list(range(20, 40)), "pad_token_id": 5},
    ],
)
def test_greedy_ids_are_theirs_for_left_padded_batches(pair, use_cache, options):
    torch, theirs, ours = pair
    for seed in range(3):
        ids, mask = prompts(seed)
        expected = theirs.generate(
            torch.tensor(ids),
            attention_mask=torch.tensor(mask),
            max_new_tokens=25,
            do_sample=False,
            **options,
        ).numpy()
        found = ours.generate(
            sn.tensor(ids), sn.tensor(mask), max_new_tokens=25, use_cache=use_cache, **options
        )
        np.testing.assert_array_equal(found.numpy(), expected)


def test_every_rule_gives_their_logits(pair):
    torch, _, _ = pair
    from transformers.generation import logits_process as theirs

    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(6, 61)) * 3).astype(np.float32)
    ids = rng.integers(0, 61, (6, 20))
    ours, given = sn.tensor(logits), (torch.tensor(ids), torch.tensor(logits))
    checks = [
        (generation.keep_top_k(ours, 5), theirs.TopKLogitsWarper(5)),
        (generation.keep_top_k(ours, 500), theirs.TopKLogitsWarper(500)),
        (generation.keep_top_p(ours, 0.7), theirs.TopPLogitsWarper(0.7)),
        (generation.keep_top_p(ours, 0.01), theirs.TopPLogitsWarper(0.01)),
        (
            generation.penalise_repetition(ours, sn.tensor(ids), 1.3),
            theirs.RepetitionPenaltyLogitsProcessor(1.3),
        ),
        (
            generation.suppress(ours, [3, 60]),
            theirs.SuppressTokensLogitsProcessor([3, 60]),
        ),
    ]
    for found, rule in checks:
        expected = rule(given[0], given[1].clone()).numpy()
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
