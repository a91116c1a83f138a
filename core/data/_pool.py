"""Worker processes as the main process sees them: start, messages, death, end.

Every worker has a socket of its own. Nobody else holds its other end, so a worker that dies, even in
the middle of a message, is seen at once as the end of that socket.
"""

from __future__ import annotations

import atexit
import errno
import functools
import multiprocessing
import os
import pickle
import signal
import socket
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import _shared
from ._channel import Channel
from ._errors import WorkerError
from ._job import Job, Task
from ._worker import BEGIN, TASK, Setup, parents_ends, work

GRACE = 0.5  # seconds that workers get to end by themselves, and again before they are killed
STACK_WAIT = 0.3  # seconds for a silent worker to say what it is doing

_starting = threading.Lock()
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Worker:
    """One process and the socket to it."""

    def __init__(self, context: Any, setup: Setup) -> None:
        self.id, self.receiver = setup.id, _shared.Receiver()
        # One start at a time: a process forked meanwhile would hold on to these ends.
        with _starting:
            ours, theirs = socket.socketpair()
            self.stacks, report = context.Pipe(duplex=False)
            self.channel = Channel(ours, blocking=False)
            parents_ends.add(self.channel)
            theirs.settimeout(None)
            self.process = context.Process(
                target=work,
                args=(setup, theirs, report),
                daemon=True,
                name=f"DataLoader worker {setup.id}",
            )
            try:
                with warnings.catch_warnings():
                    # Python 3.12 warns of forks with threads; ours know (backends.cpu.threads)
                    warnings.simplefilter("ignore", DeprecationWarning)
                    self.process.start()
            except BaseException:
                self.disconnect()
                raise
            finally:
                theirs.close()
                report.close()
        self.pid = self.process.pid

    def post(self, kind: str, epoch: int, value: Any) -> None:
        """Send; a dead worker is noticed when its answer is due."""
        with suppress(OSError):
            message = kind, epoch, value, self.receiver.returns()
            self.channel.post(_shared.plain(message))

    def receive(self) -> Any:
        """The next answer, or None if it is not there yet; EOFError, OSError from a dead worker."""
        self.channel.flush()
        frame = self.channel.receive()
        return None if frame is None else self.receiver.unpack(*frame)

    def doing(self) -> str:
        """The traceback of a worker that does not answer."""
        if not hasattr(signal, "SIGUSR1"):
            return ""
        with suppress(OSError):
            os.kill(self.pid or 0, signal.SIGUSR1)
            text = ""
            while self.stacks.poll(STACK_WAIT) and len(text) < 1 << 16:
                text += os.read(self.stacks.fileno(), 1 << 16).decode(errors="replace")
            return f"; it is at\n{text}" if text else "; it does not react to signals"
        return ""

    def death(self) -> str:
        """How the process ended."""
        self.process.join(GRACE)
        code = self.process.exitcode
        if code is None:
            return "closed its connection"
        return f"was killed by signal {-code}" if code < 0 else f"exited with {code}"

    def disconnect(self) -> None:
        """A worker that is sending finds nobody listening."""
        self.channel.close()
        self.stacks.close()


class Pool:
    """n workers for one job; closed at the latest when the interpreter ends."""

    def __init__(
        self, job: Job, n: int, seed: int, init: Callable[[int], None] | None, context: Any
    ) -> None:
        self._owner, self.workers = os.getpid(), list[Worker]()
        self.epoch = 0  # of the pass that is on
        self.iterable = job.iterable
        _close_at_exit()
        _pools.add(self)
        try:
            for i in range(n):
                setup = Setup(job, init, i, n, seed)
                self.workers.append(_started(context, setup))
        except BaseException:
            self.close()
            raise

    def begin(self, seed: int) -> int:
        """A new pass; answers to older ones are no longer waited for."""
        self.epoch += 1
        for worker in self.workers:
            worker.post(BEGIN, self.epoch, seed)
        return self.epoch

    def give(self, worker: Worker, task: Task) -> None:
        worker.post(TASK, self.epoch, task)

    def close(self) -> None:
        """End all workers, by force where it must be; a second call does nothing."""
        if (
            self.workers and os.getpid() != self._owner
        ):  # a forked copy: the processes are not its own
            self.workers = []
        for worker in self.workers:
            worker.disconnect()
        alive = _reap(self.workers, time.monotonic() + GRACE)
        for end in ("terminate", "kill"):
            for worker in alive:
                getattr(worker.process, end)()
            alive = _reap(alive, time.monotonic() + GRACE)
        self.workers = []

    def __del__(self) -> None:
        self.close()


def _reap(workers: list[Worker], end: float) -> list[Worker]:
    """Those that still run at that time."""
    left = []
    for worker in workers:
        with suppress(ValueError):  # closed already
            worker.process.join(max(end - time.monotonic(), 0))
            if worker.process.is_alive():
                left.append(worker)
            else:
                worker.process.close()
    return left


@functools.cache
def _close_at_exit() -> None:
    """Before multiprocessing waits for its processes, which might hang."""
    atexit.register(_close_all)


def _close_all() -> None:
    for pool in list(_pools):
        pool.close()


# -- starting ------------------------------------------------------------------------------------
_SHORT = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)


def _started(context: Any, setup: Setup) -> Worker:
    """A running worker, or a WorkerError that says what to do."""
    try:
        return Worker(context, setup)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        method = context.get_start_method()
        if method == "fork":
            raise
        reason = (
            f"dataset, collate_fn or worker_init_fn cannot be sent to a process started by "
            f"{method!r} ({error}); define them at the top of a module, or pass "
            "multiprocessing_context='fork'"
        )
        raise _not_started(setup, reason) from error
    except OSError as error:
        if error.errno not in _SHORT:
            raise
        reason = (
            f"{error.strerror}; use fewer workers, or raise the limit (`ulimit -n`, `ulimit -u`)"
        )
        raise _not_started(setup, reason) from error


def _not_started(setup: Setup, reason: str) -> WorkerError:
    error = WorkerError(f"DataLoader: worker {setup.id} of {setup.num_workers}: {reason}")
    error.worker = setup.id
    return error


def context_of(chosen: Any) -> Any:
    """The multiprocessing context that a name, a context or None (Python's default) stands for."""
    if chosen is None or isinstance(chosen, str):
        return multiprocessing.get_context(chosen)
    return chosen
