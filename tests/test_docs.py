"""What is written about the library is true: examples in docstrings and in README run.

Modules are imported by their installed name. Examples get a fresh folder, an empty cache and no
network: they must work wherever the package is installed.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import sensorium as sn
from sensorium.ops import OPS

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OPTIONAL = {"cupy", "cupyx"}  # what a module may need that `pip install sensorium` does not bring


def modules() -> list[str]:
    """Every module of the installed package, by name."""
    found = set()
    for package in PROJECT["tool"]["setuptools"]["package-dir"]:
        path = importlib.import_module(package).__path__
        found |= {module.name for module in pkgutil.walk_packages(path, f"{package}.")} | {package}
    return sorted(name for name in found if not name.endswith(".__main__"))  # that one would run


@pytest.fixture(autouse=True)
def clean_slate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    dtype, state = sn.get_default_dtype(), sn.get_rng_state()
    yield
    sn.set_default_dtype(dtype)
    sn.set_rng_state(state)


def check(tests: list[doctest.DocTest], options: int = 0) -> None:
    """Run examples; fail with what they printed that they should not have."""
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=options)
    for test in tests:
        runner.run(test, out=said.append, clear_globs=True)
    if said:
        pytest.fail("".join(said), pytrace=False)


def load(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in OPTIONAL:
            pytest.skip(f"{name} needs {error.name}")
        raise


@pytest.mark.parametrize("name", modules())
def test_examples_of_a_module(name: str) -> None:
    module = load(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    check([test for test in finder.find(module, name) if test.examples])


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_is_in_it(name: str) -> None:
    assert (load(name).__doc__ or "").strip(), f"{name} has no docstring"


def test_every_op_with_an_example_is_among_them() -> None:
    """An op's function is generated, and doctest passes over functions it cannot place."""
    placed = {
        test.name.rpartition(".")[2]
        for name in modules()
        if name.startswith("sensorium.ops.")
        for test in doctest.DocTestFinder().find(load(name), name)
    }
    assert {name for name, op in OPS.items() if ">>>" in (op.call.__doc__ or "")} <= placed


# -- README --------------------------------------------------------------------------------------
def blocks(language: str, page: str = "README.md") -> list[str]:
    """The fenced blocks of a page in a language."""
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_readmes_python_runs(tmp_path: Path) -> None:
    """Blocks that name the hub are left out: they download."""
    local = [code for code in blocks("python") if "hub" not in code]
    assert local
    for code in local:
        (tmp_path / "readme.py").write_text(code)
        runpy.run_path(str(tmp_path / "readme.py"))


def test_portings_examples_run() -> None:
    """As doctests, in order: what is promised to fail fails with the words on the page."""
    text = "\n".join(blocks("pycon", "docs/porting.md"))
    page = doctest.DocTestParser().get_doctest(text, {}, "porting.md", None, 0)
    assert len(page.examples) > 15
    check([page])


def test_compilings_examples_run() -> None:
    """As doctests, in order; what is left out of a graph or a message is written as ``...``."""
    text = "\n".join(blocks("pycon", "docs/compile.md"))
    page = doctest.DocTestParser().get_doctest(
        text, {"__name__": "__main__"}, "compile.md", None, 0
    )
    assert len(page.examples) > 25
    check([page], doctest.ELLIPSIS)


def test_compilings_picture_is_what_the_tool_draws(tmp_path: Path) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "pictures.py"))
    tool["main"]([str(tmp_path)])
    shown = re.findall(r"\]\((pictures/\S+)\)", (ROOT / "docs" / "compile.md").read_text())
    drawn = {f"pictures/{path.name}": path.read_text() for path in tmp_path.iterdir()}
    assert drawn == {name: (ROOT / "docs" / name).read_text() for name in shown}


def test_trainings_lines_run(tmp_path: Path) -> None:
    """In order, and again: the second time the run is resumed from its last checkpoint."""
    (tmp_path / "page.py").write_text("\n".join(blocks("python", "docs/training.md")))
    for _ in range(2):
        assert runpy.run_path(str(tmp_path / "page.py"))["step"] == 12
    assert len(list((tmp_path / "run").glob("step_*"))) == 3


def test_profilings_lines_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In order; the table, the pictures and the comparison are there afterwards."""
    first, *others = blocks("python", "docs/profiling.md")
    assert len(first.splitlines()) <= 12
    (tmp_path / "page.py").write_text("\n".join([first, *others]))
    runpy.run_path(str(tmp_path / "page.py"))
    said = capsys.readouterr().out
    assert "conv" in said and "Self CPU time total" in said and "activations" in said
    assert {"trace.json", "flame.svg", "steps.svg"} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.network
@pytest.mark.parametrize("page", ["vision", "text", "audio"])
def test_a_domains_page_starts_with_lines_that_work(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real weights, in order, as a reader would paste them; blocks about the web are left out."""
    monkeypatch.delenv("SENSORIUM_OFFLINE")
    monkeypatch.delenv("SENSORIUM_HOME")
    first, *others = [code for code in blocks("python", f"docs/{page}.md") if "hf://" not in code]
    assert len(first.splitlines()) <= 14
    (tmp_path / "page.py").write_text("\n".join([first, *others]))
    runpy.run_path(str(tmp_path / "page.py"))


def test_ci_runs_readmes_test_command() -> None:
    (command,) = [line for code in blocks("sh") for line in code.splitlines() if "pytest" in line]
    steps = [step.strip() for step in command.split("&&")]
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    first = lines.index(steps[0])
    assert lines[first : first + len(steps)] == steps
