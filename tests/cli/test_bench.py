"""``sensorium bench``: figures that fit together, for every kind of model, without a download."""

from __future__ import annotations

import json

import pytest

import sensorium
from sensorium.backends.cpu import onednn


def bench(run, *words):
    code, out, err = run("bench", *words, "--runs", 2, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_the_report_has_figures_and_the_profile(run):
    code, out, err = run("bench", "digits_resnet", "--batch", 3, "--runs", 3)
    assert (code, err) == (0, "")
    assert out.startswith("digits_resnet: inference, batch 3, size 8, ")
    for part in ("ms per call", "images/s", "peak memory", "Self CPU", "conv", "median of 3"):
        assert part in out


def test_the_document_fits_together(run):
    found = bench(run, "digits_resnet", "--batch", 4)
    assert found["mode"] == "inference"
    assert (found["batch"], found["size"], found["runs"]) == (4, 8, 2)
    assert len(found["ms_each"]) == 2
    assert found["ms"] == pytest.approx(sum(found["ms_each"]) / 2, abs=2e-4)
    assert found["per_second"] == pytest.approx(4000 / found["ms"], rel=1e-2)
    assert found["peak_memory"] is None or found["peak_memory"] > 1 << 20
    rows = {row["name"]: row for row in found["profile"]}
    assert all(row["self_us"] <= row["total_us"] + 1e-3 for row in rows.values())
    assert "backward" not in rows


def test_training_runs_backward_and_a_step(run):
    rows = {row["name"] for row in bench(run, "digits_resnet", "--train")["profile"]}
    assert {"backward", "Optimizer.step#SGD.step"} <= rows


def test_a_compiled_run_shows_the_graphs_steps(run):
    found = bench(run, "digits_resnet", "--batch", 4, "--compile")
    assert (found["compiled"], found["precision"]) == (True, "float32")
    rows = {row["name"]: row for row in found["profile"]}
    assert rows["compiled SmallResNet"]["calls"] == 1
    assert "conv" in rows
    assert "normalise" not in rows  # it is folded


def test_the_report_says_what_is_compiled(run):
    code, out, _ = run("bench", "bert_tiny", "--size", 16, "--runs", 2, "--compile")
    assert code == 0
    assert out.startswith("bert_tiny: inference (compiled, float32), batch 1, size 16, ")


def test_a_training_step_is_compiled_too(run):
    found = bench(run, "digits_resnet", "--train", "--compile")
    rows = {row["name"] for row in found["profile"]}
    assert {"compiled loss_with_gradients", "Optimizer.step#SGD.step"} <= rows
    assert "backward" not in rows


@pytest.mark.skipif(not onednn.has_bfloat16(), reason="no AVX512-BF16 here")
def test_bfloat16_is_a_graphs(run):
    found = bench(run, "digits_resnet", "--compile", "--precision", "bfloat16")
    assert (found["compiled"], found["precision"]) == (True, "bfloat16")


def test_threads_hold_for_the_run_only(run):
    before = sensorium.get_num_threads()
    assert bench(run, "digits_resnet", "--threads", before + 1)["threads"] == before + 1
    assert sensorium.get_num_threads() == before


@pytest.mark.parametrize(
    ("name", "words", "items", "size"),
    [
        ("resnet20", (), "images", 32),
        ("resnet18", ("--size", 64), "images", 64),
        ("bert_tiny", ("--size", 16), "texts", 16),
        ("bert_tiny", ("--size", 16, "--train"), "texts", 16),
        ("silero-vad", (), "chunks", None),
        ("crepe_tiny", ("--train",), "frames", None),
        ("speech_cnn_small", (), "spectrograms", 101),
    ],
)
def test_every_kind_of_model_has_its_input(run, name, words, items, size):
    found = bench(run, name, *words)
    assert (found["items"], found["size"]) == (items, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "whisper_tiny", "all-minilm-l6-v2", "efficientnet_lite0"])
def test_larger_models_too(run, name):
    assert bench(run, name)["ms"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resnet_50",), "did you mean"),
        (("bert_tiny", "--size", 100_000), "reads at most 512 tokens, got --size 100000"),
        (("crepe_tiny", "--size", 5), "--size does not apply"),
        (("resnet18", "--precision", "bfloat16"), "add --compile"),
        (("resnet18", "--compile", "--train", "--precision", "bfloat16"), "is for inference"),
    ],
)
def test_what_cannot_be_timed_is_one_line(run, words, said):
    code, out, err = run("bench", *words)
    assert (code, out) == (1, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_batch_is_at_least_one(run):
    code, _, err = run("bench", "resnet18", "--batch", 0)
    assert code == 2
    assert "less than 1" in err
