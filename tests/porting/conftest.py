"""Running a program written for PyTorch with Sensorium in its place."""

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
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


class Pair:
    """What a child program left with PyTorch and with Sensorium."""

    def __init__(self, folder: Path):
        self.folder = folder

    def read(self, package: str, job: str) -> dict[str, np.ndarray]:
        place = self.folder / package / job
        if place.with_name(f"{job}.txt").exists():
            pytest.fail(f"{package}: " + place.with_name(f"{job}.txt").read_text(), pytrace=False)
        with np.load(place.with_name(f"{job}.npz")) as found:
            return dict(found)

    def check(self, job: str, most: float) -> None:
        """Names, shapes and types are PyTorch's; numbers within most of each array's largest.

        A gradient that is zero but for rounding, as that of a key's bias, is measured by the largest
        of all gradients.
        """
        want, got = self.read("torch", job), self.read("sensorium", job)
        assert got.keys() == want.keys()
        steep = max([abs(v).max() for k, v in want.items() if k.startswith("gradient")], default=0)
        for name, value in want.items():
            mine = got[name]
            assert (mine.shape, mine.dtype) == (value.shape, value.dtype), name
            if value.dtype.kind != "f":
                assert np.array_equal(mine, value), name
            elif value.size:
                large = max(abs(value).max(), 1e-3 * steep if name.startswith("gradient") else 0)
                assert np.isfinite(value).all(), name
                assert abs(mine - value).max() <= most * large, (
                    name,
                    abs(mine - value).max(),
                    large,
                )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory):
    """pair(program) -> Pair: ``program``.py run twice, each time in a process of its own."""

    def run(name: str) -> Pair:
        folder = tmp_path_factory.mktemp(name)
        for package in ("torch", "sensorium"):
            child = [sys.executable, str(HERE / f"{name}.py"), package, str(folder / package)]
            done = subprocess.run(
                child,
                check=False,  # what it said is shown below
                env={**os.environ, "OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"},
                capture_output=True,
                text=True,
                timeout=900,
            )
            assert done.returncode == 0, done.stderr[-2000:]
        return Pair(folder)

    return run
