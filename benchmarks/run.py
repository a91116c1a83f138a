"""Run the benchmarks, one after the other, each script as a process; then the table of all targets.

    python benchmarks/run.py [--only NAME ...] [--quick] [--rounds N] [--threads N] [--out FOLDER]

The scripts start a further process for each contender (``_harness.Remote``); the small ones do not.
Results go to ``benchmarks/results/<date>-<name>.md`` and ``.json``, and what was asked, measured and met
to ``<date>-table.md``; ``--quick`` only shows that everything runs, and prints the table. Keep the
machine quiet: about an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _harness
from _results import cores, line_of, machine, spoken

HERE = Path(__file__).resolve().parent
NAMES = (
    "import_time",
    "small_ops",
    "small_steps",
    "resnet50_inference",
    "bert_inference",
    "vision_inference",
    "resnet50_training",
    "bert_training",
    "optimizers",
    "recurrent",
    "generation",
    "transcription",
    "sentences",
    "scaling",
)


# -- the table -----------------------------------------------------------------------------------
def results(folder: Path, since: float) -> dict[str, dict[str, Any]]:
    """The results that were written after ``since``, by script, in the order of ``NAMES``."""
    found = {}
    for name in NAMES:
        paths = folder.glob(f"????-??-??-{name.replace('_', '-')}.json")
        fresh = [path for path in paths if path.stat().st_mtime >= since]
        if fresh:
            newest = max(fresh, key=lambda path: path.stat().st_mtime)
            found[name] = json.loads(newest.read_text())
    return found


def table(found: dict[str, dict[str, Any]], failed: list[str], facts: dict[str, object]) -> str:
    """Every target of these results: work, contender, what is asked, what was measured."""
    lines = ["# What is asked, and what was measured", ""]
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += [f"- failed: {name}" for name in failed]
    lines += ["", line_of(["work", "contender", "asked", "measured", "why not"]), "|---" * 5 + "|"]
    for report in found.values():
        for one in report["tables"]:
            lines += [
                line_of([one["title"], target["ours"], target["asked"], spoken(target), why])
                for target in one.get("targets", [])
                for why in [one["skipped"].get(target["ours"], "").replace("|", "/")]
            ]
    cliffs = [c for r in found.values() for t in r["tables"] for c in t.get("cliffs", [])]
    return "\n".join([*lines, "", *(f"- {cliff}" for cliff in cliffs), ""])


# -- the run -------------------------------------------------------------------------------------
def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME",
                        help=f"of {', '.join(NAMES)}")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="only a smoke test")
    parser.add_argument("--rounds", type=int, help="turns of each contender")
    parser.add_argument("--threads", type=int, default=cores(), help="threads of each contender")
    parser.add_argument("--out", type=Path, help="folder of the results")
    parser.add_argument("--size", action="store_true", help="also measure the installed size")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    return parser.parse_args()


def run(names: list[str], options: argparse.Namespace, folder: Path) -> list[str]:
    """Each script in turn; returns those that failed."""
    own = {"import_time": ["--size"] * options.size}
    own["resnet50_inference"] = ["--no-compile"] * options.no_compile
    shared = ["--threads", str(options.threads), *["--quick"] * options.quick]
    shared += ["--rounds", str(options.rounds)] if options.rounds else []
    shared += ["--out", str(folder)]
    failed = []
    for name in names:
        command = [sys.executable, str(HERE / f"{name}.py"), *shared, *own.get(name, [])]
        print(f"== {name}", flush=True)
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(name)
    return failed


def main() -> int:
    options = options_of()
    facts, since = machine(options.threads), time.time()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.out or (Path(scratch) if options.quick else _harness.RESULTS)
        failed = run([name for name in NAMES if name in options.only], options, folder)
        text = table(results(folder, since), failed, facts)
        print(text)
        if folder != Path(scratch):
            (folder / f"{str(facts['date'])[:10]}-table.md").write_text(text)
    print(f"failed: {', '.join(failed)}" if failed else "all ran")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
