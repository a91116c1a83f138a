"""Distinct values and places in sorted ones against NumPy and ``bisect``, and against PyTorch."""

from __future__ import annotations

import bisect
import itertools
import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, OutOfBoundsError, ShapeError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# -- distinct values -------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8", "bool"])
def test_unique_is_numpys(rng, dtype):
    x = rng.integers(0, 5, size=(4, 6)).astype(dtype)
    values, inverse, counts = sn.unique(sn.tensor(x), return_inverse=True, return_counts=True)
    wanted = np.unique(x, return_inverse=True, return_counts=True)
    assert values.dtype == x.dtype and inverse.shape == x.shape
    for a, b in zip((values, inverse, counts), wanted, strict=True):
        np.testing.assert_array_equal(a.numpy(), np.reshape(b, a.shape))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_unique_slices_are_numpys(rng, dim):
    x = rng.integers(0, 2, size=(6, 2, 3))
    values, inverse, counts = sn.unique(sn.tensor(x), True, True, True, dim)
    wanted = np.unique(x, return_inverse=True, return_counts=True, axis=dim)
    for a, b in zip((values, inverse, counts), wanted, strict=True):
        np.testing.assert_array_equal(a.numpy(), np.reshape(b, a.shape))


def test_the_inverse_rebuilds_the_input(rng):
    x = sn.tensor(rng.integers(0, 3, size=(5, 4)))
    values, inverse = x.unique(return_inverse=True)
    assert sn.equal(values[inverse], x)
    rows, inverse = x.unique(return_inverse=True, dim=0)
    assert sn.equal(rows[inverse], x)


def test_every_nan_is_distinct():
    values, counts = sn.unique(sn.tensor([math.nan, 1.0, math.nan]), return_counts=True)
    np.testing.assert_array_equal(values.numpy(), [1.0, math.nan, math.nan])
    assert counts.tolist() == [1, 1, 1]


def test_unique_consecutive_is_groupby(rng):
    x = rng.integers(0, 3, size=40).tolist()
    values, inverse, counts = sn.unique_consecutive(sn.tensor(x), True, True)
    groups = [(value, len(list(same))) for value, same in itertools.groupby(x)]
    assert list(zip(values.tolist(), counts.tolist())) == groups
    assert values[inverse].tolist() == x


def test_empty_dimensions_other_than_the_one_compared_are_refused():
    assert sn.unique(sn.zeros(0, 3), dim=0).shape == (0, 3)
    with pytest.raises(ShapeError, match="empty dimension"):
        sn.unique(sn.zeros(3, 0), dim=0)
    with pytest.raises(OutOfBoundsError, match="no dimensions"):
        sn.unique(sn.tensor(1.0), dim=0)
    with pytest.raises(DTypeError, match="complex"):
        sn.unique(sn.tensor([1j]))


# -- places in sorted values -----------------------------------------------------------------------
@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 8])
def test_searchsorted_is_bisect(rng, right, n):
    edges = np.sort(rng.integers(0, 6, size=n))
    values = rng.integers(-1, 8, size=(3, 5))
    found = sn.searchsorted(sn.tensor(edges), sn.tensor(values), right=right)
    place = bisect.bisect_right if right else bisect.bisect_left
    assert found.tolist() == [[place(edges.tolist(), v) for v in row] for row in values.tolist()]


def test_every_row_is_searched_in_its_own_edges(rng):
    edges = np.sort(rng.normal(size=(2, 3, 6)), -1)
    values = rng.normal(size=(2, 3, 4))
    found = sn.searchsorted(sn.tensor(edges), sn.tensor(values)).numpy()
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(found[index], np.searchsorted(edges[index], values[index]))


def test_a_sorter_stands_for_sorted_values(rng):
    edges = rng.normal(size=9)
    order, values = sn.tensor(np.argsort(edges)), sn.tensor(rng.normal(size=5))
    found = sn.searchsorted(sn.tensor(edges), values, sorter=order)
    assert sn.equal(found, sn.searchsorted(sn.tensor(np.sort(edges)), values))


def test_bucketize_counts_the_boundaries_below():
    edges = sn.tensor([1.0, 2.0, 4.0])
    found = sn.bucketize(sn.tensor([0.0, 1.0, 3.0, math.nan]), edges, out_int32=True)
    assert found.tolist() == [0, 0, 2, 3] and found.dtype == sn.int32
    assert sn.bucketize(2, edges, right=True).item() == 2


def test_isin_is_numpys(rng):
    a, b = rng.integers(0, 9, size=(3, 4)), rng.integers(0, 9, size=5)
    for invert in (False, True):
        found = sn.isin(sn.tensor(a), sn.tensor(b), invert=invert)
        np.testing.assert_array_equal(found.numpy(), np.isin(a, b, invert=invert))
    assert sn.isin(sn.tensor([1.5, math.nan]), 1.5).tolist() == [True, False]
    assert not sn.isin(2, sn.zeros(0)).item()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda e: sn.searchsorted(e, 1.0, right=True, side="left"), OptionError, "side"),
        (lambda e: sn.searchsorted(e, 1.0, side="middle"), OptionError, "middle"),
        (lambda e: sn.searchsorted(e, 1.0, sorter=sn.tensor([0, 5])), OutOfBoundsError, "0..1"),
        (lambda e: sn.searchsorted(e, 1.0, sorter=sn.tensor([0])), ShapeError, "sorter"),
        (lambda e: sn.searchsorted(e.reshape(1, 2), sn.ones(2)), ShapeError, "dimensions"),
        (lambda e: sn.bucketize(1.0, e.reshape(1, 2)), ShapeError, "vector"),
        (lambda e: sn.isin(1, 2), DTypeError, "tensor"),
    ],
)
def test_errors_name_the_rule(call, error, says):
    with pytest.raises(error, match=says):
        call(sn.tensor([1.0, 2.0]))


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64"])
def test_places_of_nan_and_of_mixed_types_are_pytorchs(rng, dtype):
    torch = pytest.importorskip("torch")
    edges = np.sort(rng.integers(0, 5, size=6))
    values = np.array([0.5, -1.0, math.nan, 4.0, math.inf], np.float32)
    a, b = sn.tensor(edges).to(getattr(sn, dtype)), torch.tensor(edges).to(getattr(torch, dtype))
    for right in (False, True):
        found = sn.searchsorted(a, sn.tensor(values), right=right)
        wanted = torch.searchsorted(b, torch.tensor(values), right=right)
        assert found.tolist() == wanted.tolist()
