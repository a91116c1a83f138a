"""Packed weights are never stale: writes, views, exposure, death, threads."""

from __future__ import annotations

import gc
import mmap
import threading

import numpy as np
import pytest

from sensorium.backends.cpu import onednn, prepack

pytestmark = pytest.mark.skipif(not onednn.available(), reason=onednn.why_not())


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def normal(rng, *shape):
    return rng.standard_normal(shape, np.float32)


def conv_1x1(x, w):
    return onednn.conv_forward(x, w, None, (1, 1), (0, 0), (1, 1), 1)


@pytest.fixture
def weight(rng):
    return normal(rng, 32, 32, 1, 1), normal(rng, 1, 32, 4, 4)


def fresh(x, w):
    """What a weight that was never seen before gives."""
    return conv_1x1(x, w.copy())


def test_a_write_to_the_weight_is_seen(weight):
    w, x = weight
    conv_1x1(x, w)
    w += 1
    onednn.written(w)
    assert np.array_equal(conv_1x1(x, w), fresh(x, w))


def test_a_write_through_any_view_is_seen(weight):
    w, x = weight
    flat = w.reshape(-1)
    for view in (flat[5:9], w[3], w.T, flat[::-1][:2], np.asarray(memoryview(w))):
        conv_1x1(x, w)
        view += 1
        onednn.written(view)
        assert np.array_equal(conv_1x1(x, w), fresh(x, w))


def test_a_write_to_the_owner_is_seen_by_its_views(rng):
    flat, x = normal(rng, 2048), normal(rng, 1, 32, 4, 4)
    w = flat[1024:].reshape(32, 32, 1, 1)
    conv_1x1(x, w)
    flat *= 3
    onednn.written(flat)
    assert np.array_equal(conv_1x1(x, w), fresh(x, w))


def test_exposed_memory_is_never_kept(weight):
    w, x = weight
    conv_1x1(x, w)
    before = prepack.kept()
    onednn.exposed(w.reshape(-1)[:3])
    assert prepack.kept() == before - 1
    conv_1x1(x, w)
    w += 1  # nobody tells
    assert np.array_equal(conv_1x1(x, w), fresh(x, w))
    assert prepack.kept() == before - 1


def test_what_dies_takes_its_packed_copies_with_it(rng):
    gc.collect()
    x, before = normal(rng, 1, 32, 4, 4), prepack.kept()
    for _ in range(5):  # a new array may get the same address and id
        w = normal(rng, 32, 32, 1, 1)
        assert np.array_equal(conv_1x1(x, w), fresh(x, w))
        del w
    assert prepack.kept() == before


def test_two_weights_in_one_buffer_are_told_apart(rng):
    buffer, x = normal(rng, 2, 32, 32, 1, 1), normal(rng, 1, 32, 4, 4)
    first, second = conv_1x1(x, buffer[0]), conv_1x1(x, buffer[1])
    assert np.array_equal(first, fresh(x, buffer[0]))
    assert np.array_equal(second, fresh(x, buffer[1]))
    transposed = buffer[0].transpose(1, 0, 2, 3)  # same address, other strides
    assert np.array_equal(conv_1x1(x, transposed), fresh(x, transposed))


def test_a_write_while_packing_leaves_nothing_behind(rng):
    w = normal(rng, 4)

    def make(array):
        packed = array.copy()
        array += 1
        onednn.written(array)
        return packed

    prepack.packed(w, "test", make)
    assert np.array_equal(prepack.packed(w, "test", np.copy), w)


def test_mapped_memory_is_kept_for_its_map_and_unwatchable_memory_not_at_all(rng):
    with mmap.mmap(-1, 4096) as pages:
        one, two = np.frombuffer(pages, np.float32), np.frombuffer(pages, np.float32)
        prepack.packed(one, "test", np.copy)
        two[0] = 7
        onednn.written(two)  # another root array over the same map
        assert prepack.packed(one, "test", np.copy)[0] == 7
        onednn.written(one)
        del one, two
        gc.collect()
    raw = bytearray(16)
    array, before = np.frombuffer(raw, np.float32), prepack.kept()
    prepack.packed(array, "test", np.copy)
    raw[:4] = np.float32(3).tobytes()
    assert prepack.packed(array, "test", np.copy)[0] == 3 and prepack.kept() == before


def test_writers_and_readers_in_many_threads_never_leave_a_stale_copy(rng):
    w, stop, errors = np.zeros(64, np.float32), threading.Event(), []

    def read():
        while not stop.is_set():
            low = w[0]  # the writer only counts up
            if prepack.packed(w, "test", np.copy)[0] < low:
                errors.append(low)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for _ in range(2000):
        w += 1
        onednn.written(w)
        if prepack.packed(w, "test", np.copy)[0] != w[0]:
            errors.append(w[0])
    stop.set()
    for thread in readers:
        thread.join()
    # A reader may see the copy of a moment ago while a write is under way, the writer never.
    assert not [e for e in errors if e == w[0]]
    assert np.array_equal(prepack.packed(w, "test", np.copy), w)


def test_a_weight_seen_once_is_packed_when_it_must_be(rng):
    x, w, residual = normal(rng, 64, 48), normal(rng, 80, 48), normal(rng, 64, 80)
    first = onednn.linear(x, w, None)  # noted, not packed: the plain layout will do once
    second = onednn.linear(x, w, None, residual=residual)  # wants it packed at once
    np.testing.assert_allclose(first, x @ w.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(second, x @ w.T + residual, rtol=1e-4, atol=1e-4)
