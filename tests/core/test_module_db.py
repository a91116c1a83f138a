"""PyTorch's module database passes to the share that is reached: tools/module_db.py, run whole.

The tool itself is checked with modules that are wrong on purpose.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import sensorium as sn

ROOT = Path(__file__).resolve().parents[2]
FLOOR = 98.0
"""Per cent of the entries; all passed when it was set, 95 were asked for. It only ever goes up."""

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What the whole database gave: a process of its own, with its own seeds and warnings."""
    pytest.importorskip("torch")
    pytest.importorskip("expecttest")  # PyTorch's test package needs it
    file = tmp_path_factory.mktemp("module_db") / "module_db.json"
    command = [sys.executable, "tools/module_db.py", "--json", str(file), "--jobs", "2"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(file.read_text()) | {"printed": ran.stdout}


def test_the_share_of_entries_that_pass_does_not_fall(outcome, capsys):
    with capsys.disabled():
        print("\n" + outcome["printed"])
    assert outcome["summary"]["percent"] >= FLOOR


def test_every_entry_is_run_and_every_sample_is_checked(outcome):
    """None is set aside; what passes has passed every check on every sample."""
    entries = outcome["entries"]
    assert len(entries) == outcome["summary"]["counted"] == 114
    for e in entries:
        if e["status"] == "pass":
            counts = {
                e["tally"][check] for check in ("samples", "state", "repr", "copies", "casts")
            }
            counts |= {e["tally"]["forward"], e["tally"]["gradient"]}
            assert len(counts) == 1, e
            assert e["tally"]["samples"] > 0


# -- the tool ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tool():
    """tools/module_db.py as a module."""
    pytest.importorskip("torch")
    pytest.importorskip("expecttest")
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import module_db
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return module_db


class Swapped(sn.nn.Linear):
    """Its bias comes before its weight."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._kinds["weight"] = self._kinds.pop("weight")


class Renamed(sn.nn.Linear):
    def _get_name(self):
        return "Affine"


class Inexact(sn.nn.Linear):
    def forward(self, input):
        return super().forward(input) * (1 + 1e-4)


class Detached(sn.nn.Linear):
    def forward(self, input):
        return super().forward(input.detach())


class Shared(sn.nn.Linear):
    def __deepcopy__(self, memo):
        return self


class Fixed(sn.nn.Linear):
    def half(self):
        return self


WRONG = {
    "state": Swapped,
    "repr": Renamed,
    "forward": Inexact,
    "gradient": Detached,
    "copies": Shared,
    "casts": Fixed,
    "construct": sn.nn.Bilinear,
}


@pytest.mark.filterwarnings("default")  # PyTorch's test package warns of its own
@pytest.mark.parametrize("check", WRONG)
def test_a_wrong_module_is_noticed(tool, check, monkeypatch):
    info = next(i for i in tool.database() if i.name == "nn.Linear")
    assert {name for name, _ in tool.failures(info, tool.Counter())} == set()
    WRONG[check].__name__ = "Linear"
    monkeypatch.setattr(sn.nn, "Linear", WRONG[check])
    assert check in {name for name, _ in tool.failures(info, tool.Counter())}


@pytest.mark.filterwarnings("default")
def test_a_module_that_refuses_nothing_is_noticed(tool, monkeypatch):
    info = next(i for i in tool.database() if i.name == "nn.GroupNorm")
    assert {name for name, _ in tool.failures(info, tool.Counter())} == set()
    monkeypatch.setattr(sn.nn, "GroupNorm", sn.nn.Identity)
    assert "errors" in {name for name, _ in tool.failures(info, tool.Counter())}
