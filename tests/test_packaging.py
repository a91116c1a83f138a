"""What pip installs: every package, every data file, nothing else.

pyproject.toml lists packages by hand, because its folders are not named after the packages they
hold; these tests are what keeps the list and the tree the same.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import sensorium

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".*", "*.pyc", "*~")


def installed_name(path: Path) -> str:
    """Where a file of the checkout lies in site-packages: core/nn/init.py -> sensorium/nn/init.py."""
    folder, *rest = path.relative_to(ROOT).parts
    package = next(package for package, name in FOLDERS.items() if name == folder)
    return "/".join([*package.split("."), *rest])


def library_files() -> list[Path]:
    """Every file under the packaged folders that is not a byproduct."""
    found = []
    for folder in FOLDERS.values():
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            hidden = any(part.startswith((".", "__pycache__")) for part in parts)
            if path.is_file() and not hidden and path.suffix != ".pyc":
                found.append(path)
    return found


def data_patterns() -> list[str]:
    """The package-data globs as paths in site-packages."""
    return [
        f"{package.replace('.', '/')}/{glob}"
        for package, globs in SETUPTOOLS["package-data"].items()
        for glob in globs
    ]


def test_every_folder_with_modules_is_packaged() -> None:
    found = {
        str(PurePosixPath(installed_name(path)).parent).replace("/", ".")
        for path in library_files()
        if path.suffix == ".py"
    }
    assert found == set(SETUPTOOLS["packages"])


def test_every_packaged_folder_has_an_init() -> None:
    have = {installed_name(path) for path in library_files() if path.name == "__init__.py"}
    want = {f"{package.replace('.', '/')}/__init__.py" for package in SETUPTOOLS["packages"]}
    assert have == want


def test_every_data_file_is_packaged_and_every_pattern_matches() -> None:
    data = [installed_name(path) for path in library_files() if path.suffix != ".py"]
    matching = {
        pattern: [n for n in data if PurePosixPath(n).match(pattern)] for pattern in data_patterns()
    }
    assert [pattern for pattern, names in matching.items() if not names] == []
    assert set(data) == {name for names in matching.values() for name in names}


def test_one_version() -> None:
    assert sensorium.__version__ == PROJECT["project"]["version"] == metadata.version("sensorium")
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(sensorium.__version__)}\b", changes, re.MULTILINE)


def test_console_script_and_zoo_point_at_something() -> None:
    scripts = metadata.entry_points(group="console_scripts", name="sensorium")
    zoos = metadata.entry_points(group="sensorium.zoo", name="sensorium")
    assert [callable(point.load()) for point in scripts] == [True]
    assert len([point.load() for point in zoos]) == 1


def test_every_dependency_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert [line for line in block[1].splitlines() if not re.search(r'",\s+# \w', line)] == []


# -- the wheel -----------------------------------------------------------------------------------
def has_setuptools() -> bool:
    """Whether this environment has a setuptools that can build the package."""
    least = re.search(r"setuptools>=(\d+)", " ".join(PROJECT["build-system"]["requires"]))
    try:
        return least is not None and int(metadata.version("setuptools").split(".")[0]) >= int(
            least[1]
        )
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy of the sources: a build leaves folders behind."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, copy / folder, ignore=LEFTOVERS)
    command = [sys.executable, "-m", "pip", "wheel", str(copy), "--no-deps", "-w", str(out)]
    if has_setuptools():  # else pip fetches it, which needs an index
        command.append("--no-build-isolation")
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_the_wheel_puts_only_sensorium_into_site_packages(wheel: zipfile.ZipFile) -> None:
    names = [name for name in wheel.namelist() if not name.endswith("/")]
    info = f"sensorium-{sensorium.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"sensorium", info}
    assert f"{info}/licenses/LICENSE" in names


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_library_and_no_other(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if name.startswith("sensorium/")}
    assert {name for name in names if not name.endswith("/")} == {
        installed_name(path) for path in library_files()
    }
    assert "sensorium/py.typed" in names
    for folder, suffix in {"model_zoo/cards": ".json", "vision/labels": ".txt"}.items():
        assert any(n.startswith(f"sensorium/{folder}/") and n.endswith(suffix) for n in names)
    assert "sensorium/model_zoo/weights/digits_resnet.safetensors" in names


@pytest.mark.slow
def test_the_wheel_is_small(wheel: zipfile.ZipFile) -> None:
    assert sum(item.compress_size for item in wheel.infolist()) < 2_000_000
    weights = wheel.getinfo("sensorium/model_zoo/weights/digits_resnet.safetensors")
    assert weights.file_size < 400_000
