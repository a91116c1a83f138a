"""What it costs to have it: seconds to import, modules imported, megabytes installed.

    python benchmarks/import_time.py [--quick] [--rounds N] [--size] [--out FOLDER]

Each import is timed inside a fresh interpreter, with the files and their
bytecode already in the page cache ("warm").
``--size`` installs the checkout with its dependencies, without extras, into an empty environment
(this needs the package index) and adds up the files.
"""

from __future__ import annotations

import argparse
import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import _harness
from _results import Table

ABOUT = "import in a fresh interpreter; ratios are ours / theirs."
OURS, PEER = "import sensorium", "import torch"
MEGABYTES = 350  # the most an installation may take
LIMITS = {  # the most seconds an import may take; the domains are tables of contents, so also their parts
    OURS: 0.25,
    "import sensorium.text": 0.4,
    "import sensorium.audio": 0.4,
    "from sensorium.text import Tokenizer, models": 0.4,
    "from sensorium.audio import io, models, transforms": 0.4,
}
STATEMENTS = (*LIMITS, PEER, "import transformers", "import numpy")
ROOT = Path(__file__).resolve().parent.parent

TIMED = """
import sys, time, json
before, begin = len(sys.modules), time.perf_counter()
{}
print(json.dumps([time.perf_counter() - begin, len(sys.modules) - before]))
"""


@functools.cache
def environment() -> dict[str, str]:
    """With a folder for bytecode, which installing writes and a checkout may not."""
    folder = tempfile.mkdtemp(prefix="bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}


def once(statement: str) -> tuple[float, int]:
    """Seconds, and how many modules it brought in."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    said = run.stdout
    seconds, modules = json.loads(said)
    return seconds, modules


def import_table(options: argparse.Namespace) -> Table:
    """Rounds of all statements in turn, after one that warms the page cache."""
    rounds = options.rounds or (2 if options.quick else 15)
    modules = {statement: once(statement)[1] for statement in STATEMENTS}
    seen = [{statement: once(statement)[0] for statement in STATEMENTS} for _ in range(rounds)]
    times = {statement: [one[statement] for one in seen] for statement in STATEMENTS}
    notes = [f"{name}: {count} modules" for name, count in modules.items()]
    for statement, limit in LIMITS.items():
        middle = sorted(times[statement])[rounds // 2]
        verdict = "met" if middle <= limit else "missed"
        notes.append(f"target of {statement}: at most {limit} s: {middle:.3f} s: **{verdict}**")
    return Table("import", times, (OURS,), notes=notes)


# -- size ----------------------------------------------------------------------------------------
def files_size(folder: Path) -> int:
    """Bytes of all files, links not followed."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def install(folder: Path) -> dict[str, int]:
    """Bytes of what pip adds to an empty environment, by top-level entry, largest first."""
    venv.create(folder, symlinks=True)
    before = files_size(folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-compile"]
    subprocess.run([*pip, "--quiet", str(ROOT)], check=True)
    parts: dict[str, int] = {"all": files_size(folder) - before}
    places = [*folder.glob("lib*/python*/site-packages/*"), *folder.glob("lib/*.so*")]
    for path in places:
        if not path.is_symlink():
            parts[path.name] = files_size(path) if path.is_dir() else path.stat().st_size
    return dict(sorted(parts.items(), key=lambda part: -part[1]))


def size_table() -> Table:
    with tempfile.TemporaryDirectory() as folder:
        parts = install(Path(folder) / "venv")
    total = parts.pop("all") / 1e6
    verdict = "met" if total <= MEGABYTES else "missed"
    notes = [f"target: at most {MEGABYTES} MB: {total:.0f} MB: **{verdict}**"]
    notes += [f"{name}: {size / 1e6:.1f} MB" for name, size in list(parts.items())[:10]]
    title = "installed size, dependencies included, extras not"
    return Table(title, {OURS: [total * 1e6]}, (OURS,), unit="MB", notes=notes)


def main() -> None:
    options = _harness.arguments(ABOUT, size="also measure the installed size")
    report = _harness.Report("import-time", ABOUT)
    report.tables.append(import_table(options))
    if options.size:
        report.tables.append(size_table())
    _harness.finish(report, options)


if __name__ == "__main__":
    main()
