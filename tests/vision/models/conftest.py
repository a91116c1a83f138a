"""The reference nets, and the step between our arrays and torch's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # reference_torch beside the tests


@pytest.fixture(scope="session")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def reference(torch):
    import reference_torch

    return reference_torch


@pytest.fixture
def cheap_init(monkeypatch):
    """Parameters as they come from memory: for tests that overwrite or only count them."""
    from sensorium.nn import init

    for name in ("kaiming_normal_", "kaiming_uniform_", "uniform_"):
        monkeypatch.setattr(init, name, lambda tensor, *_, **__: tensor)
