"""Worker processes of a DataLoader.

Each worker has a pipe for tasks and a pipe for results of its own. Batch k is worker k mod n's, so
results need no sorting, and since nobody else holds the writing end of its pipe, a worker that dies,
even in the middle of a message, is seen at once as the end of that pipe. A worker whose parent is
gone ends by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import signal
import sys
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

import numpy as np

from ..errors import SensoriumError
from ..generator import stream

PARENT_CHECK = 1.0  # seconds between a waiting worker's looks at whether its parent lives
GRACE = 1.0  # seconds that workers get to end by themselves


class WorkerError(SensoriumError, RuntimeError):
    """A DataLoader's worker died, took too long, or raised what cannot be raised here again."""


class WorkerKeyError(WorkerError, KeyError):
    """A KeyError of a worker, with its traceback readable."""

    __str__ = Exception.__str__  # KeyError's would show the repr of the text


@dataclass(frozen=True)
class WorkerInfo:
    """What ``get_worker_info`` says inside a worker; seed differs by worker and by pass."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


@dataclass(frozen=True)
class Job:
    """How to make a batch from sample numbers.

    The n-th sample of a pass draws from stream (seed, n, 0) of the default generator, collating from
    (seed, n of its first sample, 1): the same numbers with any number of workers.
    """

    dataset: Any
    collate: Callable[[Any], Any]
    batched: bool
    seed: int

    def tasks(self, numbers: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """(how many samples come before, sample numbers) for each batch."""
        position = 0
        for batch in numbers:
            yield position, batch
            position += len(batch) if self.batched else 1

    def batch(self, task: tuple[int, Any]) -> Any:
        """The collated samples with these numbers, or the one converted sample."""
        position, numbers = task
        with stream(self.seed, position, 1):
            if not self.batched:
                return self.collate(self._sample(position, numbers))
            if hasattr(self.dataset, "__getitems__"):
                return self.collate(self.dataset.__getitems__(numbers))
            return self.collate([self._sample(position + k, i) for k, i in enumerate(numbers)])

    def _sample(self, position: int, number: Any) -> Any:
        with stream(self.seed, position, 0):
            return self.dataset[number]


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker its number, seed and dataset; in the main process None."""
    return _info


# -- in the worker -------------------------------------------------------------------------------
def _work(
    job: Job,
    info: WorkerInfo,
    init: Callable[[int], None] | None,
    parent: int,
    tasks: Any,
    results: Any,
) -> None:
    """Answer tasks until told to stop, or until the parent is gone."""
    with suppress(BrokenPipeError, ConnectionResetError, EOFError, KeyboardInterrupt):
        failed = _prepare(info, init)
        while True:
            while not tasks.poll(PARENT_CHECK):
                if os.getppid() != parent:
                    return
            numbers = tasks.recv()
            if numbers is None:
                return
            results.send_bytes(failed or _answer(job, info, numbers[0]))


def _prepare(info: WorkerInfo, init: Callable[[int], None] | None) -> bytes | None:
    """Seeds, threads, signals and the user's own start; the error of the latter, if any."""
    global _info
    from ..backends.cpu.threads import set_num_threads
    from ..generator import manual_seed

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the parent's to answer
    set_num_threads(1)
    _info = info
    random.seed(info.seed)
    manual_seed(info.seed)
    np.random.seed(np.random.SeedSequence(info.seed).generate_state(4))
    try:
        if init is not None:
            init(info.id)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the main process raises it
        return _failure(error, info)
    return None


