"""Batches of similar length: every index once, within limits, reproducible, less padding."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import sensorium as sn
from sensorium.errors import OptionError
from sensorium.text import BucketBatchSampler, length_sorted_batches

LENGTHS = st.lists(st.integers(0, 30), max_size=60)


@given(LENGTHS, st.integers(1, 9) | st.none(), st.integers(1, 60) | st.none(), st.booleans())
def test_every_index_once_within_the_limits(
    lengths: list[int], size: int | None, tokens: int | None, shuffle: bool
) -> None:
    if size is None and tokens is None:
        return
    sampler = BucketBatchSampler(lengths, size, max_tokens=tokens, shuffle=shuffle)
    for batches in (list(sampler), length_sorted_batches(lengths, size, max_tokens=tokens)):
        assert sorted(itertools.chain(*batches)) == list(range(len(lengths)))
        assert len(batches) == len(sampler)
        for batch in batches:
            padded = len(batch) * max(lengths[i] for i in batch)
            assert size is None or len(batch) <= size
            assert tokens is None or padded <= tokens or len(batch) == 1


def test_sorted_batches_go_from_long_to_short() -> None:
    lengths = [int(n) for n in np.random.default_rng(0).integers(1, 99, 100)]
    order = [lengths[i] for batch in length_sorted_batches(lengths, 7) for i in batch]
    assert order == sorted(lengths, reverse=True)


def test_one_seed_is_one_order_and_passes_differ() -> None:
    def passes(seed: int) -> list[list[list[int]]]:
        generator = sn.Generator().manual_seed(seed)
        sampler = BucketBatchSampler(list(range(100)), 8, generator=generator)
        return [list(sampler), list(sampler)]

    assert passes(1) == passes(1)
    assert passes(1) != passes(2)
    assert passes(1)[0] != passes(1)[1]


def test_batches_pad_far_less_than_random_ones() -> None:
    rng = np.random.default_rng(1)
    lengths = [int(n) for n in rng.integers(1, 200, 4000)]
    order = rng.permutation(4000).reshape(-1, 16).tolist()
    share = [
        sum(lengths) / sum(len(b) * max(lengths[i] for i in b) for b in batches)
        for batches in (order, list(BucketBatchSampler(lengths, 16)))
    ]
    # Random batches of 16 uniform lengths fill about 17/32 of their area.
    assert share[0] == pytest.approx(17 / 32, abs=0.02)
    assert share[1] > 0.97


def test_drop_last_leaves_out_the_short_batch() -> None:
    sampler = BucketBatchSampler([1] * 10, 4, drop_last=True)
    assert [len(batch) for batch in sampler] == [4, 4]
    assert len(sampler) == 2


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 0},
        {"batch_size": 2.0},
        {"batch_size": True},
        {"max_tokens": -1},
        {"max_tokens": 9, "drop_last": True},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        BucketBatchSampler([1, 2], **options)


def test_a_loader_takes_it_as_batch_sampler() -> None:
    lengths = [5, 1, 4, 2, 3]
    sampler = BucketBatchSampler(lengths, 2, shuffle=False)
    loader = sn.data.DataLoader(lengths, batch_sampler=sampler)
    assert [batch.tolist() for batch in loader] == [[5, 4], [3, 2], [1]]
