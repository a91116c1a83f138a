"""The manifest of a checkpoint: what it is, and bytes and sha256 of every file beside it.

    {"format": "sensorium.checkpoint", "version": 1, "run": "9f2c...", "serial": 12, "step": 400,
     "time": 1.7e9, "finite": true, "not_finite": [], "metrics": {"loss": 0.3},
     "files": {"model.safetensors": {"bytes": 812, "sha256": "..."}}, "check": "..."}

``check`` is the sha256 of the manifest without it. ``serial`` counts the saves of a folder: it, and
neither a clock nor a name, says which checkpoint is the newest. ``run`` is the same in all of a run.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import CorruptError, FormatError, LimitError, TruncatedError
from ..io import _json, atomic_write

NAME = "manifest.json"
FORMAT = "sensorium.checkpoint"
VERSION = 1
_MOST_BYTES = 1 << 20
_FILE = re.compile(r"[a-z][a-z0-9_]{0,63}\.safetensors")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = {
    "format": str, "version": int, "run": str, "serial": int, "step": int, "time": float,
    "finite": bool, "not_finite": list, "metrics": dict, "files": dict, "check": str,
}  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """One saved state of a run, as its manifest describes it."""

    path: str
    """Its folder."""
    step: int
    serial: int
    """Of all saves of the run, the how-manieth."""
    run: str
    time: float
    """When it was saved, in seconds since 1970."""
    finite: bool
    """False if model or optimiser held NaN or infinity."""
    not_finite: tuple[str, ...]
    """Where, the first few."""
    metrics: Mapping[str, float]
    files: Mapping[str, tuple[int, str]]
    """Bytes and sha256 of each."""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return os.path.basename(self.path)

    def verify(self) -> None:
        """Read every file and compare; TruncatedError or CorruptError names the one that differs."""
        for name, (size, digest) in self.files.items():
            path = os.path.join(self.path, name)
            try:
                found = measured(path)
            except FileNotFoundError:
                raise CorruptError(f"{path}: the file is missing") from None
            if found[0] != size:
                raise TruncatedError(f"{path}: {found[0]} bytes, the manifest says {size}")
            if found[1] != digest:
                raise CorruptError(
                    f"{path}: sha256 {found[1][:12]}..., the manifest says {digest[:12]}..."
                )


def measured(path: str) -> tuple[int, str]:
    """Bytes and sha256 of a regular file."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FormatError(f"{path}: is no regular file")
        return status.st_size, hashlib.file_digest(file, "sha256").hexdigest()


# -- writing -------------------------------------------------------------------------------------
def write(made: Checkpoint) -> None:
    """Put the manifest of a checkpoint into its folder."""
    body: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "run": made.run, "serial": made.serial,
        "step": made.step, "time": made.time, "finite": made.finite,
        "not_finite": list(made.not_finite),
        "metrics": {name: _plain(value) for name, value in made.metrics.items()},
        "files": {n: {"bytes": size, "sha256": d} for n, (size, d) in made.files.items()},
    }  # fmt: skip
    put(os.path.join(made.path, NAME), json.dumps({**body, "check": _check(body)}, indent=1))


def put(path: str, text: str) -> None:
    """Write a small file, atomically and durably."""

    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    atomic_write(path, write)


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else repr(value)  # JSON has no nan


def _check(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# -- reading -------------------------------------------------------------------------------------
def read(folder: str) -> Checkpoint:
    """What the manifest in a folder says; a FormatError of some kind if it cannot be believed."""
    path = os.path.join(folder, NAME)
    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise TruncatedError(f"{folder}: has no {NAME}; its save was not finished") from None
    except (IsADirectoryError, PermissionError) as error:
        raise FormatError(f"{path}: {error.strerror}") from None
    if len(raw) > _MOST_BYTES:
        raise LimitError(f"{path}: more than {_MOST_BYTES} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise CorruptError(f"{path}: is not UTF-8") from None
    return _believed(folder, path, _json.loads(text, path, 8))


def _believed(folder: str, path: str, body: Any) -> Checkpoint:
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise FormatError(f"{path}: is no manifest of a checkpoint")
    if type(body.get("version")) is int and body["version"] > VERSION:
        raise FormatError(
            f"{path}: version {body['version']}, this is version {VERSION}: upgrade sensorium"
        )
    if body.keys() != _FIELDS.keys() or body["version"] != VERSION:
        raise CorruptError(f"{path}: fields {sorted(body)}, expected {sorted(_FIELDS)}")
    check = body.pop("check")
    if check != _check(body):
        raise CorruptError(f"{path}: its own check sum does not fit; it was changed or damaged")
    for name, value in body.items():
        if type(value) is not _FIELDS[name]:
            raise CorruptError(f"{path}: {name} is {value!a:.40}, not a {_FIELDS[name].__name__}")
    return Checkpoint(
        folder, body["step"], body["serial"], body["run"], body["time"], body["finite"],
        tuple(map(str, body["not_finite"])),
        {str(name): _number(path, value) for name, value in body["metrics"].items()},
        {name: _file(path, name, value) for name, value in body["files"].items()},
    )  # fmt: skip


def _number(path: str, value: Any) -> float:
    if type(value) in (int, float):
        return float(value)
    if value not in ("nan", "inf", "-inf"):
        raise CorruptError(f"{path}: metric {value!a:.40} is not a number")
    return float(value)


def _file(path: str, name: str, value: Any) -> tuple[int, str]:
    """A name from a manifest becomes a path: it may be nothing but a name of ours."""
    right = isinstance(value, dict) and value.keys() == {"bytes", "sha256"}
    if not right or not _FILE.fullmatch(name):
        raise CorruptError(f"{path}: {name!a:.80} is no file of a checkpoint")
    size, digest = value["bytes"], value["sha256"]
    if type(size) is not int or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise CorruptError(f"{path}: bytes and sha256 of {name} are {size!a:.20}, {digest!a:.80}")
    return size, digest
