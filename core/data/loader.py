"""DataLoader: batches of a dataset, in this process or by worker processes.

Follows ``torch.utils.data.DataLoader``; ``state_dict`` and ``load_state_dict`` are additions, to
resume in the middle of a pass. Left out: the warning about more workers than cores.
"""

from __future__ import annotations

import multiprocessing
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import repeat
from multiprocessing.context import BaseContext
from types import GenericAlias
from typing import Any

import numpy as np

from ..backends import cuda
from ..errors import OptionError
from ..generator import Generator, source_of
from ._here import Here
from ._job import Job, Progress, tasks
from ._pool import Pool, context_of
from ._state import epochs_of, generators_of, restored, set_epochs, state_of, states_of
from ._workers import Workers
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .pinning import pin_memory
from .sampler import BatchSampler, RandomSampler, SequentialSampler

_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader:
    """Iterates over a dataset in batches; every ``for`` is a new pass.

    batch_size None: single samples, uncollated. shuffle: a new random order every pass, drawn from
    generator. sampler gives sample numbers, batch_sampler lists of them. An ``IterableDataset`` has
    no numbers: each worker goes through its own copy, which asks ``get_worker_info`` for its share.

    num_workers processes load ahead, prefetch_factor batches each. in_order False: batches come as
    they are ready. timeout: seconds to wait for a batch, 0 for ever; a worker that died is an error
    at once. worker_init_fn(worker_id) runs first in each. multiprocessing_context: "fork", "spawn",
    "forkserver", a context, or None for Python's default. persistent_workers: they stay for the
    next pass. pin_memory: batches come in page-locked memory, from which a GPU copies without waiting;
    without a GPU a warning says that nothing is pinned. pin_memory_device is not needed for that.

    A sample's random numbers (``sn.rand`` and what builds on it) depend on the pass and on the
    sample's place in it alone: they are the same with any number of workers. In workers Python's
    ``random`` and NumPy's old global generator are seeded in the same way.

    >>> for batch in DataLoader([1, 2, 3], batch_size=2):
    ...     print(batch)
    tensor([1, 2])
    tensor([3])
    """

    __class_getitem__: Any = classmethod(GenericAlias)

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
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        _check_context(num_workers, multiprocessing_context)
        if isinstance(dataset, IterableDataset):
            _check_iterable(shuffle, sampler, batch_sampler)
        _check_orders(batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset, self.generator = dataset, generator
        self.sampler = self._order(shuffle, batch_size) if sampler is None else sampler
        self.batch_sampler: Any = batch_sampler
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            self.batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        usual = default_convert if self.batch_sampler is None else default_collate
        self.collate_fn = collate_fn if collate_fn is not None else usual
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self._pool: Pool | None = None  # of persistent workers
        self._progress: Progress | None = None  # of the latest pass
        self._resume: Progress | None = None  # of the pass that the next one goes on with
        self._said_length: int | None = None  # of an iterable dataset, if it was asked for
        self._made = True

    def _order(self, shuffle: bool | None, batch_size: int | None) -> Any:
        if isinstance(self.dataset, IterableDataset):
            return repeat(None)  # never ends: the dataset does
        if shuffle:
            return RandomSampler(self.dataset, generator=self.generator)
        return SequentialSampler(self.dataset)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and getattr(self, "_made", False):
            raise OptionError(f"DataLoader: {name} cannot change after the loader is made")
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}

    # -- passes ----------------------------------------------------------------------------------
    def __iter__(self) -> Iterator[Any]:
        progress = self._progress = self._begun()
        job = self._job()
        left = tasks(self._numbers(), self.batch_sampler is not None and not job.iterable, progress)
        if self.num_workers == 0:
            batches: Any = Here(job, left, progress)
        else:
            batches = Workers(
                self._workers(job, progress.seed), left, progress, self.prefetch_factor or 2,
                self.timeout, self.in_order, self.persistent_workers,
            )  # fmt: skip
        found = self._watched(batches) if self._said_length is not None else batches
        return map(pin_memory, found) if self.pin_memory and _can_pin() else found

    def _begun(self) -> Progress:
        """The progress of a new pass, or of the one to be resumed.

        The seed is drawn without workers too: the order and every sample are then the same as with
        them.
        """
        resumed, self._resume = self._resume, None
        if resumed is not None and self.generator is None:
            return resumed
        generators = states_of(generators_of(self))
        seed = int(source_of(self.generator).integers(0, 2**62))
        return resumed or Progress(seed, generators=generators, epochs=epochs_of(self))

    def _job(self) -> Job:
        batched = self.batch_sampler is not None
        return Job(self.dataset, self.collate_fn, batched, self.drop_last, self.num_workers > 0)

    def _numbers(self) -> Any:
        if isinstance(self.dataset, IterableDataset):
            return repeat(self.batch_size)
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _workers(self, job: Job, seed: int) -> Pool:
        """The pool for this pass: a new one, or that of the pass before."""
        if self._pool is not None and self._pool.workers:
            return self._pool
        _warn_of_generators(self.dataset)
        context = context_of(self.multiprocessing_context)
        pool = Pool(job, self.num_workers, seed, self.worker_init_fn, context)
        if self.persistent_workers:
            self._pool = pool
        return pool

    def _watched(self, batches: Any) -> Iterator[Any]:
        """The batches; a warning if an iterable dataset has more samples than it said."""
        for batch in batches:
            said = self._said_length
            if said is not None and batches.samples > said:
                warnings.warn(
                    f"DataLoader: {type(self.dataset).__name__} reported a length of {said}, but "
                    f"{batches.samples} samples have come"
                    + (
                        "; with several workers each must give its share only (get_worker_info)"
                        if self.num_workers > 1
                        else ""
                    ),
                    stacklevel=2,
                )
                self._said_length = None
            yield batch

    def __len__(self) -> int:
        """The number of batches of a pass; TypeError where the dataset or sampler has no length."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._numbers())
        n = self._said_length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    # -- state -----------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """Where the latest pass stands: numbers, lists, and uint8 tensors of generators' states.

        It counts the batches that were handed out, not those that workers have loaded ahead. The
        default generator's own state (``sn.get_rng_state``) is the program's to save. Raises
        OptionError for an ``IterableDataset``: it has no sample numbers to go on from.

        >>> loader = DataLoader(range(6), 2, shuffle=True)
        >>> batches = iter(loader)
        >>> first, state = next(batches), loader.state_dict()
        >>> loader.load_state_dict(state)
        >>> [b.tolist() for b in loader] == [b.tolist() for b in batches]
        True
        """
        self._map_style("state_dict")
        return state_of(self, self._progress if self._resume is None else self._resume)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The next pass gives the batches that were left, with the same random numbers.

        Raises StateDictError if the state is another dataset's or no loader's.
        """
        self._map_style("load_state_dict")
        progress, states, epochs = restored(self, state_dict)
        for generator, state in zip(generators_of(self), states):
            generator.set_state(state)
        set_epochs(self, epochs)
        self._resume, self._progress = progress, None

    def _map_style(self, what: str) -> None:
        if isinstance(self.dataset, IterableDataset):
            raise OptionError(
                f"DataLoader.{what}: {type(self.dataset).__name__} is an IterableDataset, which has "
                "no sample numbers to go on from; keep its state in the dataset"
            )


