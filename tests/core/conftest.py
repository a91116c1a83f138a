"""What the tests of the core share."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _load(name):
    """Test folders are no packages, so a shared module is loaded by its place."""
    if f"_core_{name}" not in sys.modules:
        path = Path(__file__).with_name(f"{name}.py")
        spec = importlib.util.spec_from_file_location(f"_core_{name}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[f"_core_{name}"] = module
        spec.loader.exec_module(module)
    return sys.modules[f"_core_{name}"]


@pytest.fixture(scope="session")
def registry():
    """The helpers of ``registry.py``."""
    return _load("registry")


@pytest.fixture(scope="session")
def fake_cupy():
    """The array class of ``fake_cupy.py``."""
    return _load("fake_cupy")


@pytest.fixture(scope="session")
def engine_work():
    """The operations of ``engine_work.py``."""
    return _load("engine_work")
