"""Running a program written for PyTorch with Sensorium in its place."""

import re
import sys
import types
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def load(name: str, package: str) -> types.ModuleType:
    """The program ``name``.py with the word ``torch`` read as ``package``."""
    source = re.sub(r"\btorch\b", package, (HERE / f"{name}.py").read_text())
    source = source.replace(f"import {package}\n", f"import {package} as {package}\n")
    module = types.ModuleType(f"{name}_with_{package}")
    sys.modules[module.__name__] = module
    exec(compile(source, f"{name}.py ({package})", "exec"), module.__dict__)  # noqa: S102
    return module


@pytest.fixture
def program():
    """program(name, package) -> module."""
    return load
