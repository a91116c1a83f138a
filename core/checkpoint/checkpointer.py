"""Checkpointer: save a run every so often, resume it as if it had never stopped.

Rules it keeps, each with its test: a save is there whole or not at all, also after ``kill -9`` or
a power failure; what ``save`` returned is on the disk; the last checkpoint that is finite and
verified is never deleted; a damaged one is skipped with a warning, never loaded; a run does not
begin anew in silence where checkpoints exist; a checkpoint that does not fit changes nothing.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from typing import Any, Self

from ..errors import CheckpointError, FormatError, OptionError, StateDictError
from ..serialization import load, save
from . import _folder, _owner, _parts
from ._manifest import Checkpoint


class Checkpointer:
    """Saves model, optimizer, scheduler, loader (a DataLoader or sampler) and random state.

    others: more objects with ``state_dict`` and ``load_state_dict`` by name (a GradScaler, an
    average of the weights, a second optimizer). ``checkpointer.state`` is a dict of your own
    (numbers, strings, arrays, lists, dicts) that is saved and restored with them. rng: also the
    states of Sensorium's, Python's and NumPy's global generators.

    keep newest checkpoints stay (None: all), and besides them the best by monitor ("min" or "max" of
    that metric) and the last that is finite and whole. every: ``save`` acts at multiples of it.

    A folder has one writing process: a second one is refused at once. read_only takes no lock and
    cannot save.

    Raises OptionError for what cannot work, CheckpointError (an OSError) for a folder in use, a
    full disk, or checkpoints none of which is usable.

    >>> import tempfile, sensorium as sn
    >>> model = sn.nn.Linear(2, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Checkpointer(folder, model=model) as checkpointer:
    ...         saved = checkpointer.save(100, {"loss": 0.5})
    ...         sn.nn.init.zeros_(model.bias)
    ...         checkpointer.restore(), checkpointer.latest.metrics
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    (100, {'loss': 0.5})
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        model: Any = None,
        optimizer: Any = None,
        scheduler: Any = None,
        loader: Any = None,
        others: Mapping[str, Any] | None = None,
        rng: bool = True,
        keep: int | None = 3,
        every: int = 1,
        monitor: str | None = None,
        mode: str = "min",
        read_only: bool = False,
    ) -> None:
        self._taken = False
        self.keep = None if keep is None else _parts.whole("keep", keep, 1)
        self.every = _parts.whole("every", every, 1)
        if mode not in ("min", "max"):
            raise OptionError(f"Checkpointer: mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.mode, self.read_only = monitor, mode, read_only
        given = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
        self._parts = _parts.checked(given, others or {}, rng)
        self.state: dict[str, Any] = {}
        self.folder = os.path.realpath(folder)
        self._saving = threading.Lock()
        if not read_only:
            os.makedirs(self.folder, exist_ok=True)
            _owner.take(self.folder)
            self._taken = True

    # -- saving ----------------------------------------------------------------------------------
    def save(
        self, step: int, metrics: Mapping[str, float] | None = None, *, force: bool = False
    ) -> Checkpoint | None:
        """Save everything as of this step; None where step is no multiple of ``every``.

        force: save all the same. When this returns, the checkpoint is on the disk. Raises
        CheckpointError if it cannot be written; earlier ones are then as they were.
        """
        step = _parts.whole("step", step, 0)
        found = _parts.numbers(metrics, self.monitor)
        if step % self.every and not force:
            return None
        if not self._taken or not _owner.holds(self.folder):
            why = "it is read-only" if self.read_only else "it is closed, or of another process"
            raise CheckpointError(f"Checkpointer.save: {self.folder}: {why}")
        with self._saving:
            states = {name: part.state_dict() for name, part in self._parts.items()}
            trouble = _parts.not_finite(self._parts, states)
            facts = {
                "step": step,
                "finite": not trouble,
                "not_finite": tuple(trouble),
                "metrics": found,
            }
            made = _folder.add(self.folder, {**states, "state": self.state}, save, facts)
            self._prune(made)
        return made

    def _prune(self, made: Checkpoint) -> None:
        """Delete what need not be kept; that a deletion fails is no reason for a run to end."""
        if self.keep is None:
            return
        found, _ = _folder.scan(self.folder)
        kept = {c.path for c in [*found[-self.keep :], made, *filter(None, [self._best(found)])]}
        sound = made if made.finite else _last_sound(found)
        if sound is not None:
            kept.add(sound.path)
        for checkpoint in found:
            if checkpoint.path not in kept:
                try:
                    _folder.remove(self.folder, checkpoint)
                except OSError as error:
                    warnings.warn(
                        f"Checkpointer: {checkpoint.path} was not deleted: {error.strerror}",
                        RuntimeWarning,
                        stacklevel=3,
                    )

    # -- what there is ---------------------------------------------------------------------------
    @property
    def checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint of the run with a right manifest, oldest first."""
        return _folder.scan(self.folder)[0]

    @property
    def latest(self) -> Checkpoint | None:
        """The one that was saved last."""
        return next(reversed(self.checkpoints), None)

    @property
    def best(self) -> Checkpoint | None:
        """The finite one with the best monitored metric, the earlier of equals."""
        return self._best(self.checkpoints)

    def _best(self, found: list[Checkpoint]) -> Checkpoint | None:
        best = None
        for one in found:
            value = one.metrics.get(self.monitor or "")
            if value is None or not one.finite:
                continue
            if best is None or _parts.better(value, best.metrics[self.monitor or ""], self.mode):
                best = one
        return best

    # -- resuming --------------------------------------------------------------------------------
    def restore(
        self, step: int | None = None, *, finite: bool = True, required: bool = False
    ) -> int | None:
        """Give everything the newest state that is whole; its step, or None if nothing was saved.

        Every file's sha256 is compared first; what fails is skipped with a warning. step: that one
        and no other. finite=False: also one whose weights are NaN or infinite. required: nothing
        there is an error too. Raises CheckpointError if there are checkpoints but none can be
        used, StateDictError (naming keys and shapes) if the state is another model's; then nothing
        has changed.
        """
        found, refused = _folder.scan(self.folder)
        for name, why in refused.items():
            self._skip(f"{name} ({why})")
        for checkpoint in reversed(found):
            if step is not None and checkpoint.step != step:
                continue
            if finite and step is None and not checkpoint.finite:
                refused[checkpoint.name] = f"not finite: {checkpoint.not_finite[0]}"
            else:
                states = self._read(checkpoint, refused)
                if states is not None:
                    self._apply(checkpoint, states)
                    return checkpoint.step
                continue
            self._skip(f"{checkpoint.name} ({refused[checkpoint.name]})")
        self._nothing(step, found, refused, required)
        return None

    def _read(self, checkpoint: Checkpoint, refused: dict[str, str]) -> dict[str, Any] | None:
        """The states in a checkpoint; None, with a warning, if it is damaged."""
        try:
            checkpoint.verify()
            return {
                name: load(os.path.join(checkpoint.path, f"{name}.safetensors"))
                for name in [*self._parts, "state"]
                if f"{name}.safetensors" in checkpoint.files
            }
        except (FormatError, OSError) as error:
            refused[checkpoint.name] = str(error)
            self._skip(f"{checkpoint.name} ({error})")
            return None

    def _apply(self, checkpoint: Checkpoint, states: dict[str, Any]) -> None:
        missing = [name for name in self._parts if name not in states]
        if missing:
            there = ", ".join(sorted(name.partition(".")[0] for name in checkpoint.files))
            raise StateDictError(
                f"Checkpointer.restore: {checkpoint.path} holds {there}, but not "
                f"{', '.join(missing)}"
            )
        state = _parts.owned(states.pop("state", {}))
        big = ("model", "optimizer")  # they copy what they are given
        _parts.load_all(
            self._parts, {n: s if n in big else _parts.owned(s) for n, s in states.items()}
        )
        self.state = state

    def _nothing(
        self, step: int | None, found: list[Checkpoint], refused: dict[str, str], required: bool
    ) -> None:
        if step is not None:
            there = ", ".join(str(c.step) for c in found if c.name not in refused) or "none"
            why = "".join(f"; {text}" for text in refused.values())
            raise CheckpointError(
                f"Checkpointer.restore: {self.folder} has no usable step {step}; steps there: {there}{why}"
            )
        if refused:
            reasons = "; ".join(f"{name}: {why}" for name, why in refused.items())
            raise CheckpointError(
                f"Checkpointer.restore: no checkpoint in {self.folder} can be used ({reasons}). To "
                "begin anew, use another folder; to take weights that are not finite, finite=False"
            )
        if required:
            raise CheckpointError(f"Checkpointer.restore: nothing was saved in {self.folder}")

    def _skip(self, text: str) -> None:
        warnings.warn(f"Checkpointer: skipped {text}", RuntimeWarning, stacklevel=4)

    # -- the end ---------------------------------------------------------------------------------
    def close(self) -> None:
        """Let another process write to the folder; a second call does nothing."""
        if self._taken:
            self._taken = False
            _owner.release(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_taken", False):
            self.close()


def _last_sound(found: list[Checkpoint]) -> Checkpoint | None:
    """The newest that is finite and whose files are what its manifest says."""
    for checkpoint in reversed(found):
        if checkpoint.finite:
            try:
                checkpoint.verify()
            except (FormatError, OSError):
                continue
            return checkpoint
    return None
