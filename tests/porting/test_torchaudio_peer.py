"""torchaudio's Python, unchanged, on Sensorium: transforms, filters and models give PyTorch's numbers."""

import importlib.util
import runpy
from pathlib import Path

import pytest

PROGRAM = runpy.run_path(str(Path(__file__).with_name("torchaudio_transforms.py")))

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("torchaudio") is None, reason="torchaudio is not installed"
    ),
]


@pytest.fixture(scope="module")
def results(pair):
    pytest.importorskip("torch")
    return pair("torchaudio_transforms")


@pytest.mark.parametrize("name", PROGRAM["NAMES"])
def test_results_are_pytorchs(results, name):
    results.check(name, most=1e-3 if name in PROGRAM["ROUGH"] else 1e-4)
