"""Execute the notebooks of examples/notebooks in place; what is volatile does not stay in the file.

    python tools/notebooks.py run                       all of them
    python tools/notebooks.py run FILE... [--output FOLDER]
    python tools/notebooks.py clean FILE...             only take out what is volatile

Each runs in a fresh kernel of this Python, in an empty folder that is removed afterwards. What its
cells wrote to stderr stays in the outputs and is shown here. An error in a cell ends the run with
status 1 and leaves the file as it was. Needs ``pip install -e ".[notebooks]"``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "examples" / "notebooks"
_CELL_SECONDS = 600  # a cell that takes longer hangs
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

Notebook = dict[str, Any]


# -- the file ------------------------------------------------------------------------------------
def read(path: Path) -> Notebook:
    """A notebook of format 4 as nested dicts."""
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, notebook: Notebook) -> None:
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def clean(notebook: Notebook) -> Notebook:
    """The same cells and outputs, numbered anew; no times, no versions, no editor's state."""
    count = 0
    cells = []
    for n, cell in enumerate(notebook["cells"]):
        kept = {"id": f"cell-{n:02d}", "cell_type": cell["cell_type"], "metadata": {}}
        kept["source"] = _lines(cell["source"])
        if cell["cell_type"] == "code":
            count += 1
            kept["execution_count"] = count if cell.get("execution_count") else None
            kept["outputs"] = [_output(output, count) for output in cell["outputs"]]
        cells.append(kept)
    return {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}


def _output(output: dict[str, Any], count: int) -> dict[str, Any]:
    kept = dict(output)
    if "metadata" in kept:
        kept["metadata"] = {}
    if "execution_count" in kept:
        kept["execution_count"] = count
    if "text" in kept:
        kept["text"] = _lines(_last_states(_text(kept["text"])))
    if "data" in kept:
        kept["data"] = {kind: _lines(text) for kind, text in kept["data"].items()}
    return kept


def _last_states(text: str) -> str:
    """What a terminal would still show: a progress bar rewrites its line after a carriage return.

    >>> _last_states("a 10%\\ra 99%\\ra 100%\\nb")
    'a 100%\\nb'
    """
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _lines(source: str | list[str]) -> Any:
    """A list of lines, as Jupyter writes text."""
    return _text(source).splitlines(keepends=True)


def stderr(notebook: Notebook) -> Iterator[str]:
    """What cells wrote to stderr: warnings, logs."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                yield _text(output["text"])


# -- running -------------------------------------------------------------------------------------
def execute(notebook: Notebook, folder: Path) -> Notebook:
    """Run every cell in a fresh kernel whose working folder is ``folder``; the outputs are new.

    SystemExit with the traceback if a cell fails, takes too long, or the kernel dies.
    """
    import nbformat
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, DeadKernelError

    live = nbformat.reads(json.dumps(clean(notebook)), as_version=4)
    with tempfile.TemporaryDirectory() as sockets:  # rather than open TCP ports
        manager = AsyncKernelManager(
            kernel_name="python3", transport="ipc", ip=os.path.join(sockets, "kernel")
        )
        client = NotebookClient(
            live,
            km=manager,
            timeout=_CELL_SECONDS,
            coalesce_streams=True,
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            client.execute(cleanup_kc=True)
        except (CellControlSignal, DeadKernelError) as error:
            raise SystemExit(f"a cell failed:\n{error}") from None
    return clean(json.loads(nbformat.writes(live)))


def run(path: Path, target: Path) -> None:
    """Execute one file and write the result, with a line on what it took."""
    print(f"{path.name}: ", end="", flush=True)
    wall, cpu = time.monotonic(), _cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        done = execute(read(path), Path(folder))
    write(target, done)
    took = f"{time.monotonic() - wall:.0f} s, {_cpu_seconds() - cpu:.0f} CPU seconds"
    size = target.stat().st_size / 1000
    print(f"{len(done['cells'])} cells, {took}, {size:.0f} kB", flush=True)
    for text in stderr(done):
        print(f"{path.name} says on stderr:\n{text}", file=sys.stderr, flush=True)


def _cpu_seconds() -> float:
    """Of kernels that have ended, their worker processes included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["run", "clean"])
    parser.add_argument("files", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")))
    parser.add_argument("--output", type=Path, help="folder to write to (default: in place)")
    given = parser.parse_args(arguments)
    for path in given.files:
        target = given.output / path.name if given.output else path
        if given.what == "clean":
            write(target, clean(read(path)))
            continue
        run(path, target)


if __name__ == "__main__":
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns on every run
    main()
