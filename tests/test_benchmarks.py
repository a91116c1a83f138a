"""What the benchmarks conclude from times: ratios, verdicts, cliffs, and the files they write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

FOLDER = str(Path(__file__).resolve().parents[1] / "benchmarks")


@pytest.fixture
def modules(monkeypatch):
    """The benchmarks' own modules, which are no package."""
    import importlib

    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    names = ("_results", "_contest", "_svg", "_vision", "scaling", "run")
    yield {name: importlib.import_module(name) for name in names}
    for name in set(sys.modules) - before:  # "run" is no name to leave behind
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(FOLDER):
            del sys.modules[name]


@pytest.fixture
def results(modules):
    return modules["_results"]


def table(results, *targets, **options):
    times = {"a": [1.0, 2.0, 30.0], "b": [2.0, 2.0, 10.0], "c": [4.0, 8.0, 40.0]}
    return results.Table("t", times, ("a", "gone"), targets, "s", **options)


def test_a_ratio_is_the_median_of_the_rounds_own(results):
    assert table(results).ratio("a", "b") == 1.0  # of 1/2, 2/2, 30/10: not 2 / 2 of the medians
    assert table(results).ratio("a", "c") == 0.25


@pytest.mark.parametrize(
    ("limit", "others", "of", "value", "verdict"),
    [
        (1.0, ("b",), "time", 1.0, "met"),
        (0.9, ("b", "c"), "time", 1.0, "missed"),  # b is the faster form
        (4.0, ("c",), "speed", 4.0, "met"),
        (4.1, ("c",), "speed", 4.0, "missed"),
        (1.0, ("b", "c"), "memory", 2.0, "missed"),  # b takes less
        (0.99, ("b",), "agreement", 0.99, "met"),
        (1.0, ("elsewhere",), "time", None, "not measured"),
    ],
)
def test_a_target_is_against_the_best_form_of_a_peer(results, limit, others, of, value, verdict):
    target = results.Target(limit, "a", others, of)
    one = table(results, target, memory={"a": 2e6, "b": 1e6, "c": 3e6}, agreement={"a": 0.99})
    (found,) = one.verdicts()
    assert found["measured"] == value and found["verdict"] == verdict


def test_ours_that_did_not_run_is_not_measured_and_said_so(results):
    one = table(results, results.Target(1.0, "gone", ("b",)), skipped={"gone": "no reason"})
    text = one.markdown()
    assert "- gone: at most 1 of the time of b: **not measured**" in text
    assert "- not run: gone: no reason" in text
    json.dumps(one.data())


def test_outputs_too_far_from_ours_end_the_benchmark(modules):
    contest = modules["_contest"].Contest("", {}, (), ours=("a",))
    near, far = [np.array([1.0, 2.0])], [np.array([1.0, 2.08])]
    assert contest.check({"a": near, "b": near}) == {"b": 0.0}
    with pytest.raises(SystemExit, match="b differs from a"):
        contest.check({"a": near, "b": far})
    bf16 = modules["_contest"].BF16
    assert contest.check({"a": near, bf16: far}) == {bf16: pytest.approx(0.04)}


@pytest.mark.parametrize("got", [[1, 2, 4], [1, 2]])
def test_tokens_are_equal_or_they_are_not(modules, got):
    difference = modules["_contest"].difference
    assert difference(np.array(got), np.array([1, 2, 3]), exact=True) == float("inf")
    assert difference(np.array([1, 2, 3]), np.array([1, 2, 3]), exact=True) == 0


def test_a_cliff_is_where_an_item_takes_half_as_long_again(modules, results):
    curve = modules["scaling"].Curve("c", "items", (1, 2, 4))
    for size, seconds in ((1, 1e-3), (2, 2e-3), (4, 6.4e-3)):
        curve.add(results.Table("", {"a": [seconds]}, ("a",), skipped={"b": "why"}), size)
    assert curve.curves == {"a": pytest.approx([1.0, 1.0, 1.6]), "b": [None] * 3}
    assert curve.cliffs() == ["cliff: a: 1.60 times as long at 4"]
    assert curve.notes == ["not run: b: why"] and "| a | 1 | 1 | 1.6 |" in curve.markdown()


def test_the_picture_has_a_line_for_each_curve_and_a_point_for_each_value(modules):
    curves = {"a": [3.0, 2.0, 1.0], "b & c": [5.0, None, 5.0], "none": [None] * 3}
    picture = ElementTree.fromstring(modules["_svg"].picture([("t", "x", (1, 2, 4), curves)]))
    kinds = [one.tag.rpartition("}")[2] for one in picture.iter()]
    assert kinds.count("circle") == 5 and kinds.count("polyline") == 3


def test_the_table_of_a_run_has_a_line_for_each_target(modules, results):
    targets = results.Target(1.0, "a", ("b",)), results.Target(2.0, "gone", ("b",))
    one = table(results, *targets, skipped={"gone": "a | b"}).data()
    text = modules["run"].table({"x": {"tables": [one]}}, ["y"], {"cpu": "z"})
    assert "| t | a | at most 1 of the time of b | 1, **met** |  |" in text
    assert "| t | gone | at most 2 of the time of b | **not measured** | a / b |" in text
    assert "- failed: y" in text


def test_stripes_of_a_kind_are_alike_and_their_noise_is_not(modules):
    textures = modules["_vision"].textures
    images, labels = textures(4, 2, seed=1)
    again, _ = textures(4, 2, seed=1)
    assert np.array_equal(images, again) and labels.tolist() == [0, 1, 0, 1]
    spectra = np.abs(np.fft.rfft2(images.sum(1)))[:, :60, :60]
    alike = np.corrcoef(spectra.reshape(4, -1))
    assert min(alike[0, 2], alike[1, 3]) > max(alike[0, 1], alike[2, 3])
