"""Datasets: samples by number. Dataset, TensorDataset, Subset, ConcatDataset, random_split."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from ..errors import OutOfBoundsError, ShapeError
from ..generator import Generator
from ..random import randperm
from ..tensor import Tensor


class Dataset:
    """Samples by number: a subclass defines ``__getitem__`` and ``__len__``.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, i):
    ...         return i * i
    >>> joined = Squares() + Squares()
    >>> [joined[i] for i in range(len(joined))]
    [0, 1, 4, 0, 1, 4]
    """

    def __getitem__(self, index: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no __getitem__()")

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Sample i is (t[i] for each tensor t); all have the same first size.

    >>> import sensorium as sn
    >>> TensorDataset(sn.tensor([1, 2]), sn.tensor([3, 4]))[1]
    (tensor(2), tensor(4))
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors or len({t.shape[0] for t in tensors}) != 1:
            raise ShapeError(
                "TensorDataset: tensors must have the same first size, got "
                f"{', '.join(str(tuple(t.shape)) for t in tensors) or 'none'}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Subset(Dataset):
    """The samples of dataset with these numbers, in this order."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Datasets one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ShapeError("ConcatDataset: want at least one dataset, got none")
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise OutOfBoundsError(
                f"ConcatDataset: index {index} is out of range for {len(self)} samples"
            )
        index %= len(self)
        which = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset]:
    """dataset in random order, cut into parts of these lengths, or shares that add up to 1.

    >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)
    counts = _counts(n, lengths) if math.isclose(sum(lengths), 1) and sum(lengths) <= 1 else lengths
    if sum(counts) != n or min(counts, default=0) < 0:
        raise ShapeError(f"random_split: lengths {list(lengths)} do not add up to {n} samples")
    order = randperm(n, generator=generator).tolist()
    ends = list(accumulate(int(c) for c in counts))
    return [Subset(dataset, order[e - int(c) : e]) for e, c in zip(ends, counts)]


def _counts(n: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers of samples; what rounding down leaves goes to the first parts, one each."""
    if any(not 0 <= share <= 1 for share in shares):
        raise ShapeError(f"random_split: shares must lie in [0, 1], got {list(shares)}")
    counts = [math.floor(n * share) for share in shares]
    for i in range(n - sum(counts)):
        counts[i % len(counts)] += 1
    return counts
