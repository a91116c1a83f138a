"""DataLoader: batches of a dataset, in this process or by worker processes.

Follows ``torch.utils.data.DataLoader``. Left out: iterable datasets and persistent workers. Memory is
never pinned: ``pin_memory`` is accepted, for code that passes it, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..generator import Generator, source_of
from ._workers import Job, Workers
from .collate import default_collate, default_convert
from .sampler import BatchSampler, RandomSampler, SequentialSampler


class DataLoader:
    """Iterates over a dataset in batches; every ``for`` is a new pass.

    batch_size None: single samples, uncollated. shuffle: a new random order every pass, drawn from
    generator. sampler gives sample numbers, batch_sampler lists of them. num_workers processes load
    ahead, prefetch_factor batches each; batches come in order. timeout: seconds to wait for a
    batch, 0 for ever; a worker that died is an error at once. worker_init_fn(worker_id) runs first
    in each. multiprocessing_context: "fork", "spawn", "forkserver", or None for Python's default.

    >>> for batch in DataLoader([1, 2, 3], batch_size=2):
    ...     print(batch)
    tensor([1, 2])
    tensor([3])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
    ) -> None:
        _check_orders(batch_size, shuffle, sampler, batch_sampler, drop_last)
        _check_workers(num_workers, timeout, prefetch_factor)
        self.dataset, self.generator = dataset, generator
        self.sampler: Any = sampler
        if sampler is None:
            order = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
            self.sampler = order
        self.batch_sampler: Any = batch_sampler
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            self.batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        usual = default_convert if self.batch_sampler is None else default_collate
        self.collate_fn = collate_fn if collate_fn is not None else usual
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.pin_memory, self.multiprocessing_context = pin_memory, multiprocessing_context
        self.prefetch_factor = prefetch_factor

    def __iter__(self) -> Iterator[Any]:
        # Drawn without workers too: the order and every sample are then the same as with them.
        seed = int(source_of(self.generator).integers(0, 2**62))
        job = Job(self.dataset, self.collate_fn, self.batch_sampler is not None, seed)
        tasks = job.tasks(self._numbers())
        if self.num_workers == 0:
            return map(job.batch, tasks)
        return Workers(
            job, tasks, self.num_workers, self.prefetch_factor or 2, seed, self.timeout,
            self.worker_init_fn, self.multiprocessing_context,
        )  # fmt: skip

    def _numbers(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __len__(self) -> int:
        return len(self._numbers())


def _check_orders(
    batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: shuffle=True and a sampler exclude each other")
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ValueError(
            "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last"
        )
    if batch_size is None and drop_last:
        raise ValueError("DataLoader: drop_last wants batches, but batch_size is None")


def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None) -> None:
    if num_workers < 0:
        raise ValueError(f"DataLoader: num_workers must be at least 0, got {num_workers}")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout must be at least 0, got {timeout}")
    if num_workers == 0 and (timeout or prefetch_factor is not None):
        raise ValueError("DataLoader: timeout and prefetch_factor want num_workers > 0")
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ValueError(f"DataLoader: prefetch_factor must be at least 1, got {prefetch_factor}")
