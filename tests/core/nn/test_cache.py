"""Laws of KVCache: it returns everything it was given, in order, whatever the steps were."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import AutogradError, DTypeError, OutOfBoundsError, ShapeError
from sensorium.nn.cache import KVCache


def steps(lengths, n=2, heads=3, size=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, heads, length, size)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("lengths", [[1] * 70, [5, 0, 1, 40, 2, 1], [33], [64, 64, 1]])
def test_what_comes_back_is_all_that_went_in(lengths):
    cache, keys = KVCache(2), steps(lengths)
    for i, key in enumerate(keys):
        for layer in range(2):
            assert cache.length == sum(lengths[:i]), "grows with the last layer"
            k, v = cache.update(layer, sn.tensor(key + layer), sn.tensor(-key))
            expected = np.concatenate(keys[: i + 1], 2)
            np.testing.assert_array_equal(k.numpy(), expected + np.float32(layer))
            np.testing.assert_array_equal(v.numpy(), -expected)
    assert cache.length == sum(lengths)


def test_buffers_grow_by_doubling():
    cache, copies = KVCache(1), set()
    for _ in range(500):
        k, _ = cache.update(0, sn.ones(1, 1, 1, 2), sn.ones(1, 1, 1, 2))
        copies.add(k.array.base.shape)
    assert len(copies) <= 6, "one allocation for every power of two"


def test_keys_and_values_may_differ_in_size():
    k, v = KVCache(1).update(0, sn.ones(1, 2, 3, 4), sn.ones(1, 2, 3, 5))
    assert (k.shape[3], v.shape[3]) == (4, 5)


def test_reorder_picks_repeats_and_drops_sequences():
    cache, (first, second) = KVCache(1), steps([3, 2])
    cache.update(0, sn.tensor(first), sn.tensor(first))
    cache.reorder(sn.tensor([1, 0, 1]))
    key = np.concatenate([second, second[:1]])
    k, v = cache.update(0, sn.tensor(key), sn.tensor(key))
    expected = np.concatenate([first[[1, 0, 1]], key], 2)
    np.testing.assert_array_equal(k.numpy(), expected)
    np.testing.assert_array_equal(v.numpy(), expected)


def test_trim_forgets_the_end_and_later_updates_follow_there():
    cache, (first, second) = KVCache(1), steps([5, 2])
    cache.update(0, sn.tensor(first), sn.tensor(first))
    cache.trim(2)
    assert cache.length == 2
    k, _ = cache.update(0, sn.tensor(second), sn.tensor(second))
    np.testing.assert_array_equal(k.numpy(), np.concatenate([first[:, :, :2], second], 2))


def test_what_does_not_fit_is_named_and_leaves_the_cache_as_it_was():
    cache = KVCache(1)
    good = sn.ones(2, 3, 1, 4)
    cache.update(0, good, good)
    with pytest.raises(ShapeError, match=r"\(2, 3, 1, 4\), got \(1, 3, 1, 4\)"):
        cache.update(0, sn.ones(1, 3, 1, 4), sn.ones(1, 3, 1, 4))
    with pytest.raises(ShapeError, match="as many"):
        cache.update(0, good, sn.ones(2, 3, 2, 4))
    with pytest.raises(ShapeError, match=r"\(N, H, L, E\)"):
        KVCache(1).update(0, sn.ones(2, 3), sn.ones(2, 3))
    with pytest.raises(DTypeError, match="float32, got float64"):
        cache.update(0, good.double(), good.double())
    with pytest.raises(AutogradError, match="no_grad"):
        cache.update(0, good * sn.ones(1, requires_grad=True), good)
    with pytest.raises(OutOfBoundsError, match="layer 1"):
        cache.update(1, good, good)
    with pytest.raises(OutOfBoundsError, match="trim 1 positions to 2"):
        cache.trim(2)
    with pytest.raises(OutOfBoundsError, match="2 sequences"):
        cache.reorder([0, 2])
    with pytest.raises(ShapeError, match="integers"):
        cache.reorder([0.5])
    with pytest.raises(OutOfBoundsError, match="at least 1"):
        KVCache(0)
    assert cache.length == 1
