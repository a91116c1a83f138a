"""Datasets: samples by number, or one after the other; and datasets made of others.

Those made of others have ``__getitems__`` (many samples at once) as well; the data loader uses it
where one of their parts has it.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from types import GenericAlias
from typing import Any

from ..errors import OptionError, OutOfBoundsError, ShapeError
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

    __class_getitem__: Any = classmethod(GenericAlias)  # Dataset[Tensor], for those who annotate

    def __getitem__(self, index: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no __getitem__()")

    def __add__(self, other: Any) -> Any:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Samples one after the other: a subclass defines ``__iter__``.

    In a worker, ``get_worker_info`` tells which of how many it is, so that each gives a share.

    >>> from sensorium.data import DataLoader, get_worker_info
    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         info = get_worker_info()
    ...         first, step = (0, 1) if info is None else (info.id, info.num_workers)
    ...         return iter([3, 2, 1][first::step])
    >>> [batch.tolist() for batch in DataLoader(Countdown() + Countdown(), batch_size=4)]
    [[3, 2, 1, 3], [2, 1]]
    """

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{type(self).__name__} defines no __iter__()")

    def __add__(self, other: Any) -> Any:
        return ChainDataset([self, other])


def fetches_many(dataset: Any) -> bool:
    """Whether asking a dataset for many samples at once is more than asking for each."""
    made_of = getattr(dataset, "_parts", None)
    if made_of is not None:
        return any(fetches_many(part) for part in made_of())
    return callable(getattr(dataset, "__getitems__", None))


def _many(dataset: Any, indices: list[Any]) -> list[Any]:
    """The samples with these numbers, at once if the dataset can."""
    if not fetches_many(dataset):
        return [dataset[i] for i in indices]
    samples = list(dataset.__getitems__(indices))
    if len(samples) != len(indices):
        raise ShapeError(
            f"{type(dataset).__name__}.__getitems__: want {len(indices)} samples, got {len(samples)}"
        )
    return samples


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
    """The samples of dataset with these numbers, in this order.

    >>> Subset("abcd", [3, 0]).__getitems__([0, 1])
    ['d', 'a']
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        if type(self).__getitem__ is not Subset.__getitem__:  # a subclass has its own samples
            return [self[i] for i in indices]
        return _many(self.dataset, [self.indices[i] for i in indices])

    def _parts(self) -> list[Any]:
        return [self.dataset] if type(self).__getitem__ is Subset.__getitem__ else []

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Datasets one after the other.

    >>> ConcatDataset(["ab", "cd"]).__getitems__([3, 0, -2])
    ['d', 'a', 'c']
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ShapeError("ConcatDataset: want at least one dataset, got none")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise OptionError(
                    f"ConcatDataset: {type(dataset).__name__} is an IterableDataset, which has no "
                    "sample numbers; use ChainDataset"
                )
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def _place(self, index: int) -> tuple[int, int]:
        """Which dataset, and the number in it."""
        if not -len(self) <= index < len(self):
            raise OutOfBoundsError(
                f"ConcatDataset: index {index} is out of range for {len(self)} samples"
            )
        index %= len(self)
        which = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return which, index - before

    def __getitem__(self, index: int) -> Any:
        which, number = self._place(index)
        return self.datasets[which][number]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        places = [self._place(i) for i in indices]
        samples: list[Any] = [None] * len(indices)
        for which in sorted({place[0] for place in places}):
            rows = [k for k, place in enumerate(places) if place[0] == which]
            for k, sample in zip(rows, _many(self.datasets[which], [places[k][1] for k in rows])):
                samples[k] = sample
        return samples

    def _parts(self) -> list[Any]:
        return self.datasets


class StackDataset(Dataset):
    """Datasets side by side: sample i is the tuple, or with names the dict, of their samples i.

    >>> StackDataset("ab", [1, 2])[1], StackDataset(letter="ab", number=[1, 2])[0]
    (('b', 2), {'letter': 'a', 'number': 1})
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ShapeError(
                "StackDataset: want datasets either by place or by name, got "
                f"{len(args)} by place and {len(kwargs)} by name"
            )
        self.datasets: Any = args or kwargs
        sizes = [len(part) for part in self._parts()]
        if len(set(sizes)) > 1:
            raise ShapeError(f"StackDataset: datasets must have the same length, got {sizes}")
        self._length = sizes[0]

    def _parts(self) -> list[Any]:
        named = isinstance(self.datasets, dict)
        return list(self.datasets.values() if named else self.datasets)

    def _sample(self, parts: Iterable[Any]) -> Any:
        return dict(zip(self.datasets, parts)) if isinstance(self.datasets, dict) else tuple(parts)

    def __getitem__(self, index: Any) -> Any:
        return self._sample([part[index] for part in self._parts()])

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        return [self._sample(row) for row in zip(*(_many(p, indices) for p in self._parts()))]

    def __len__(self) -> int:
        return self._length


class ChainDataset(IterableDataset):
    """Iterable datasets one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _links(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise OptionError(
                    f"ChainDataset: wants IterableDatasets, got {type(dataset).__name__}; use "
                    "ConcatDataset"
                )
            yield dataset

    def __iter__(self) -> Iterator[Any]:
        for dataset in self._links():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._links())


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset]:
    """dataset in random order, cut into parts of these lengths, or shares that add up to 1.

    >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)
    shares = math.isclose(sum(lengths), 1) and sum(lengths) <= 1
    counts = _counts(n, lengths) if shares else lengths
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
    for i, count in enumerate(counts):
        if count == 0:
            warnings.warn(
                f"random_split: part {i}, a share of {shares[i]}, has none of {n} samples",
                stacklevel=3,
            )
    return counts
