"""How batches are made from a dataset, wherever that happens; and in which order they are due.

The n-th sample of a pass draws from stream (seed, n, 0) of the default generator, collating from
(seed, n of its first sample, 1), and the sampler from (seed, 0, 2): the same numbers with any number
of workers, and again when a pass is resumed. Iterable datasets draw as they like.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ..generator import Generator, default_generator, stream
from .dataset import IterableDataset, fetches_many


class Task(NamedTuple):
    """Batch ``number`` of a pass: the numbers of its samples, of which ``position`` come before.

    An iterable dataset has no sample numbers; it is asked for so many samples, or (None) for one.
    """

    number: int
    position: int
    samples: Any


@dataclass(frozen=True)
class Job:
    """The parts of a DataLoader that make a batch."""

    dataset: Any
    collate: Callable[[Any], Any]
    batched: bool
    drop_last: bool
    seed_globals: bool = False  # in workers: `random` and NumPy's old generator, by sample as well

    @property
    def iterable(self) -> bool:
        """Whether samples come one after the other and not by number."""
        return isinstance(self.dataset, IterableDataset)

    def source(self, seed: int) -> Callable[[Task], tuple[Any, int]]:
        """For one pass: from a task to (batch, how many samples); StopIteration at the end."""
        if not self.iterable:
            return lambda task: self._by_number(seed, task)
        samples = iter(self.dataset)
        return lambda task: self._next_of(samples, task.samples)

    def _by_number(self, seed: int, task: Task) -> tuple[Any, int]:
        _, position, numbers = task
        with self._stream(seed, position, 1):
            if not self.batched:
                return self.collate(self._sample(seed, position, numbers)), 1
            if fetches_many(self.dataset):
                return self.collate(self.dataset.__getitems__(numbers)), len(numbers)
            samples = [self._sample(seed, position + k, i) for k, i in enumerate(numbers)]
            return self.collate(samples), len(numbers)

    def _sample(self, seed: int, position: int, number: Any) -> Any:
        with self._stream(seed, position, 0):
            return self.dataset[number]

    def _stream(self, *seeds: int) -> AbstractContextManager[None]:
        if self.seed_globals:
            seed, position, use = seeds
            random.seed(seed << 66 | position << 2 | use)
            np.random.seed([seed & 0xFFFFFFFF, seed >> 32, position & 0xFFFFFFFF, use])
        return stream(*seeds)

    def _next_of(self, samples: Iterator[Any], size: int | None) -> tuple[Any, int]:
        if size is None:
            return self.collate(next(samples)), 1
        found = list(islice(samples, size))
        if not found or (self.drop_last and len(found) < size):
            raise StopIteration
        return self.collate(found), len(found)


# -- the order of a pass -------------------------------------------------------------------------
@dataclass
class Progress:
    """Which batches of a pass have been handed out: the first ``batches``, and those in ``ahead``."""

    seed: int
    batches: int = 0
    ahead: set[int] = field(default_factory=set)
    generators: list[Any] = field(default_factory=list)  # their states when the pass began
    epochs: list[int] = field(default_factory=list)
    finished: bool = False

    def done(self, number: int) -> bool:
        return number < self.batches or number in self.ahead

    def mark(self, number: int) -> None:
        """This batch has been handed out."""
        self.ahead.add(number)
        while self.batches in self.ahead:
            self.ahead.remove(self.batches)
            self.batches += 1


def tasks(numbers: Iterable[Any], batched: bool, progress: Progress) -> Iterator[Task]:
    """What is left of a pass over these (lists of) sample numbers."""
    own = Generator()
    own.bits = np.random.Philox(np.random.SeedSequence((progress.seed, 0, 2)))
    own.numpy = np.random.Generator(own.bits)
    with _drawing_from(own):
        left = iter(numbers)
    number = position = 0
    while True:
        with _drawing_from(own):
            try:
                samples = next(left)
            except StopIteration:
                return
        if not progress.done(number):
            yield Task(number, position, samples)
        number += 1
        position += len(samples) if batched else 1


@contextmanager
def _drawing_from(own: Generator) -> Iterator[None]:
    """Inside, whoever draws from the default generator draws from this one.

    A sampler that draws in the middle of a pass then neither depends on what the program has drawn
    meanwhile nor changes what it will draw.
    """
    before = default_generator.bits, default_generator.numpy
    default_generator.bits, default_generator.numpy = own.bits, own.numpy
    try:
        yield
    finally:
        default_generator.bits, default_generator.numpy = before
