"""Run every benchmark, one after the other, each script as a process.

    python benchmarks/run.py [--quick] [--rounds N] [--threads N] [--size] [--out FOLDER]

The scripts start a further process for each contender (``_harness.Remote``); the small ones do not.
Results go to ``benchmarks/results/<date>-<name>.md`` and ``.json``; ``--quick`` only shows that
everything runs. Keep the machine quiet: about a quarter of an hour on two cores.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import _harness

HERE = Path(__file__).resolve().parent
NAMES = (
    "import_time",
    "small_ops",
    "small_steps",
    "resnet50_inference",
    "resnet50_training",
    "recurrent",
    "sentences",
    "transcription",
)


def main() -> int:
    options = _harness.arguments(
        "Run every benchmark.",
        size="also measure the installed size",
        no_compile="leave out torch.compile",
    )
    own = {"import_time": ["--size"] * options.size}
    own["resnet50_inference"] = ["--no-compile"] * options.no_compile
    shared = ["--threads", str(options.threads), *["--quick"] * options.quick]
    shared += ["--rounds", str(options.rounds)] if options.rounds else []
    shared += ["--out", str(options.out)] if options.out else []
    failed = []
    for name in NAMES:
        command = [sys.executable, str(HERE / f"{name}.py"), *shared, *own.get(name, [])]
        print(f"== {name}", flush=True)
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all ran")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
