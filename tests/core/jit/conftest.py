"""What the tests of ``compile`` share."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _load(name):
    """Test folders are no packages, so a shared module is loaded by its place."""
    if f"_jit_{name}" not in sys.modules:
        path = Path(__file__).with_name(f"{name}.py")
        spec = importlib.util.spec_from_file_location(f"_jit_{name}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[f"_jit_{name}"] = module
        spec.loader.exec_module(module)
    return sys.modules[f"_jit_{name}"]


@pytest.fixture(scope="session")
def graphs():
    """The random functions of ``random_graphs.py``, with the steps of ``network_blocks.py``."""
    found = _load("random_graphs")
    blocks = _load("network_blocks").BLOCKS
    found.KINDS += [kind for kind in blocks if kind not in found.KINDS] * 2
    return found


@pytest.fixture(scope="session")
def work():
    """The comparisons of ``work.py``."""
    return _load("work")
