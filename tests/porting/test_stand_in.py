"""The import finder that serves ``torch``: what is ours, what stands in, what is missing."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def child(code: str) -> str:
    """What a process prints that has the finder at hand."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r})\n{code}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def stand_in():
    spec = importlib.util.spec_from_file_location("stand_in_read", HERE / "stand_in.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_modules_are_sensoriums_and_keep_their_names():
    said = child("""
import stand_in; stand_in.install()
import torch, torch.nn.functional as F, sensorium
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader
assert nn is sensorium.nn is torch.nn and F is sensorium.nn.functional
assert nn.__spec__.name == "sensorium.nn" and nn.__name__ == "sensorium.nn"
assert issubclass(nn.BatchNorm2d, _BatchNorm) and torch.Tensor is sensorium.Tensor
assert isinstance(torch.ones(1).device, torch.device) and torch.device("cpu") == torch.ones(1).device
assert torch.device("meta") != torch.device("cpu")
print(torch.__version__)
""")
    assert said.strip() == "2.13.0"


def test_stand_ins_change_nothing_and_answer_no():
    child("""
import stand_in; stand_in.install()
import torch
def f(x): return x
assert torch.jit.script(f) is f and torch.jit.ignore()(f) is f and torch.compiler.disable(f) is f
assert not torch.compiler.is_compiling() and not torch.distributed.is_available()
assert torch.finfo(torch.float8_e4m3fn).max == 448 and torch.finfo(torch.float32).bits == 32
""")


@pytest.mark.parametrize(
    "code, text",
    [
        ("import torch.onnx", "ModuleNotFoundError: No module named 'torch.onnx'"),
        (
            "import torch; torch.jagged",
            "AttributeError: module 'sensorium' has no attribute 'jagge",
        ),
        ("import torch; torch.jit.load", "torch.jit.load does not stand in: no TorchScript"),
        ("import torch; torch.hub.get_dir()", "torch.hub.get_dir: Sensorium has nothing that does"),
        ("stand_in.install()", "ok"),
    ],
)
def test_what_is_missing_says_so(code, text):
    said = child(f"""
import stand_in; stand_in.install()
try:
    {code}
    print("ok")
except (ImportError, AttributeError, RuntimeError) as error:
    print(type(error).__name__ + ":", error)
""")
    assert text in said


def test_torch_that_is_there_already_is_not_replaced():
    said = child("""
import types; sys.modules["torch"] = types.ModuleType("torch")
import stand_in
try:
    stand_in.install()
except RuntimeError as error:
    print(error)
""")
    assert "imported already" in said


def test_every_stand_in_says_why_and_hides_nothing_of_ours(stand_in):
    for name, (why, _) in stand_in.STAND_INS.items():
        assert why
        top = name.partition(".")[0]
        ours = importlib.util.find_spec(f"sensorium.{top}") is not None
        assert not ours or top in {"backends", "hub", "jit"} or "." in name, name
