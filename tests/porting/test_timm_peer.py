"""timm's model files, unchanged, on Sensorium: PyTorch's outputs, gradients and training step."""

import importlib.util
import runpy
from pathlib import Path

import pytest

PROGRAM = runpy.run_path(str(Path(__file__).with_name("timm_models.py")))

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed"),
]


@pytest.fixture(scope="module")
def results(pair):
    pytest.importorskip("torch")
    return pair("timm_models")


@pytest.mark.parametrize("name", PROGRAM["EVALUATED"])
def test_outputs_are_pytorchs(results, name):
    results.check(name, most=1e-8 if name in PROGRAM["IN_DOUBLE"] else 1e-4)


@pytest.mark.parametrize("name, most", PROGRAM["TRAINED"].items())
def test_a_step_of_training_is_pytorchs(results, name, most):
    """In float64: the loss, every gradient, and every parameter and statistic after the step."""
    results.check(f"{name} trained", most)
