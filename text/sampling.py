"""Batches of texts of similar length: less padding, more text.

``length_sorted_batches`` is for inference, where the order does not matter; ``BucketBatchSampler`` for
training, where it must stay random. The successors of torchtext's BucketIterator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sensorium.data import Sampler
from sensorium.errors import OptionError
from sensorium.generator import Generator
from sensorium.random import randperm

_POOL = 100  # batches that are sorted together; larger pads less, smaller mixes better


def length_sorted_batches(
    lengths: Sequence[int], batch_size: int | None = None, *, max_tokens: int | None = None
) -> list[list[int]]:
    """Every index once, longest texts first, so that a batch too large for memory is the first.

    At most batch_size texts a batch, at most max_tokens tokens a batch with its padding, or both; a
    text longer than max_tokens is a batch of its own.

    >>> length_sorted_batches([3, 9, 4, 8], 2)
    [[1, 3], [2, 0]]
    >>> length_sorted_batches([3, 9, 4, 8], max_tokens=9)
    [[1], [3], [2, 0]]
    """
    _check("length_sorted_batches", batch_size, max_tokens)
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return _cut(order, lengths, batch_size, max_tokens)


def _check(name: str, batch_size: int | None, max_tokens: int | None) -> None:
    if batch_size is None and max_tokens is None:
        raise OptionError(f"{name}: give batch_size, max_tokens, or both")
    for option, value in (("batch_size", batch_size), ("max_tokens", max_tokens)):
        wrong = isinstance(value, bool) or not isinstance(value, int) or value < 1
        if value is not None and wrong:
            raise OptionError(f"{name}: {option} must be a positive integer, got {value!r}")


def _cut(
    order: Sequence[int], lengths: Sequence[int], batch_size: int | None, max_tokens: int | None
) -> list[list[int]]:
    """order, longest first, in batches: the first text of a batch says how wide it is."""
    batches: list[list[int]] = []
    for i in order:
        batch = batches[-1] if batches else []
        full = batch_size is not None and len(batch) == batch_size
        if batch and max_tokens is not None:
            full = full or (len(batch) + 1) * lengths[batch[0]] > max_tokens
        if full or not batch:
            batches.append([i])
        else:
            batch.append(i)
    return batches


class BucketBatchSampler(Sampler):
    """Every index once, in random batches of texts of similar length; for ``batch_sampler``.

    With batch_size, a random order is cut into pools of 100 batches and each pool is sorted by
    length. With max_tokens (tokens of a batch with its padding) all texts are sorted, texts of one
    length in random order. Then the batches are shuffled. shuffle=False: the order of
    ``length_sorted_batches``. drop_last leaves out a last batch short of batch_size.

    >>> batches = BucketBatchSampler([5, 1, 4, 2], 2, shuffle=False)
    >>> list(batches), len(batches)
    ([[0, 2], [3, 1]], 2)
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int | None = None,
        *,
        max_tokens: int | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        _check("BucketBatchSampler", batch_size, max_tokens)
        if drop_last and max_tokens is not None:
            raise OptionError("BucketBatchSampler: drop_last goes with batch_size alone")
        self.lengths = [int(length) for length in lengths]
        self.batch_size, self.max_tokens = batch_size, max_tokens
        self.shuffle, self.drop_last, self.generator = shuffle, drop_last, generator

    def __len__(self) -> int:
        # Where the batches end depends on the lengths alone, not on the random order.
        return len(self._batches(list(range(len(self.lengths)))))

    def __iter__(self) -> Iterator[list[int]]:
        if not self.shuffle:
            yield from self._batches(list(range(len(self.lengths))))
            return
        batches = self._batches(self._random(len(self.lengths)))
        for i in self._random(len(batches)):
            yield batches[i]

    def _random(self, n: int) -> list[int]:
        return [int(i) for i in randperm(n, generator=self.generator).tolist()]

    def _batches(self, order: list[int]) -> list[list[int]]:
        """The batches of an order of all texts."""
        pool = len(order)
        if self.shuffle and self.batch_size is not None and self.max_tokens is None:
            pool = _POOL * self.batch_size
        batches: list[list[int]] = []
        for start in range(0, len(order), max(pool, 1)):
            chosen = sorted(order[start : start + pool], key=lambda i: -self.lengths[i])
            batches += _cut(chosen, self.lengths, self.batch_size, self.max_tokens)
        if self.drop_last:
            batches = [batch for batch in batches if len(batch) == self.batch_size]
        return batches
