"""The notebooks are true: what is committed was executed, and executing it again reaches the figures.

A notebook ends with a code cell whose value is ``figures``, a dict of name to number; FIGURES has
what each must reach. The quick tests read the committed files; the slow one executes each, as a
reader would, in an empty folder.
"""

from __future__ import annotations

import ast
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

FIGURES: dict[str, dict[str, float]] = {  # at least; every key must be among the notebook's
    "fine_tune_digits": {"accuracy": 0.90, "points_above_scratch": 20, "reloaded_equal": 1},
    "fine_tune_sentences": {"points_above_majority": 20, "reloaded_equal": 1},
    "spoken_words": {"accuracy": 0.90, "reloaded_equal": 1},
}
MAX_CELLS = 59
MAX_BYTES = 400_000
MAX_SECONDS = 120
# An absolute path of two names or more that is no part of an address or a longer path.
MACHINE_PATH = re.compile(r"(?<![\w/:.~<>*?-])/[A-Za-z][\w.-]*/[\w.-]+|[A-Z]:\\\\?Users\b")

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text_outputs(notebook: dict[str, Any]) -> Iterator[str]:
    """Everything a reader reads in outputs; pictures are left out."""
    for cell in code(notebook):
        for output in cell["outputs"]:
            yield "".join(output.get("text", []))
            for kind, data in output.get("data", {}).items():
                if not kind.startswith("image/"):
                    yield "".join(data)


def figures(notebook: dict[str, Any]) -> dict[str, float]:
    """The value of the last code cell."""
    (result,) = [out for out in code(notebook)[-1]["outputs"] if "execution_count" in out]
    found = ast.literal_eval("".join(result["data"]["text/plain"]))
    assert all(isinstance(number, int | float) for number in found.values()), found
    return found


def check_figures(name: str, found: dict[str, float]) -> None:
    missed = {
        key: (found.get(key), least)
        for key, least in FIGURES[name].items()
        if not found.get(key, float("-inf")) >= least
    }
    assert not missed, f"{name}: (reached, wanted) {missed}"


def test_every_notebook_has_its_figures_in_the_table() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(FIGURES)


@every
def test_is_short_enough_to_read(path: Path) -> None:
    assert len(read(path)["cells"]) <= MAX_CELLS
    assert path.stat().st_size <= MAX_BYTES


@every
def test_begins_with_a_title_and_explains_as_much_as_it_runs(path: Path) -> None:
    cells = read(path)["cells"]
    assert cells[0]["cell_type"] == "markdown" and cells[0]["source"][0].startswith("# ")
    assert sum(cell["cell_type"] == "markdown" for cell in cells) * 2 >= len(cells) - 4


@every
def test_was_executed_from_top_to_bottom_in_a_fresh_kernel(path: Path) -> None:
    cells = code(read(path))
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]


@every
def test_outputs_carry_no_errors_and_nothing_on_stderr(path: Path) -> None:
    outputs = [output for cell in code(read(path)) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]


@every
def test_names_no_path_of_the_machine_it_ran_on(path: Path) -> None:
    notebook = read(path)
    texts = [*text_outputs(notebook), *("".join(cell["source"]) for cell in notebook["cells"])]
    assert not [match[0] for text in texts for match in MACHINE_PATH.finditer(text)]


@every
def test_shows_a_picture(path: Path) -> None:
    kinds = [
        kind for cell in code(read(path)) for out in cell["outputs"] for kind in out.get("data", {})
    ]
    assert "image/png" in kinds


@every
def test_committed_figures_are_reached(path: Path) -> None:
    check_figures(path.stem, figures(read(path)))


@pytest.mark.network
@pytest.mark.slow
@every
def test_executed_again_it_reaches_its_figures(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On two cores in 120 s: by the clock, or by CPU time where others use the machine too."""
    command = [sys.executable, str(ROOT / "tools" / "notebooks.py"), "run", str(path)]
    clock, used = time.monotonic(), cpu_seconds()
    with capsys.disabled():  # warnings and the time taken are shown
        print()
        done = subprocess.run([*command, "--output", str(tmp_path)], check=False)
    assert done.returncode == 0, f"{path.name} failed: see above"
    found = figures(read(tmp_path / path.name))
    with capsys.disabled():
        print(f"{path.name}: {found}")
    check_figures(path.stem, found)
    assert min(time.monotonic() - clock, cpu_seconds() - used) <= MAX_SECONDS


def cpu_seconds() -> float:
    """Of child processes that have ended, and of theirs."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
