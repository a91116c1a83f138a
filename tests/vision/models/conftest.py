"""The reference nets, and the step between our arrays and torch's."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

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


@pytest.fixture(scope="session")
def torchvision(torch, tmp_path_factory):
    """torchvision's own model files by name, from the package index; needs the marker ``network``.

    Its compiled part is not loaded: it wants the very PyTorch it was built with, models do not need
    it. The modules are taken out of sys.modules, where others would find a torchvision without it.
    """
    folder = tmp_path_factory.mktemp("torchvision")
    bring = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(folder),
    ]
    subprocess.run([*bring, "torchvision==0.28.0"], check=True)
    for name in ("torchvision", "torchvision.ops", "torchvision.models"):
        sys.modules[name] = package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")))]
    ops = importlib.import_module("torchvision.ops.stochastic_depth")
    sys.modules["torchvision.ops"].StochasticDepth = ops.StochasticDepth
    names = ("mobilenetv2", "efficientnet", "vision_transformer")
    found = {name: importlib.import_module(f"torchvision.models.{name}") for name in names}
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    return SimpleNamespace(**found)


@pytest.fixture
def cheap_init():
    """Parameters as they come from memory: for tests that overwrite or only count them."""
    from sensorium.nn import init

    with init.skip_random():
        yield
