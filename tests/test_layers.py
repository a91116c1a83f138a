"""Which folder may import which: core <- hub <- vision, text, audio <- model_zoo; nothing executes
what a file or a server says.

Inside a folder imports are relative and across folders absolute: a checkout read under two names
("core.tensor" and "sensorium.tensor") would hold every class twice. ``hub/``, ``core/io/`` and
``model_zoo/`` handle data from outside, so the ways from data to code are shut there.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAME = "sensorium"
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "hub": {"core"},
    "vision": {"core", "hub"},
    "text": {"core", "hub"},
    "audio": {"core", "hub"},
    "model_zoo": {"core", "hub", "vision", "text", "audio"},
}
HANDLES_DATA = ("hub", "core/io", "model_zoo")
RUNS_DATA = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
HARMLESS = {  # the first two read what pip installed; the third is looked at where it is called
    "importlib.metadata",
    "importlib.resources",
    "importlib.import_module",
}

Found = tuple[int, str]  # line, what is wrong there


# -- imports -------------------------------------------------------------------------------------
def imported(node: ast.AST) -> list[str]:
    """The dotted names an absolute import statement may stand for; [] for anything else."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def folder_of(module: str) -> str | None:
    """The folder a dotted name lies in: core for sensorium.nn; None for other libraries."""
    top, _, rest = module.partition(".")
    if top != NAME:
        return None
    first = rest.split(".")[0]
    return first if first in MAY_IMPORT else "core"


def wrong_imports(tree: ast.AST, folder: str, depth: int) -> Iterator[Found]:
    """Imports that cross folders the wrong way or in the wrong form. depth: 1 for folder/a.py."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level > depth:
            yield node.lineno, f"a relative import leaves {folder}/"
        for module in imported(node):
            target = folder_of(module)
            if module.partition(".")[0] in MAY_IMPORT:
                yield node.lineno, f"import {NAME}, not {module}"
            elif target == folder:
                yield node.lineno, f"{module} is in {folder}/ itself: import it relatively"
            elif target is not None and target not in MAY_IMPORT[folder]:
                yield node.lineno, f"{folder}/ may not import {module}"


# -- data as code --------------------------------------------------------------------------------
def runs_data(tree: ast.AST) -> Iterator[Found]:
    """Imports and names through which bytes or text could become code."""
    for node in ast.walk(tree):
        for module in imported(node):
            if module.partition(".")[0] in RUNS_DATA:
                yield node.lineno, f"imports {module}"
        yield from runs_text(node)
        yield from imports_data(node)


def runs_text(node: ast.AST) -> Iterator[Found]:
    """eval and its like by any name they can be had by; a method called ``eval`` is another thing.

    Also ``allow_pickle`` with anything but False, NumPy's door to the same place.
    """
    if isinstance(node, ast.Name) and node.id in RUNS_TEXT:
        yield node.lineno, node.id
    elif isinstance(node, ast.Attribute) and node.attr in RUNS_TEXT:
        if isinstance(node.value, ast.Name) and node.value.id in ("builtins", "__builtins__"):
            yield node.lineno, f"builtins.{node.attr}"
    elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
        yield from [] if is_false(node.value) else [(node.value.lineno, "allow_pickle")]


def is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def imports_data(node: ast.AST) -> Iterator[Found]:
    """importlib on anything but a name that stands in the source."""
    for module in imported(node):
        harmless = any(f"{module}.".startswith(f"{name}.") for name in HARMLESS)
        if module.partition(".")[0] == "importlib" and not harmless:
            yield getattr(node, "lineno", 0), f"imports {module}"
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        constant = node.args and isinstance(node.args[0], ast.Constant)
        if name == "import_module" and not constant:
            yield node.lineno, "import_module of a computed name"


# -- tests ---------------------------------------------------------------------------------------
def problems(folder: str, look: Callable[[ast.AST, Path], Iterator[Found]]) -> list[str]:
    """What a check finds in a folder, as "path:line: text"."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths, f"{folder}/ has no Python files"
    return [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in paths
        for line, text in look(ast.parse(path.read_text()), path)
    ]


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_point_down(folder: str) -> None:
    def look(tree: ast.AST, path: Path) -> Iterator[Found]:
        return wrong_imports(tree, folder, len(path.relative_to(ROOT / folder).parts))

    assert problems(folder, look) == []


@pytest.mark.parametrize("folder", HANDLES_DATA)
def test_data_never_becomes_code(folder: str) -> None:
    assert problems(folder, lambda tree, path: runs_data(tree)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "def f(x):\n    import marshal as m",
        "e = eval",
        "import builtins\nbuiltins.exec('1')",
        "np.load(f, allow_pickle=True)",
        "np.load(f, allow_pickle=flag)",
        "from importlib import util",
        "importlib.import_module(header['module'])",
        "import importlib.machinery",
    ],
)
def test_the_check_sees_every_way_from_data_to_code(source: str) -> None:
    assert list(runs_data(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "re.compile('x')",
        "from importlib import metadata, resources",
        "import importlib.metadata as m",
        "from importlib import import_module\nimport_module('sensorium.vision.models')",
        "np.load(f, allow_pickle=False)",
    ],
)
def test_the_check_leaves_other_things_alone(source: str) -> None:
    assert not list(runs_data(ast.parse(source)))


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("core", "from sensorium import hub"),
        ("core", "import sensorium.vision.models"),
        ("hub", "def f():\n    from sensorium.model_zoo import zoo"),
        ("vision", "from sensorium.audio import io"),
        ("vision", "from sensorium.vision.io import decode"),
        ("vision", "from core.tensor import Tensor"),
        ("vision", "from ..hub import load"),
        ("core", "from sensorium.errors import OpError"),
    ],
)
def test_the_check_sees_every_wrong_import(folder: str, source: str) -> None:
    assert list(wrong_imports(ast.parse(source), folder, depth=1))
