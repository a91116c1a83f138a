"""DistributedSampler: each of several processes visits its share of a dataset."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

from ..errors import OpError, OutOfBoundsError
from ..generator import Generator
from ..random import randperm
from .sampler import Sampler


class DistributedSampler(Sampler):
    """Numbers rank, rank + num_replicas, ... of an order that is the same in all processes.

    The order is random (by seed + epoch, so ``set_epoch`` changes it) or, without shuffle,
    ascending. So that all get equally many, its beginning is repeated at its end, or with drop_last
    its end left out. num_replicas and rank are by default the environment's WORLD_SIZE and RANK, as
    launchers set them. Shuffled orders are not PyTorch's: the generators differ.

    >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        replicas = _from_environment("WORLD_SIZE") if num_replicas is None else num_replicas
        rank = _from_environment("RANK") if rank is None else rank
        if not 0 <= rank < replicas:
            raise _RankError(
                f"DistributedSampler: rank must lie in [0, {replicas - 1}] for {replicas} "
                f"replicas, got {rank}"
            )
        self.dataset, self.num_replicas, self.rank = dataset, replicas, rank
        self.epoch, self.shuffle, self.seed, self.drop_last = 0, shuffle, seed, drop_last
        n = len(dataset)
        self.num_samples = n // replicas if drop_last else math.ceil(n / replicas)
        self.total_size = self.num_samples * replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = list(range(n))
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            order = randperm(n, generator=generator).tolist()
        if n:
            order = order * math.ceil(self.total_size / n)
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Another order, the same in all processes; call it before each pass."""
        self.epoch = epoch


class _RankError(OutOfBoundsError, ValueError):
    """A rank that is not there. ValueError, as in PyTorch."""


def _from_environment(name: str) -> int:
    text = os.environ.get(name, "")
    if not text.isdecimal():
        raise OpError(
            f"DistributedSampler: num_replicas and rank must be given where the environment has no "
            f"WORLD_SIZE and RANK; {name} is {text!r}"
        )
    return int(text)
