"""The iterator over batches that worker processes make."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ._channel import wait_for
from ._errors import WorkerError, raised
from ._job import Progress, Task
from ._pool import Pool, Worker
from ._worker import END, ERROR

ALIVE_CHECK = 1.0  # seconds between looks at whether the worker that is waited for lives
STALL_REPORT = 60.0  # seconds without a batch after which a warning says what the worker is doing


class Workers:
    """Hands out the batches of one pass; closes the pool at its end unless that is persistent."""

    def __init__(
        self,
        pool: Pool,
        tasks: Iterator[Task],
        progress: Progress,
        ahead: int,
        timeout: float,
        in_order: bool,
        persistent: bool,
    ) -> None:
        self._pool, self._tasks, self.progress = pool, tasks, progress
        self._timeout, self._in_order, self._persistent = timeout, in_order, persistent
        self.samples = 0  # handed out
        self._due: deque[tuple[Worker, Task]] = deque()
        self._turn: deque[Worker] = deque(pool.workers)  # who is next; without those at their end
        self._epoch = pool.begin(progress.seed)
        try:
            for _ in range(len(pool.workers) * ahead):
                self._give_next()
        except BaseException:
            pool.close()
            raise

    def _give_next(self, to: Worker | None = None) -> None:
        """One more task, to this worker or to the next."""
        if not self._turn:
            return
        task = next(self._tasks, None)
        if task is None:
            return
        if to is None:
            to = self._turn[0]
            self._turn.rotate(-1)
        self._pool.give(to, task)
        self._due.append((to, task))

    def __iter__(self) -> Workers:
        return self

    def __next__(self) -> Any:
        if self._epoch != self._pool.epoch:
            raise WorkerError("DataLoader: its persistent workers have begun another pass")
        try:
            while self._due:
                worker, task, answer = self._answer()
                kind, _, _, value, samples = answer
                if kind == ERROR:
                    error = raised(value, worker.id, worker.pid)
                    error.samples = task.samples
                    raise error
                if kind == END:
                    self._ended(worker)
                    continue
                self.samples += samples
                self.progress.mark(task.number)
                self._give_next(None if self._in_order else worker)
                return value
        except BaseException:
            self.close()
            raise
        self.progress.finished = True
        if not self._persistent:
            self.close()
        raise StopIteration

    def _ended(self, worker: Worker) -> None:
        """An iterable dataset has no more samples there."""
        self._due = deque(entry for entry in self._due if entry[0] is not worker)
        with suppress(ValueError):
            self._turn.remove(worker)
        self._give_next()

    # -- waiting ---------------------------------------------------------------------------------
    def _answer(self) -> tuple[Worker, Task, Any]:
        """The answer that is due, or without order the first there is."""
        start = time.monotonic()
        end = start + self._timeout if self._timeout else float("inf")
        report = start + STALL_REPORT
        while True:
            entries = [self._due[0]] if self._in_order else self._oldest()
            for worker, task in entries:
                answer = self._received(worker, task)
                if answer is not None:
                    self._due.remove((worker, task))
                    return worker, task, answer
            now = time.monotonic()
            if now >= end:
                raise self._silent(*entries[0])
            if now >= report:
                report = float("inf")
                worker = entries[0][0]
                text = f"DataLoader: worker {worker.id} gave no batch in {STALL_REPORT:.0f} s"
                warnings.warn(f"{text}{worker.doing()}", RuntimeWarning, stacklevel=3)
            self._wait([worker for worker, _ in entries], min(end, report, now + ALIVE_CHECK))

    def _wait(self, due: list[Worker], deadline: float) -> None:
        """For something to read from one of these; tasks that are stuck go on their way meanwhile."""
        stuck = [w for w in self._pool.workers if w.channel.unsent and w not in due]
        wait_for([w.channel for w in due + stuck], deadline)
        for worker in stuck:
            with suppress(OSError):
                worker.channel.flush()

    def _oldest(self) -> list[tuple[Worker, Task]]:
        """The first task due from each worker."""
        first: dict[int, tuple[Worker, Task]] = {}
        for worker, task in self._due:
            first.setdefault(worker.id, (worker, task))
        return list(first.values())

    def _received(self, worker: Worker, task: Task) -> Any:
        """The answer to this task, None if it is not there; those of older passes are dropped."""
        was_alive = worker.process.is_alive()
        try:
            while (answer := worker.receive()) is not None:
                if answer[1] == self._epoch:
                    return answer
        except (EOFError, ConnectionError) as error:
            raise self._dead(worker, task) from error
        except OSError as error:
            text = f"DataLoader: a batch of worker {worker.id} was lost: {error.strerror}"
            raise _at(WorkerError(text), worker, task) from error
        if not was_alive:  # and nothing left to read: some other process holds its socket open
            raise self._dead(worker, task)
        return None

    def _dead(self, worker: Worker, task: Task) -> WorkerError:
        how = worker.death()
        error = WorkerError(
            f"DataLoader: worker {worker.id} (pid {worker.pid}) {how} before its batch was done"
            f"{self._samples(task)}"
        )
        error.exitcode = worker.process.exitcode
        return _at(error, worker, task)

    def _silent(self, worker: Worker, task: Task) -> WorkerError:
        error = WorkerError(
            f"DataLoader: worker {worker.id} (pid {worker.pid}) gave no batch within "
            f"timeout={self._timeout} s{self._samples(task)}{worker.doing()}"
        )
        return _at(error, worker, task)

    def _samples(self, task: Task) -> str:
        numbers = task.samples
        if self._pool.iterable:
            return ""
        if not isinstance(numbers, list):
            return f" (sample {numbers})"
        return f" (samples {', '.join(map(str, numbers[:8]))}{', ...' if len(numbers) > 8 else ''})"

    def close(self) -> None:
        """End the pass and all workers; a second call does nothing."""
        self._due.clear()
        self._turn.clear()
        self._pool.close()

    def __del__(self) -> None:
        if not getattr(self, "_persistent", True):
            self._pool.close()


def _at(error: WorkerError, worker: Worker, task: Task) -> WorkerError:
    error.worker, error.pid, error.samples = worker.id, worker.pid, task.samples
    return error
