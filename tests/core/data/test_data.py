"""Datasets, samplers, collating, and the DataLoader in one process."""

from __future__ import annotations

import inspect
import pickle
from collections import Counter, OrderedDict, namedtuple

import numpy as np
import pytest

import sensorium as sn
from sensorium.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    RandomSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)  # fmt: skip


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return np.float32(i), i * i


# -- datasets ------------------------------------------------------------------------------------
def test_datasets_by_number():
    data = TensorDataset(sn.arange(4), sn.arange(4) * 2)
    assert len(data) == 4 and data[3][1].item() == 6
    joined = Squares(2) + ConcatDataset([Squares(3), Squares(1)])
    assert [joined[i][1] for i in range(len(joined))] == [0, 1, 0, 1, 4, 0] and joined[-2][1] == 4
    part = Subset(joined, [4, 1])
    assert [part[i][1] for i in range(len(part))] == [4, 1]
    with pytest.raises(IndexError, match="index 6 is out of range for 6 samples"):
        joined[6]
    with pytest.raises(ValueError, match=r"same first size, got \(2,\), \(3,\)"):
        TensorDataset(sn.ones(2), sn.ones(3))
    with pytest.raises(TypeError, match="Dataset defines no __getitem__"):
        Dataset()[0]


def test_random_split_is_a_partition_and_repeatable():
    def split(lengths):
        return random_split(range(10), lengths, sn.Generator().manual_seed(3))

    parts = split([3, 7])
    assert [len(p) for p in parts] == [3, 7]
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    assert parts[0].indices == split([3, 7])[0].indices
    assert [len(p) for p in split([0.35, 0.35, 0.3])] == [4, 3, 3]
    with pytest.raises(ValueError, match=r"lengths \[3, 3\] do not add up to 10 samples"):
        split([3, 3])


# -- samplers ------------------------------------------------------------------------------------
def test_random_samplers():
    assert sorted(RandomSampler(range(9))) == list(range(9))
    assert len(list(RandomSampler(range(4), num_samples=10))) == 10
    assert Counter(list(RandomSampler(range(4), num_samples=8))) == dict.fromkeys(range(4), 2)
    drawn = list(RandomSampler(range(4), replacement=True, num_samples=400))
    assert set(drawn) == set(range(4)) and len(drawn) == 400
    assert sorted(SubsetRandomSampler([7, 5, 3])) == [3, 5, 7]
    weighted = Counter(WeightedRandomSampler([1.0, 0.0, 3.0], 4000))
    assert 1 not in weighted and abs(weighted[2] / 4000 - 0.75) < 0.05
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    with pytest.raises(ValueError, match="num_samples must be a positive integer, got 0"):
        RandomSampler(range(3), num_samples=0)


def test_batches_of_a_sampler():
    assert list(BatchSampler(range(7), 3, True)) == [[0, 1, 2], [3, 4, 5]]
    assert len(BatchSampler(range(7), 3, True)) == 2 and len(BatchSampler(range(7), 3, False)) == 3
    with pytest.raises(ValueError, match="batch_size must be a positive integer, got 0"):
        BatchSampler(range(3), 0, True)


# -- collating -----------------------------------------------------------------------------------
def test_collating_by_kind():
    Point = namedtuple("Point", "x y")
    batch = default_collate(
        [{"a": (sn.ones(2), 1, 2.0), "p": Point(True, "s"), "n": np.int8(3)} for _ in range(3)]
    )
    image, label, value = batch["a"]
    assert image.shape == (3, 2) and label.dtype == sn.int64 and value.dtype == sn.float64
    assert isinstance(batch["p"], Point) and batch["p"].x.dtype == sn.bool_
    assert batch["p"].y == ("s", "s", "s")
    assert batch["n"].dtype == sn.int8
    ordered = default_collate([OrderedDict(z=1), OrderedDict(z=2)])
    assert isinstance(ordered, OrderedDict) and ordered["z"].tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"arrays of different shapes: \[\(2,\), \(3,\)\]"):
        default_collate([np.ones(2), np.ones(3)])
    with pytest.raises(ValueError, match=r"samples have different lengths: \[1, 2\]"):
        default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="got object"):
        default_collate([object()])
    converted = default_convert({"a": np.ones(2), "s": "text"})
    assert isinstance(converted["a"], sn.Tensor) and converted["s"] == "text"


# -- loader --------------------------------------------------------------------------------------
def numbers(loader):
    return [b[1].tolist() for b in loader]


def test_order_batches_and_lengths():
    assert numbers(DataLoader(Squares(5), 2)) == [[0, 1], [4, 9], [16]]
    loader = DataLoader(Squares(5), 2, drop_last=True)
    assert numbers(loader) == [[0, 1], [4, 9]] and len(loader) == 2
    assert numbers(DataLoader(Squares(5), sampler=[3, 1], batch_size=4)) == [[9, 1]]
    assert numbers(DataLoader(Squares(5), batch_sampler=[[3], [1, 0]])) == [[9], [1, 0]]
    single = list(DataLoader(Squares(2), batch_size=None))
    assert [s[1] for s in single] == [0, 1] and isinstance(single[0][0], sn.Tensor)
    assert list(DataLoader([1, 2], 2, collate_fn=tuple)) == [(1, 2)]
    assert get_worker_info() is None


