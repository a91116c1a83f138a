"""Module paths: names are found under the files that PyTorch has them in."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import sensorium as sn
from sensorium.nn.modules import utils

ABSENT = {  # what sensorium leaves out, and helpers that are no part of the interface
    "CrossMapLRN2d", "BackwardHookFunction", "Container", "LazyModuleMixin",
    "NonDynamicallyQuantizableLinear",
}  # fmt: skip


def test_files_can_be_imported_first():
    code = "from sensorium.nn.modules.batchnorm import _BatchNorm, BatchNorm2d; print(BatchNorm2d)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "BatchNorm2d" in run.stdout


def test_they_are_the_same_classes():
    assert sn.nn.modules.conv.Conv2d is sn.nn.Conv2d is sn.nn.modules.Conv2d
    assert issubclass(sn.nn.Conv1d, sn.nn.modules.conv._ConvNd)
    assert issubclass(sn.nn.BatchNorm1d, sn.nn.modules.batchnorm._BatchNorm)


def test_pairs_and_prefixes():
    assert utils._pair(3) == (3, 3) and utils._triple((1, 2, 3)) == (1, 2, 3)
    state = {"module.a": 1, "module.module.b": 2, "c": 3}
    utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert state == {"a": 1, "module.b": 2, "c": 3}


@pytest.mark.parametrize("module", [sn, sn.nn, sn.nn.functional, sn.optim, sn.linalg, sn.special])
def test_an_absent_name_is_refused_by_name_with_the_nearest(module):
    known = next(n for n in sorted(dir(module)) if len(n) > 6 and not n.startswith("_"))
    wrong = known[:-1] + "qq"
    with pytest.raises(AttributeError, match=f"no attribute '{wrong}'; did you mean"):
        getattr(module, wrong)
    assert not hasattr(module, "zzzzzz")


@pytest.mark.peer
def test_every_public_name_of_the_peers_files_is_here():
    theirs = pytest.importorskip("torch.nn.modules")
    missing = []
    for info in pkgutil.iter_modules(theirs.__path__):
        peer = importlib.import_module(f"torch.nn.modules.{info.name}")
        public = [n for n, v in vars(peer).items()
                  if inspect.isclass(v) and v.__module__ == peer.__name__ and n[0] != "_"]  # fmt: skip
        missing += [n for n in public if not hasattr(sn.nn, n) and n not in ABSENT]
    assert missing == []