def _answer(job: Job, info: WorkerInfo, numbers: Any) -> bytes:
    try:
        return pickle.dumps((True, job.batch(numbers)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the main process raises it
        return _failure(error, info)


def _failure(error: Exception, info: WorkerInfo) -> bytes:
    """The error's class and text; the class by name only if it cannot be sent."""
    text = (
        f"{type(error).__name__} in DataLoader worker {info.id}\n\nOriginal traceback:\n"
        + "".join(traceback.format_exception(error))
    )
    try:
        return pickle.dumps((False, (type(error), text)))
    except Exception:  # noqa: BLE001 -- a class that cannot be pickled fails in its own way
        return pickle.dumps((False, (None, text)))


# -- in the main process -------------------------------------------------------------------------
class _Worker:
    """One process and the ends of its pipes."""

    def __init__(
        self, context: Any, job: Job, info: WorkerInfo, init: Callable[[int], None] | None
    ) -> None:
        theirs, self.tasks = context.Pipe(duplex=False)
        self.results, answers = context.Pipe(duplex=False)
        self.process = context.Process(
            target=_work, args=(job, info, init, os.getpid(), theirs, answers), daemon=True,
            name=f"DataLoader worker {info.id}",
        )  # fmt: skip
        with warnings.catch_warnings():
            # Python 3.12 warns of every fork with threads; ours are told of it (backends.cpu.threads)
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()  # before the next worker is forked: it must not hold these ends too
        answers.close()

    def give(self, numbers: Any) -> None:
        """Send a task; a dead worker is noticed when its answer is due."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.tasks.send((numbers,))

    def take(self, timeout: float) -> tuple[bool, Any]:
        """The next answer; WorkerError if the worker is dead or has not answered in time."""
        if not wait([self.results], timeout or None):
            raise WorkerError(
                f"DataLoader: {self.process.name} (pid {self.process.pid}) gave no batch within "
                f"timeout={timeout} s"
            )
        try:
            answer = self.results.recv_bytes()
        except (EOFError, OSError):
            self.process.join(GRACE)
            raise WorkerError(f"DataLoader: {self._death()}") from None
        return pickle.loads(answer)

    def _death(self) -> str:
        code = self.process.exitcode
        how = (
            f"was killed by signal {-code}"
            if code is not None and code < 0
            else f"exited with {code}"
        )
        return f"{self.process.name} (pid {self.process.pid}) {how} before its batch was done"

    def ask_to_stop(self) -> None:
        """No more tasks; a worker stuck in sending its answer finds nobody listening."""
        with suppress(OSError, ValueError):
            self.tasks.send(None)
        self.tasks.close()
        self.results.close()

    def stop(self, patience: float) -> None:
        """Wait for the end that long, then bring it about."""
        self.process.join(patience)
        for end in (self.process.terminate, self.process.kill):
            if self.process.is_alive():
                end()
                self.process.join(GRACE)
        if not self.process.is_alive():
            self.process.close()


class Workers:
    """Iterates over the batches that the workers make; stops them at the end, however it comes."""

    def __init__(
        self,
        job: Job,
        numbers: Iterator[Any],
        n: int,
        ahead: int,
        seed: int,
        timeout: float,
        init: Callable[[int], None] | None,
        context: Any,
    ) -> None:
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context)
        self._numbers, self._timeout = numbers, timeout
        self._workers: list[_Worker] = []
        self._waiting: deque[_Worker] = deque()  # whose answers are due, in order
        self._given = 0
        try:
            for i in range(n):
                info = WorkerInfo(i, n, seed + i, job.dataset)
                self._workers.append(_Worker(context, job, info, init))
            for _ in range(n * ahead):
                self._give_next()
        except BaseException:
            self.close()
            raise

    def _give_next(self) -> None:
        for numbers in self._numbers:
            worker = self._workers[self._given % len(self._workers)]
            self._given += 1
            worker.give(numbers)
            self._waiting.append(worker)
            return

    def __iter__(self) -> Workers:
        return self

    def __next__(self) -> Any:
        if not self._waiting:
            self.close()
            raise StopIteration
        try:
            done, value = self._waiting.popleft().take(self._timeout)
            if not done:
                raise _as_raised(*value)
            self._give_next()
        except BaseException:
            self.close()
            raise
        return value

    def close(self) -> None:
        """End all workers; a second call does nothing."""
        workers, self._workers = self._workers, []
        self._waiting.clear()
        for worker in workers:
            worker.ask_to_stop()
        end = time.monotonic() + GRACE
        for worker in workers:
            worker.stop(max(end - time.monotonic(), 0))

    def __del__(self) -> None:
        if not sys.is_finalizing():  # at exit multiprocessing itself ends its daemons
            self.close()


def _as_raised(kind: type[Exception] | None, text: str) -> Exception:
    """The worker's error as its own class where that takes one text, else as WorkerError."""
    if kind is not None and issubclass(kind, KeyError):
        return WorkerKeyError(f"DataLoader: {text}")
    if kind is not None and not issubclass(kind, StopIteration):
        with suppress(Exception):
            return kind(text)
    return WorkerError(f"DataLoader: {text}")
