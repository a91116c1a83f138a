"""Resuming in the middle of a pass: exactly what was left, shuffling and random numbers included."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

import sensorium as sn
from sensorium.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from sensorium.errors import StateDictError

N = 10


class Augmented(Dataset):
    """The number of a sample and what it draws."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        return i, float(sn.rand(1))


class AugmentedByAll(Augmented):
    def __getitem__(self, i):
        return i, random.random() + np.random.rand() + float(sn.rand(1))


def lists(batches):
    return [[part.tolist() for part in batch] for batch in batches]


def workers_of(n):
    return {"num_workers": n, "multiprocessing_context": "fork"} if n else {}


ORDERS = {
    "shuffle": lambda: {"shuffle": True},
    "own generator": lambda: {"shuffle": True, "generator": sn.Generator().manual_seed(2)},
    "longer than the data": lambda: {"sampler": RandomSampler(range(N), num_samples=25)},
    "replacement": lambda: {
        "sampler": RandomSampler(range(N), True, 25, sn.Generator().manual_seed(7))
    },
    "subset": lambda: {"sampler": SubsetRandomSampler(range(3, 9))},
    "weighted": lambda: {"sampler": WeightedRandomSampler([1.0] * N, 12)},
    "distributed": lambda: {"sampler": DistributedSampler(range(N), 1, 0)},
    "lists": lambda: {"batch_sampler": [[1, 2, 3], [4], [5, 0], [9]], "batch_size": 1},
    "one by one": lambda: {"batch_size": None, "sampler": RandomSampler(range(N))},
}


@pytest.mark.parametrize("stop", [0, 1, 2, 3, 99])
@pytest.mark.parametrize("order", ORDERS)
def test_a_resumed_pass_gives_what_was_left(order, stop):
    def made():
        return DataLoader(Augmented(), **{"batch_size": 3, **ORDERS[order]()})

    one = lists if order != "one by one" else lambda batches: [list(map(float, b)) for b in batches]
    sn.manual_seed(5)
    loader, other = made(), made()
    list(loader)  # a pass before
    batches = iter(loader)
    for _ in range(min(stop, len(loader))):
        next(batches)
    sn.rand(7)  # the program draws too, which changes nothing
    state, rng = loader.state_dict(), sn.get_rng_state()
    rest, again = one(batches), one(loader)
    assert len(rest) == max(len(loader) - stop, 0)
    sn.set_rng_state(rng)
    other.load_state_dict(state)
    assert one(other) == rest
    assert one(other) == again  # and so does the pass after it


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_the_number_of_workers_may_change(before, after):
    loader = DataLoader(Augmented(), 2, shuffle=True, **workers_of(before))
    batches = iter(loader)
    first = [next(batches), next(batches)]
    state, rest = loader.state_dict(), lists(batches)
    other = DataLoader(Augmented(), 2, shuffle=True, **workers_of(after))
    other.load_state_dict(state)
    assert lists(other) == rest
    assert sorted(i for b in lists(first) + rest for i in b[0]) == list(range(N))


def test_all_generators_of_workers_are_resumed():
    loader = DataLoader(AugmentedByAll(), 3, **workers_of(2))
    batches = iter(loader)
    next(batches)
    state, rest = loader.state_dict(), lists(batches)
    other = DataLoader(AugmentedByAll(), 3, **workers_of(1))
    other.load_state_dict(state)
    assert lists(other) == rest


def test_without_order_the_batches_that_came_do_not_come_again():
    class Slow(Augmented):
        def __getitem__(self, i):
            if i == 0:
                import time

                time.sleep(0.4)
            return i

    loader = DataLoader(Slow(), 1, in_order=False, **workers_of(2))
    batches = iter(loader)
    came = [next(batches).item() for _ in range(4)]
    assert 0 not in came
    state = loader.state_dict()
    left = sorted(b.item() for b in batches)
    assert state["batches"] == 0 and sorted(came + left) == list(range(N))
    other = DataLoader(Slow(), 1)
    other.load_state_dict(state)
    assert sorted(b.item() for b in other) == left


def test_the_state_is_plain_data():
    loader = DataLoader(Augmented(), 2, shuffle=True, generator=sn.Generator().manual_seed(1))
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = lists(batches)
    text = json.dumps({**state, "generators": [g.tolist() for g in state["generators"]]})
    read = json.loads(text)
    read["generators"] = [sn.tensor(g, dtype=sn.uint8) for g in read["generators"]]
    other = DataLoader(Augmented(), 2, shuffle=True, generator=sn.Generator())
    other.load_state_dict(read)
    assert other.state_dict()["batches"] == 1
    assert lists(other) == rest


def test_epochs_of_samplers_come_back():
    sampler = DistributedSampler(range(N), 2, 1)
    loader = DataLoader(Augmented(), 2, sampler=sampler)
    sampler.set_epoch(4)
    batches = iter(loader)
    next(batches)
    state, rest = loader.state_dict(), lists(batches)
    other = DataLoader(Augmented(), 2, sampler=DistributedSampler(range(N), 2, 1))
    other.load_state_dict(state)
    assert lists(other) == rest


def test_states_that_do_not_fit():
    loader = DataLoader(Augmented(), 2)
    state = loader.state_dict()
    with pytest.raises(StateDictError, match="with samples 10, this one has 3"):
        DataLoader([1, 2, 3], 2).load_state_dict(state)
    with pytest.raises(StateDictError, match="with batch_size 2, this one has 5"):
        DataLoader(Augmented(), 5).load_state_dict(state)
    with pytest.raises(
        StateDictError, match="want a loader's state of version 1, got version None"
    ):
        loader.load_state_dict({"epoch": 1})
    with pytest.raises(StateDictError, match="generators 0, this one has 1"):
        DataLoader(Augmented(), 2, generator=sn.Generator()).load_state_dict(state)

    class Endless(IterableDataset):
        def __iter__(self):
            yield 1

    with pytest.raises(ValueError, match="Endless is an IterableDataset"):
        DataLoader(Endless()).state_dict()
