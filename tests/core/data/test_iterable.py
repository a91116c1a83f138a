"""Iterable datasets: shares, order over workers, lengths that are not true; beside PyTorch's."""

from __future__ import annotations

import multiprocessing
import sys

import numpy as np
import pytest

import sensorium as sn
from sensorium.data import ChainDataset, ConcatDataset, DataLoader, IterableDataset, get_worker_info

METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]


class Shared(IterableDataset):
    """Worker w of n gives w, w + n, ...; uneven shares, each number once."""

    def __init__(self, n, said=None):
        self.n, self.said = n, said

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        yield from range(first, self.n, step)

    def __len__(self):
        if self.said is None:
            raise TypeError("Shared has no length")
        return self.said


class Unshared(Shared):
    def __iter__(self):
        return iter(range(self.n))


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    assert multiprocessing.active_children() == []


def options_of(workers, method="fork"):
    return {"num_workers": workers, "multiprocessing_context": method} if workers else {}


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_every_sample_comes_once(workers, batch_size):
    for drop_last in (False, True) if batch_size else (False,):
        loader = DataLoader(Shared(11), batch_size, drop_last=drop_last, **options_of(workers))
        batches = list(loader)
        if batch_size is None:
            assert sorted(batches) == list(range(11))
            continue
        got = sorted(i for batch in batches for i in batch.tolist())
        if drop_last:
            assert all(len(b) == batch_size for b in batches)
            per = [len(range(w, 11, max(workers, 1))) for w in range(max(workers, 1))]
            assert len(batches) == sum(n // batch_size for n in per)
        else:
            assert got == list(range(11))


def test_spawned_workers_take_their_shares():
    loader = DataLoader(Shared(5), 2, num_workers=2, multiprocessing_context="spawn")
    assert [b.tolist() for b in loader] == [[0, 2], [1, 3], [4]]


@pytest.mark.parametrize("persistent", [False, True])
def test_passes_begin_anew(persistent):
    loader = DataLoader(Shared(7), 2, persistent_workers=persistent, **options_of(2))
    first, second = ([b.tolist() for b in loader] for _ in range(2))
    assert first == second == [[0, 2], [1, 3], [4, 6], [5]]
    next(iter(loader))  # abandoned
    assert [b.tolist() for b in loader] == first
    del loader


def test_a_chain_is_one_after_the_other_and_has_their_length():
    chain = Shared(2, 2) + ChainDataset([Shared(1, 1), Shared(3, 3)])
    assert list(chain) == [0, 1, 0, 0, 1, 2] and len(chain) == 6
    with pytest.raises(TypeError, match="ChainDataset: wants IterableDatasets, got list"):
        list(ChainDataset([[1]]))
    with pytest.raises(TypeError, match="ConcatDataset: Shared is an IterableDataset"):
        ConcatDataset([Shared(1)])
    with pytest.raises(TypeError, match="IterableDataset defines no __iter__"):
        iter(IterableDataset())


def test_lengths_and_the_warning_that_they_are_not_true():
    assert len(DataLoader(Shared(9, 9), 4)) == 3
    assert len(DataLoader(Shared(9, 9), 4, drop_last=True)) == 2
    assert len(DataLoader(Shared(9, 9), None)) == 9
    with pytest.raises(TypeError, match="no length"):
        len(DataLoader(Shared(9)))
    loader = DataLoader(Shared(9, 5), 4)
    assert len(list(DataLoader(Shared(9, 5), 4))) == 3  # nobody asked for the length
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="Shared reported a length of 5, but 8 samples have come"):
        assert len(list(loader)) == 3
    loader = DataLoader(Unshared(4, 4), 4, **options_of(2))
    assert len(loader) == 1
    with pytest.warns(UserWarning, match=r"each must give its share only \(get_worker_info\)"):
        assert len(list(loader)) == 2


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_an_iterable_dataset_has_no_other_order(options):
    with pytest.raises(ValueError, match="decides on its order itself"):
        DataLoader(Shared(3), **options)


def test_workers_draw_differently_and_repeatably():
    class Noise(IterableDataset):
        def __iter__(self):
            for _ in range(3):
                yield float(sn.rand(1)), np.random.rand()

    def draws():
        generator = sn.Generator().manual_seed(4)
        loader = DataLoader(Noise(), 1, generator=generator, **options_of(2))
        return [[v.item() for v in pair] for _ in range(2) for pair in loader]

    first = draws()
    assert draws() == first and len({v for pair in first for v in pair}) == 2 * 12


# -- PyTorch -------------------------------------------------------------------------------------
@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores
@pytest.mark.parametrize("workers", [0, 1, 3, 4])
@pytest.mark.parametrize(
    "options", [{"batch_size": 3}, {"batch_size": None}, {"batch_size": 2, "drop_last": True}]
)
def test_the_order_over_workers_is_pytorchs(workers, options):
    torch = pytest.importorskip("torch")

    def dataset_of(module):
        class Uneven(module.IterableDataset):
            def __iter__(self):
                info = module.get_worker_info()
                w = 0 if info is None else info.id
                return iter(range(100 * w, 100 * w + 1 + 5 * ((w * 2) % 3)))

        return Uneven()

    found = []
    for module in (sn.data, torch.utils.data):
        loader = module.DataLoader(dataset_of(module), **options, **options_of(workers))
        found.append([np.asarray(b).tolist() for b in loader])
    assert found[0] == found[1]


def test_the_modules_paths_are_pytorchs():
    from sensorium.utils import data
    from sensorium.utils.data import dataloader, dataset, distributed, sampler

    assert (
        data.DataLoader is sn.data.DataLoader is dataloader.DataLoader is sn.utils.data.DataLoader
    )
    assert dataset.IterableDataset is IterableDataset and sampler.Sampler is sn.data.Sampler
    assert distributed.DistributedSampler is sn.data.DistributedSampler
    assert sys.modules["sensorium.utils.data"] is data


@pytest.mark.peer
def test_every_public_name_of_pytorchs_is_there_but_the_pipes():
    torch = pytest.importorskip("torch")
    pipes = {
        "_DatasetKind",
        "DFIterDataPipe",
        "DataChunk",
        "IterDataPipe",
        "MapDataPipe",
        "argument_validation",
    }
    pipes |= {"functional_datapipe", "guaranteed_datapipes_determinism", "non_deterministic"}
    pipes |= {"runtime_validation", "runtime_validation_disabled"}
    from sensorium.utils import data

    assert set(torch.utils.data.__all__) - set(dir(data)) <= pipes
