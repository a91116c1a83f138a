"""transformers' model files, unchanged, on Sensorium: outputs, gradients, training step, generation."""

import runpy
from pathlib import Path

import pytest

PROGRAM = runpy.run_path(str(Path(__file__).with_name("transformers_models.py")))

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture(scope="module")
def results(pair):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return pair("transformers_models")


@pytest.mark.parametrize("name", PROGRAM["EVALUATED"])
def test_outputs_are_pytorchs(results, name):
    results.check(name, most=1e-4)


@pytest.mark.parametrize("name", PROGRAM["GENERATED"])
def test_texts_are_pytorchs(results, name):
    """The tokens that transformers' own ``generate`` chooses, with its cache."""
    results.check(f"{name} generated", most=0)


@pytest.mark.parametrize("name", PROGRAM["TRAINED"])
def test_a_step_of_training_is_pytorchs(results, name):
    """In float64: the loss, every gradient, and every parameter and statistic after the step."""
    results.check(f"{name} trained", most=1e-8)
