"""Build .links/sensorium, the checkout laid out as the installed package.

    python tools/link.py

``core/`` is the package ``sensorium`` and the other folders hang under it (pyproject.toml,
``package-dir``). Python follows that mapping, type checkers and editors do not; they follow links.
Run it once after cloning, and again when something is added directly under ``core/``.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINKS = ROOT / ".links"


def mapping() -> dict[str, str]:
    """Package name to folder, as pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return project["tool"]["setuptools"]["package-dir"]


def link(target: Path, source: Path) -> None:
    """A relative link, so that the checkout can be moved."""
    target.symlink_to(os.path.relpath(source, target.parent), source.is_dir())


def build() -> Path:
    """Start afresh; a package with others under it becomes a folder of links to its entries."""
    shutil.rmtree(LINKS, ignore_errors=True)
    for package, folder in sorted(mapping().items()):  # sensorium before sensorium.hub
        target = LINKS.joinpath(*package.split("."))
        if "." in package:
            link(target, ROOT / folder)
            continue
        target.mkdir(parents=True)
        for entry in sorted((ROOT / folder).iterdir()):
            if entry.name != "__pycache__":
                link(target / entry.name, entry)
    return LINKS


if __name__ == "__main__":
    print(build())
