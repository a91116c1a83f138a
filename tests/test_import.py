"""What importing brings in: ``import sensorium`` is light, no part of it ever needs PyTorch, and
what it shows is documented.

Each check runs in a fresh interpreter, which is the only place where "imported" means anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import sensorium
from sensorium.ops import OPS

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "cupy", "PIL", "requests", "soundfile", "tokenizers")
PACKAGES = ("nn", "optim", "data", "io", "hub", "vision", "text", "audio", "model_zoo")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, started in the checkout."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, cwd=ROOT
    )


def modules_after(statement: str) -> set[str]:
    """The modules a fresh interpreter holds after a statement, with the shared libraries mapped."""
    code = f"{statement}\nimport json, sys, pathlib\nmaps = pathlib.Path('/proc/self/maps')\n"
    code += "text = maps.read_text(errors='replace') if maps.exists() else ''\n"
    code += "print(json.dumps([*sys.modules, *(['libdnnl'] if 'libdnnl' in text else [])]))"
    run = python("-W", "error", "-c", code)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_import_brings_in_nothing_heavy() -> None:
    found = modules_after("import sensorium")
    assert not found & {*HEAVY, "libdnnl", "tqdm", "safetensors"}
    own = {name for name in found if name.startswith("sensorium.")}
    assert not own & {f"sensorium.{name}" for name in PACKAGES}


def test_every_subpackage_without_torch_or_cupy() -> None:
    names = ", ".join(f"sensorium.{name}" for name in PACKAGES)
    assert not modules_after(f"import {names}") & {"torch", "cupy", "PIL", "soundfile", "libdnnl"}


@pytest.mark.parametrize("name", ["", *PACKAGES])
def test_dir_lists_only_names_that_exist(name: str) -> None:
    package = getattr(sensorium, name) if name else sensorium
    assert [n for n in dir(package) if not hasattr(package, n)] == []


def public_callables() -> list[tuple[str, object]]:
    """Every public function and class that ``sensorium`` and its packages show."""
    found = []
    for package in (sensorium, *(getattr(sensorium, name) for name in PACKAGES)):
        for name, value in vars(package).items():
            own = getattr(value, "__module__", None) or ""
            shown = not name.startswith("_") and isinstance(value, (type, FunctionType))
            if shown and own.startswith("sensorium"):
                found.append((f"{package.__name__}.{name}", value))
    return found


def test_every_public_function_and_class_has_a_docstring() -> None:
    found = public_callables()
    assert len(found) > 200
    assert [name for name, value in found if not (value.__doc__ or "").strip()] == []


def test_every_op_has_a_docstring() -> None:
    assert [name for name, op in OPS.items() if not (op.call.__doc__ or "").strip()] == []


def test_a_checkout_is_not_a_second_copy() -> None:
    run = python("-c", "import core")
    assert run.returncode != 0
    assert "pip install -e ." in run.stderr


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tensr'"):
        sensorium.tensr  # noqa: B018  the access is what is tested


def test_no_function_read_on_first_use_is_hidden_by_its_file() -> None:
    """A submodule becomes an attribute of its package: ``ops.norm`` would be the file, not norm."""
    package = sensorium.ops
    files = {path.stem for path in Path(package.__path__[0]).glob("*.py")}
    assert not files & set(package._LAZY)
