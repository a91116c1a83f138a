"""A seed gives the same augmented samples whatever process makes them."""

import multiprocessing

import numpy as np
import pytest

import sensorium as sn
from sensorium.data import DataLoader, Dataset
from sensorium.vision import transforms as T


class Images(Dataset):
    """The same image over and over, augmented."""

    def __init__(self, n):
        self.n = n
        self.transform = T.Compose(
            [
                T.RandomResizedCrop(6),
                T.RandomHorizontalFlip(),
                T.ColorJitter(0.4),
                T.RandomErasing(),
            ]
        )

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        x = np.linspace(0, 1, 3 * 16 * 16, dtype=np.float32).reshape(3, 16, 16)
        return self.transform(x), i


def samples(workers, context=None, *, seed=3, shuffle=True, batch_size=4, passes=1):
    sn.manual_seed(seed)
    options = {"multiprocessing_context": context} if workers else {}
    loader = DataLoader(Images(10), batch_size, shuffle, num_workers=workers, **options)
    batches = [batch for _ in range(passes) for batch in loader]
    images = np.concatenate([x.numpy() for x, _ in batches])
    return images, [int(i) for _, y in batches for i in y]


def contexts():
    found = multiprocessing.get_all_start_methods()
    return [name for name in ("fork", "spawn") if name in found]


@pytest.mark.parametrize("workers,context", [(1, "spawn"), *((2, c) for c in contexts())])
def test_any_number_of_workers_makes_the_same_samples_in_the_same_order(workers, context):
    want, order = samples(0)
    got, same_order = samples(workers, context)
    assert order == same_order and sorted(order) == list(range(10))
    assert np.array_equal(got, want)


def test_the_batch_size_does_not_matter():
    want, order = samples(0)
    got, same_order = samples(0, batch_size=3)
    assert order == same_order and np.array_equal(got, want)


def test_samples_passes_and_seeds_differ():
    images, _ = samples(0, passes=2)
    assert len({image.tobytes() for image in images}) == 20
    other, _ = samples(0, seed=4)
    assert not np.array_equal(other, images[:10])


def test_the_default_generator_goes_on_as_if_no_sample_had_been_made():
    sn.manual_seed(1)
    loader = DataLoader(Images(4), 2)
    batches = iter(loader)
    after = sn.get_rng_state().numpy().tolist()
    assert len(list(batches)) == 2
    assert sn.get_rng_state().numpy().tolist() == after
