"""Counts in bins against NumPy and a loop, and against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_bincount_counts_and_adds_weights(rng):
    x, w = rng.integers(0, 6, size=30), rng.normal(size=30)
    found = sn.bincount(sn.tensor(x), minlength=9)
    assert found.tolist() == [x.tolist().count(k) for k in range(9)] and found.dtype == sn.int64
    found = sn.bincount(sn.tensor(x), sn.tensor(w))
    np.testing.assert_allclose(found.numpy(), [w[x == k].sum() for k in range(6)])
    assert sn.bincount(sn.tensor([1]), sn.tensor([2.0])).dtype == sn.float32
    assert sn.bincount(sn.tensor([1]), sn.tensor([2])).dtype == sn.float64


def test_histc_counts_inside_its_range_only(rng):
    x = rng.normal(size=200)
    found = sn.histc(sn.tensor(x), 7, -1, 1.5)
    np.testing.assert_array_equal(found.numpy(), np.histogram(x, 7, (-1, 1.5))[0])
    assert sn.histc(sn.tensor([1.0, 1.0]), 3).tolist() == [0.0, 2.0, 0.0]  # the range is 0 .. 2
    assert sn.histc(sn.zeros(0), 2).tolist() == [0.0, 0.0]
    assert sn.histc(sn.tensor([math.nan, 0.5, 1.0]), 2, 0, 1).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("density", [False, True])
def test_histogram_is_numpys(rng, density):
    x, w = rng.normal(size=(10, 20)), rng.uniform(size=(10, 20))
    edges = np.array([-2.0, -0.5, 0.0, 1.0, 1.0, 3.0])[[0, 1, 2, 3, 5]]
    for bins, span in [(6, None), (5, (-1.0, 2.0)), (edges, None)]:
        given = bins if span or isinstance(bins, int) else sn.tensor(bins)
        found = sn.histogram(sn.tensor(x), given, range=span, weight=sn.tensor(w), density=density)
        hist, wanted = np.histogram(x, bins, span, density, w)
        np.testing.assert_allclose(found.hist.numpy(), hist)
        np.testing.assert_allclose(found.bin_edges.numpy(), wanted)


@pytest.mark.parametrize("density", [False, True])
def test_histogramdd_is_numpys(rng, density):
    x, w = rng.normal(size=(50, 3)), rng.uniform(size=50)
    for bins, span in [(3, None), ([2, 3, 4], [-1.0, 1.0, -2.0, 2.0, 0.0, 1.0])]:
        found = sn.histogramdd(sn.tensor(x), bins, range=span, weight=sn.tensor(w), density=density)
        pairs = None if span is None else np.reshape(span, (3, 2))
        hist, edges = np.histogramdd(x, bins, pairs, density, w)
        np.testing.assert_allclose(found.hist.numpy(), hist)
        for a, b in zip(found.bin_edges, edges, strict=True):
            np.testing.assert_allclose(a.numpy(), b)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: sn.bincount(x), DTypeError, "integers"),
        (lambda x: sn.bincount(sn.tensor([-1])), ShapeError, "-1"),
        (lambda x: sn.bincount(sn.tensor([1, 2]), x), ShapeError, "weights"),
        (lambda x: sn.bincount(sn.tensor([1]), minlength=-1), ShapeError, "minlength"),
        (lambda x: sn.histc(x, 0), ShapeError, "at least 1 bin"),
        (lambda x: sn.histc(x, 3, 2, 1), ShapeError, "ends before"),
        (lambda x: sn.histc(x / 0), ShapeError, "not finite"),
        (lambda x: sn.histc(x.long()), DTypeError, "int64"),
        (lambda x: sn.histogram(x, 3, weight=x[:1]), ShapeError, "weight"),
        (lambda x: sn.histogram(x, x, range=(0, 1)), OptionError, "range"),
        (lambda x: sn.histogramdd(x, [2]), ShapeError, "points"),
        (lambda x: sn.histogramdd(x.reshape(1, 3), [2]), ShapeError, "3 coordinates"),
    ],
)
def test_errors_name_the_rule(call, error, says):
    with pytest.raises(error, match=says):
        call(sn.tensor([1.0, 2.0, 3.0]))


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bins", [1, 3, 10, 97])
def test_values_on_edges_fall_where_pytorch_puts_them(rng, dtype, bins):
    torch = pytest.importorskip("torch")
    x = (rng.integers(0, 100, size=500) / 10).astype(dtype)
    a, b = sn.tensor(x), torch.tensor(x)
    assert sn.histc(a, bins).tolist() == torch.histc(b, bins).tolist()
    found, wanted = sn.histogram(a, bins), torch.histogram(b, bins)
    np.testing.assert_array_equal(found.hist.numpy(), wanted.hist.numpy())
    np.testing.assert_allclose(found.bin_edges.numpy(), wanted.bin_edges.numpy(), rtol=1e-6)