def test_getitems_is_used_where_a_dataset_has_it():
    class Many(Squares):
        def __getitems__(self, indices):
            return [("many", i) for i in indices]

    assert next(iter(DataLoader(Many(4), 2)))[0] == ("many", "many")


def test_shuffling_is_a_new_permutation_every_pass_and_repeatable():
    def passes():
        loader = DataLoader(Squares(20), 3, shuffle=True, generator=sn.Generator().manual_seed(1))
        return [[v for b in numbers(loader) for v in b] for _ in range(2)]

    first, second = passes()
    assert sorted(first) == sorted(second) == [i * i for i in range(20)] and first != second
    assert passes() == [first, second]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"shuffle": True, "sampler": [0]}, "shuffle=True and a sampler"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler excludes"),
        ({"batch_size": None, "drop_last": True}, "drop_last wants batches"),
        ({"num_workers": -1}, "num_workers must be at least 0, got -1"),
        ({"timeout": 1}, "want num_workers > 0"),
        ({"timeout": -1, "num_workers": 1}, "timeout must be at least 0"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor must be at least 1, got 0"),
    ],
)
def test_options_that_contradict_each_other(options, match):
    with pytest.raises(ValueError, match=match):
        DataLoader(Squares(3), **options)


@pytest.mark.peer
@pytest.mark.parametrize(
    "options",
    [{}, {"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"sampler": [4, 0, 2]},
     {"batch_sampler": [[1, 2], [0]]}, {"batch_size": None}],
)  # fmt: skip
def test_order_and_kinds_are_pytorchs(options):
    torch = pytest.importorskip("torch")
    found = []
    for module in (sn.data, torch.utils.data):
        batches = []
        for x, y in module.DataLoader(Squares(7), **options):
            kind = str(x.dtype).removeprefix("torch.")
            batches.append((kind, np.asarray(x).tolist(), np.asarray(y).tolist()))
        found.append(batches)
    assert found[0] == found[1]


@pytest.mark.peer
def test_random_split_lengths_are_pytorchs():
    torch = pytest.importorskip("torch")
    for shares in ([0.5, 0.5], [0.33, 0.33, 0.34], [0.1] * 10, [3, 4, 4]):
        ours = [len(p) for p in random_split(range(11), shares)]
        assert ours == [len(p) for p in torch.utils.data.random_split(range(11), shares)]


# -- datasets made of others, many samples at once -----------------------------------------------
class ManySquares(Squares):
    """Counts how often it was asked for many at once."""

    asked = 0

    def __getitems__(self, indices):
        self.asked += 1
        return [(np.float32(i), i * i) for i in indices]


def test_stacked_datasets():
    assert StackDataset(Squares(3), "abc")[2] == ((2, 4), "c")
    named = StackDataset(x=Squares(3), y="abc")
    assert named[1] == {"x": (1, 1), "y": "b"} and len(named) == 3
    assert named.__getitems__([2, 0])[0] == {"x": (2, 4), "y": "c"}
    with pytest.raises(ValueError, match=r"must have the same length, got \[3, 2\]"):
        StackDataset(Squares(3), "ab")
    for args, kwargs in [((), {}), (("a",), {"b": "b"})]:
        with pytest.raises(ValueError, match=f"got {len(args)} by place and {len(kwargs)} by name"):
            StackDataset(*args, **kwargs)


@pytest.mark.parametrize(
    "made",
    [
        lambda many: Subset(many, [5, 1, 4, 0]),
        lambda many: ConcatDataset([Squares(2), many, Squares(1)]),
        lambda many: StackDataset(many, Squares(6)),
        lambda many: Subset(ConcatDataset([many, Squares(3)]), [7, 0, 5, 2]),
        lambda many: StackDataset(a=Subset(many, [0, 1]), b="ab"),
    ],
)
def test_many_at_once_are_the_same_as_one_by_one(made):
    many = ManySquares(6)
    data = made(many)
    order = list(range(len(data)))[::-1]
    assert data.__getitems__(order) == [data[i] for i in order]
    asked = many.asked
    assert len(list(DataLoader(data, 3))) == -(-len(data) // 3) and many.asked > asked


def test_datasets_made_of_others_keep_each_samples_random_numbers():
    class Draws(Squares):
        def __getitem__(self, i):
            return float(sn.rand(1))

    def drawn(data, size):
        generator = sn.Generator().manual_seed(3)
        return [v for b in DataLoader(data, size, generator=generator) for v in b.tolist()]

    assert drawn(Subset(Draws(6), range(6)), 4) == drawn(Draws(6), 2) == drawn(Draws(6), 6)


def test_a_subset_with_samples_of_its_own_is_asked_for_them():
    class Doubled(Subset):
        def __getitem__(self, i):
            return 2 * super().__getitem__(i)

    assert Doubled([1, 2, 3], [2, 0]).__getitems__([0, 1]) == [6, 2]
    assert next(iter(DataLoader(Doubled(range(4), [3, 1]), 2))).tolist() == [6, 2]


def test_wrong_answers_and_lengths_are_named():
    class Short(Squares):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match=r"Short.__getitems__: want 2 samples, got 1"):
        Subset(Short(3), [0, 1]).__getitems__([0, 1])
    with pytest.warns(UserWarning, match=r"part 1, a share of 0.0\d+, has none of 3 samples"):
        random_split(range(3), [0.99, 0.01])


# -- more samplers -------------------------------------------------------------------------------
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("n", "replicas"), [(10, 3), (9, 3), (2, 5), (1, 4), (0, 2)])
def test_ranks_share_what_there_is(n, replicas, drop_last):
    parts = []
    for rank in range(replicas):
        sampler = DistributedSampler(range(n), replicas, rank, drop_last=drop_last, seed=1)
        parts.append(list(sampler))
        assert len(parts[-1]) == len(sampler) == sampler.num_samples
    everything = Counter(i for part in parts for i in part)
    if drop_last:
        assert max(everything.values(), default=1) == 1
        assert sum(everything.values()) == n // replicas * replicas
    else:
        assert set(everything) == set(range(n))


