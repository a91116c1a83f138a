"""PyTorch's operator database passes to the share that is reached: tools/op_db.py, run whole.

The tool itself is checked with operators that are wrong on purpose.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import sensorium as sn

ROOT = Path(__file__).resolve().parents[2]
FLOOR = 98.5
"""Per cent of the entries; 99.1 passed when it was set, 95 were asked for. It only ever goes up."""

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What the whole database gave: a process of its own, with its own seeds and warnings."""
    pytest.importorskip("torch")
    pytest.importorskip("expecttest")  # PyTorch's test package needs it
    file = tmp_path_factory.mktemp("op_db") / "op_db.json"
    command = [sys.executable, "tools/op_db.py", "--second", "--quiet", "--json", str(file)]
    ran = subprocess.run(
        [*command, "--jobs", "2"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(file.read_text()) | {"printed": ran.stdout}


def test_the_share_of_entries_that_pass_does_not_fall(outcome, capsys):
    with capsys.disabled():
        print("\n" + outcome["printed"])
    assert outcome["summary"]["percent"] >= FLOOR


def test_every_entry_is_accounted_for(outcome):
    """Each of the 702 passes, fails with a reason, or is set aside with one."""
    entries = outcome["entries"]
    assert len(entries) == outcome["summary"]["entries"] == 702
    assert all(e["status"] in ("pass", "fail", "aside") for e in entries)
    assert all(e["reason"] for e in entries if e["status"] != "pass")


def test_no_entry_passes_without_a_sample(outcome):
    passed = [e for e in outcome["entries"] if e["status"] == "pass"]
    assert [e["name"] for e in passed if not e["tally"].get("samples")] == []


def test_the_harness_itself_does_not_fail(outcome):
    assert [e["name"] for e in outcome["entries"] if "harness" in (e["reason"] or "")] == []


def test_only_what_cannot_apply_is_set_aside(outcome):
    """Private names, jiterator, sparse, storage internals, aten-only names, GPU-only entries."""
    aside = [e["name"] for e in outcome["entries"] if e["status"] == "aside"]
    assert len(aside) == 35


# -- the tool ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tool():
    """tools/op_db.py as a module."""
    pytest.importorskip("torch")
    pytest.importorskip("expecttest")
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import op_db
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return op_db


def kinds(tool, name, ours):
    """The kinds of failure found when ours stands in the place of the operator called name."""
    ops = [op for op in tool.database() if op.name == name]
    case = tool.Case(ops[0])
    case.find = lambda: setattr(case, "ours", ours)
    return {kind for _, (kind, _) in tool.failures(case, tool.Plan(("float64",)), tool.Counter())}


WRONG = {
    "value": lambda x: sn.exp(x) * (1 + 1e-6),
    "dtype": lambda x: sn.exp(x).float(),
    "shape": lambda x: sn.exp(x).unsqueeze(0),
    "structure": lambda x: (sn.exp(x),),
    "raises": lambda x: sn.exp(x, 1, 2, 3),
    "gradient": lambda x: sn.exp(x.detach()) + x - x.detach(),
    "missing name": lambda x: x.no_such_method(),
}


@pytest.mark.filterwarnings("default")  # PyTorch's test package warns of its own
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_operator_is_noticed(tool, kind):
    assert kinds(tool, "exp", sn.exp) == set()
    assert kind in kinds(tool, "exp", WRONG[kind])


@pytest.mark.filterwarnings("default")
def test_an_operator_that_refuses_nothing_is_noticed(tool):
    assert "no error" in kinds(tool, "dot", lambda x, y: x)


@pytest.mark.filterwarnings("default")
def test_another_distribution_is_noticed(tool):
    def half(x, *_, **__):
        return x.uniform_(0, 0.5)

    assert "value" in kinds(tool, "uniform", half)