def _can_pin() -> bool:
    """Whether there is a GPU; a warning if not, as pinned memory would serve nothing."""
    if reason := cuda.why_not():
        warnings.warn(f"DataLoader: pin_memory=True pins nothing: {reason}", stacklevel=4)
    return not reason


# -- checks --------------------------------------------------------------------------------------
def _check_iterable(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader: an IterableDataset decides on its order itself, got {name}={value!r}"
            )


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


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent: bool
) -> None:
    if num_workers < 0:
        raise ValueError(f"DataLoader: num_workers must be at least 0, got {num_workers}")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout must be at least 0, got {timeout}")
    if num_workers == 0 and (timeout or prefetch_factor is not None or persistent):
        raise ValueError(
            "DataLoader: timeout, prefetch_factor and persistent_workers want num_workers > 0"
        )
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ValueError(f"DataLoader: prefetch_factor must be at least 1, got {prefetch_factor}")


def _check_context(num_workers: int, context: Any) -> None:
    if context is None:
        return
    if num_workers == 0:
        raise ValueError(
            f"DataLoader: multiprocessing_context={context!r} wants num_workers > 0, got 0"
        )
    methods = multiprocessing.get_all_start_methods()
    if isinstance(context, str):
        if context not in methods:
            raise ValueError(
                f"DataLoader: multiprocessing_context must be one of {methods}, got {context!r}"
            )
    elif not isinstance(context, BaseContext):
        raise TypeError(
            f"DataLoader: multiprocessing_context must be a name or a context, got {context!r}"
        )


def _warn_of_generators(dataset: Any) -> None:
    """A generator that a dataset holds is copied to every worker, state and all."""
    kinds = (random.Random, np.random.Generator, np.random.RandomState, Generator)
    for name, value in getattr(dataset, "__dict__", {}).items():
        if isinstance(value, kinds):
            warnings.warn(
                f"DataLoader: {type(dataset).__name__}.{name} is a {type(value).__name__}: every "
                "worker draws the same numbers from its copy. Draw with sn.rand and the like, or "
                "seed it in worker_init_fn",
                stacklevel=4,
            )
