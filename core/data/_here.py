"""The iterator over batches that are made in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._job import Job, Progress, Task


class Here:
    """Makes the batches of one pass when they are asked for."""

    def __init__(self, job: Job, tasks: Iterator[Task], progress: Progress) -> None:
        self._source, self._tasks = job.source(progress.seed), tasks
        self.progress = progress
        self.samples = 0  # handed out

    def __iter__(self) -> Here:
        return self

    def __next__(self) -> Any:
        try:
            task = next(self._tasks)
            batch, samples = self._source(task)
        except StopIteration:
            self.progress.finished = True
            raise
        self.samples += samples
        self.progress.mark(task.number)
        return batch