def test_epochs_change_the_order_of_all_ranks_alike(monkeypatch):
    def order(epoch, seed=0):
        sampler = DistributedSampler(range(20), 1, 0, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0) == order(0) != order(1) == order(0, seed=1)
    with pytest.raises(ValueError, match=r"rank must lie in \[0, 1\] for 2 replicas, got 2"):
        DistributedSampler(range(3), 2, 2)
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="RANK is ''"):
        DistributedSampler(range(3))
    monkeypatch.setenv("RANK", "1")
    assert list(DistributedSampler(range(4), shuffle=False)) == [1, 3]


def test_samplers_refuse_what_they_cannot_do():
    with pytest.raises(TypeError, match="replacement must be True or False, got 1"):
        RandomSampler(range(3), replacement=1)
    with pytest.raises(ValueError, match="got a dataset of length 0"):
        DataLoader([], shuffle=True)
    with pytest.raises(ValueError, match="replacement must be True or False, got 'no'"):
        WeightedRandomSampler([1.0], 1, "no")
    with pytest.raises(ValueError, match="drop_last must be True or False, got 'yes'"):
        BatchSampler([0], 1, "yes")


# -- the loader's own attributes -----------------------------------------------------------------
def test_what_a_loader_is_made_of_stays():
    loader = DataLoader(Squares(4), 2, num_workers=1, pin_memory=True, pin_memory_device="cpu")
    for name in ("batch_size", "sampler", "batch_sampler", "drop_last", "dataset"):
        with pytest.raises(ValueError, match=f"{name} cannot change after the loader is made"):
            setattr(loader, name, None)
    assert loader.prefetch_factor == 2 and DataLoader([1]).prefetch_factor is None
    copy = pickle.loads(pickle.dumps(DataLoader(Squares(4), 2)))
    assert numbers(copy) == [[0, 1], [4, 9]]


@pytest.mark.peer
def test_arguments_and_defaults_are_pytorchs():
    torch = pytest.importorskip("torch")
    for name in (
        "DataLoader", "Subset", "ConcatDataset", "ChainDataset", "StackDataset", "TensorDataset",
        "random_split", "SequentialSampler", "RandomSampler", "SubsetRandomSampler",
        "WeightedRandomSampler", "BatchSampler", "DistributedSampler", "default_collate",
        "default_convert",
    ):  # fmt: skip
        ours, theirs = (
            inspect.signature(getattr(m, name)).parameters for m in (sn.data, torch.utils.data)
        )
        assert list(ours) == list(theirs), name
        for key, parameter in theirs.items():
            if name != "random_split" or key != "generator":  # None is the default generator
                assert ours[key].default == parameter.default, (name, key)
            assert ours[key].kind == parameter.kind, (name, key)


@pytest.mark.peer
def test_shares_without_shuffling_are_pytorchs():
    torch = pytest.importorskip("torch")
    for n in (1, 2, 7, 12):
        for replicas in (1, 2, 5):
            for rank in range(replicas):
                for drop in (False, True):
                    options = {"shuffle": False, "drop_last": drop}
                    found = [
                        list(m.DistributedSampler(range(n), replicas, rank, **options))
                        for m in (sn.data, torch.utils.data)
                    ]
                    assert found[0] == found[1]


@pytest.mark.peer
@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True, "sampler": [0]},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"multiprocessing_context": "fork"},
        {"multiprocessing_context": "thread", "num_workers": 1},
        {"multiprocessing_context": 3, "num_workers": 1},
        {"batch_size": 0},
        {"batch_size": 2.0},
    ],
)
def test_what_pytorch_refuses_is_refused_with_the_same_class(options):
    torch = pytest.importorskip("torch")
    with pytest.raises((ValueError, TypeError)) as theirs:
        torch.utils.data.DataLoader(Squares(3), **options)
    with pytest.raises(theirs.type):
        DataLoader(Squares(3), **options)
