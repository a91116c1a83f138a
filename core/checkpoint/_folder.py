"""The folder of a run: checkpoints in it, how one appears whole, how one goes.

    run.json            the number of the run
    owner.json          who writes (``_owner``)
    step_00000400/      model.safetensors, optimizer.safetensors, ..., manifest.json

A checkpoint is written under a temporary name, every file of it fsynced, the manifest last; one
rename makes it visible and an fsync of the folder makes that last. It is deleted the other way
round: a rename hides it before its first file goes. Whatever has a right manifest is a checkpoint,
under any name; files of dead writers are swept away by the next save.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import CheckpointError, FormatError
from ..io import _json
from ..io.atomic import place, stale, sync_folder, temporary_name
from . import _manifest
from ._manifest import Checkpoint

_RUN = "run.json"
_HIDDEN = "checkpoint"
_busy: set[str] = set()  # temporary folders that this process is at work on
Found = tuple[list[Checkpoint], dict[str, str]]
Save = Callable[[Any, str], None]


# -- looking -------------------------------------------------------------------------------------
def scan(folder: str) -> Found:
    """The checkpoints of the run, oldest first, and by name why others are none.

    Manifests only: whether the files are whole is ``Checkpoint.verify``'s to say.
    """
    found, refused = [], {}
    run = run_of(folder)
    for name in sorted(_candidates(folder)):
        try:
            checkpoint = _manifest.read(os.path.join(folder, name))
            if run is not None and checkpoint.run != run:
                raise FormatError(f"is of run {checkpoint.run[:8]}, this folder of {run[:8]}")
        except (FormatError, OSError) as error:
            refused[name] = str(error)
        else:
            found.append(checkpoint)
    return sorted(found, key=lambda c: (c.serial, c.step, c.name)), refused


def _candidates(folder: str) -> list[str]:
    """Folders that ought to be checkpoints: of our names, or with a manifest."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return [
        n
        for n in names
        if not n.startswith(".")
        and (n.startswith("step_") or os.path.exists(os.path.join(folder, n, _manifest.NAME)))
    ]


def run_of(folder: str) -> str | None:
    """The number of the run; None where the folder does not say."""
    try:
        with open(os.path.join(folder, _RUN), "rb") as file:
            body = _json.loads(file.read(1024).decode(), _RUN, 2)
    except (OSError, FormatError, UnicodeDecodeError):
        return None
    run = body.get("run") if isinstance(body, dict) else None
    return run if isinstance(run, str) else None


def begin(folder: str, found: list[Checkpoint]) -> str:
    """The number of the run, made and noted if there is none: its newest checkpoint's, or a new one."""
    run = run_of(folder)
    if run is None:
        run = found[-1].run if found else os.urandom(8).hex()
        if not _first(os.path.join(folder, _RUN), json.dumps({"run": run})):
            run = run_of(folder) or run
    return run


def _first(path: str, text: str) -> bool:
    """Write a file unless it is there and can be read: of two writers both get the first one's."""
    draft = os.path.join(os.path.dirname(path), temporary_name(_RUN))
    _manifest.put(draft, text)
    try:
        os.link(draft, path)
    except OSError:  # it is there, or this file system has no links
        if run_of(os.path.dirname(path)) is not None:
            return False
        os.replace(draft, path)
        return True
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)
    sync_folder(os.path.dirname(path))
    return True


# -- appearing -----------------------------------------------------------------------------------
def add(folder: str, states: Mapping[str, Any], save: Save, facts: Mapping[str, Any]) -> Checkpoint:
    """Write states (a file each, by ``save(state, path)``) and make them visible in one step.

    facts: step, finite, not_finite and metrics of the manifest. Whatever goes wrong, earlier
    checkpoints are as they were; a full disk or a failing one is a CheckpointError.
    """
    hidden = os.path.join(folder, temporary_name(_HIDDEN))
    _busy.add(hidden)
    try:
        sweep(folder)
        found, _ = scan(folder)
        run = begin(folder, found)
        os.mkdir(hidden)
        files = {}
        for name, state in states.items():
            save(state, path := os.path.join(hidden, f"{name}.safetensors"))
            files[f"{name}.safetensors"] = _manifest.measured(path)
        serial = max((c.serial for c in found), default=0) + 1
        made = Checkpoint(hidden, serial=serial, run=run, time=time.time(), files=files, **facts)
        _manifest.write(made)
        return _shown(folder, made)
    except OSError as error:
        raise _failed(folder, facts["step"], error) from error
    finally:
        if os.path.isdir(hidden):
            shutil.rmtree(hidden, ignore_errors=True)
        _busy.discard(hidden)


def _shown(folder: str, made: Checkpoint) -> Checkpoint:
    """Rename to the first name that is free: a step may be saved again, and the old is kept."""
    again = 1
    while True:
        name = f"step_{made.step:08d}" + (f"_{again}" if again > 1 else "")
        path = os.path.join(folder, name)
        again += 1
        if os.path.lexists(path):
            continue
        try:
            os.rename(made.path, path)
        except OSError:
            if os.path.lexists(path):  # another took the name just now
                continue
            raise
        sync_folder(folder)
        return Checkpoint(**{**made.__dict__, "path": path})


def _failed(folder: str, step: int, error: OSError) -> CheckpointError:
    if isinstance(error, CheckpointError):
        return error
    newest = [c.step for c in scan(folder)[0]][-1:]
    kept = f"step {newest[0]} is still there" if newest else "there is no earlier one"
    reason = error.strerror or str(error)
    text = f"Checkpointer: step {step} was not saved ({reason}); {kept}"
    return CheckpointError(error.errno or errno.EIO, text, folder)


# -- going ---------------------------------------------------------------------------------------
def remove(folder: str, checkpoint: Checkpoint) -> None:
    """Hide it, then delete it."""
    hidden = os.path.join(folder, temporary_name(_HIDDEN))
    os.rename(checkpoint.path, hidden)
    shutil.rmtree(hidden)


def sweep(folder: str) -> None:
    """Delete what dead writers left, and what a failing disk kept this one from deleting."""
    own = f".{_HIDDEN}.{place()}.{os.getpid()}."
    mine = [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(own)]
    for path in [*stale(folder, _HIDDEN), *(path for path in mine if path not in _busy)]:
        shutil.rmtree(path, ignore_errors=True)
    for path in stale(folder, _RUN):
        os.unlink(path)
