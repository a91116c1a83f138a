"""What goes wrong in a DataLoader's workers, as errors of the main process."""

from __future__ import annotations

import pickle
import traceback
from contextlib import suppress
from typing import Any

from ..errors import SensoriumError


class WorkerError(SensoriumError, RuntimeError):
    """A DataLoader's worker died, took too long, could not start, or raised an error.

    worker is its number, pid its process, exitcode how it ended (-9: killed by signal 9; None: it
    had not ended), samples the sample numbers it was at. What a worker raised arrives as an error
    that is both a WorkerError and, where the class can be sent, of the class that was raised.
    """

    worker: int | None = None
    pid: int | None = None
    exitcode: int | None = None
    samples: Any = None


def described(error: BaseException, worker: int) -> bytes:
    """The class (None if it cannot be sent) and the text of an error, to be sent."""
    text = (
        f"{type(error).__name__} in DataLoader worker {worker}\n\nOriginal traceback:\n"
        + "".join(traceback.format_exception(error))
    )
    kind = type(error) if isinstance(error, Exception) else None  # SystemExit would end the parent
    try:
        sent = pickle.dumps((kind, text))
        pickle.loads(sent)
    except Exception:  # noqa: BLE001 -- a class that cannot be pickled fails in its own way
        return pickle.dumps((None, text))
    return sent


def raised(sent: bytes, worker: int, pid: int | None) -> WorkerError:
    """The error that ``described`` told of; its ``__init__`` never runs here."""
    try:
        kind, text = pickle.loads(sent)
    except Exception as reason:  # noqa: BLE001 -- a class that only the worker can import
        kind, text = None, f"an error in worker {worker} that cannot be read here: {reason}"
    error = _of_class(kind, f"DataLoader: {text}")
    error.worker, error.pid = worker, pid
    return error


def _of_class(kind: type[Exception] | None, text: str) -> WorkerError:
    if kind is not None and not issubclass(kind, (StopIteration, StopAsyncIteration)):
        with suppress(Exception):  # classes that cannot be bases of one, or refuse the text
            # Exception's own str(): a KeyError's would show the repr of the text.
            body = {"__str__": Exception.__str__, "__module__": __name__}
            both = type(f"Worker{kind.__name__}", (WorkerError, kind), body)
            made: WorkerError = kind.__new__(both, text)
            made.args = (text,)
            return made
    return WorkerError(text)
