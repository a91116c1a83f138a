"""What the tests of checkpoint formats share."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


def _load_builders():
    """Test folders are no packages, so the module is loaded by its place."""
    spec = importlib.util.spec_from_file_location(
        "_builders", Path(__file__).with_name("_builders.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_BUILDERS = _load_builders()


@pytest.fixture(scope="session")
def build():
    """The writers of ``_builders.py``."""
    return _BUILDERS


@pytest.fixture
def put(tmp_path):
    """Write bytes to a file and return its path."""

    def write(data, name="checkpoint"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def python():
    """Run a script in a fresh interpreter with the same packages; its standard output."""

    def run(script, *arguments, timeout=60):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", script, *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run
