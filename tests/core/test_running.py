"""Running extremes and log-sums against loops, and against PyTorch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OutOfBoundsError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("name", "best"), [("cummax", max), ("cummin", min)])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 13])
def test_running_extremes_are_those_of_itertools(rng, name, best, n):
    x = rng.integers(0, 5, size=(4, n))
    values, indices = getattr(sn.tensor(x), name)(1)
    assert values.tolist() == [list(itertools.accumulate(row, best)) for row in x.tolist()]
    for row, places in zip(x.tolist(), indices.tolist()):
        for i, place in enumerate(places):  # of equal values the last one so far
            wanted = max(k for k in range(i + 1) if row[k] == best(row[: i + 1]))
            assert place == wanted


def test_nan_stays_and_is_where_the_latest_nan_stands():
    values, indices = sn.cummax(sn.tensor([1.0, math.nan, 2.0, math.nan]), 0)
    assert np.isnan(values.numpy()).tolist() == [False, True, True, True]
    assert indices.tolist() == [0, 1, 1, 3]


def test_cummax_sends_every_gradient_to_the_element_that_was_chosen():
    x = sn.tensor([1.0, 3.0, 2.0, 3.0], requires_grad=True)
    (sn.cummax(x, 0).values * sn.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 110.0, 0.0, 1000.0]


def test_logcumsumexp_neither_overflows_nor_loses_the_small():
    x = sn.tensor([-1000.0, -1000.0, 1000.0, 0.0], dtype=sn.float64)
    wanted = [-1000.0, -1000.0 + math.log(2), 1000.0, 1000.0]
    np.testing.assert_allclose(sn.logcumsumexp(x, 0).numpy(), wanted)
    low = sn.full((3,), -math.inf)
    assert sn.logcumsumexp(low, 0).tolist() == [-math.inf] * 3


def test_gradient_of_logcumsumexp_is_the_softmax_of_every_beginning(rng):
    x, g = rng.normal(size=6) * 30, rng.normal(size=6)
    t = sn.tensor(x, requires_grad=True)
    sn.logcumsumexp(t, 0).backward(sn.tensor(g))
    wanted = np.zeros(6)
    for j in range(6):
        weights = np.exp(x[: j + 1] - x[: j + 1].max())
        wanted[: j + 1] += g[j] * weights / weights.sum()
    np.testing.assert_allclose(t.grad.numpy(), wanted, rtol=1e-10, atol=1e-14)


def test_empty_and_zero_dimensional_inputs():
    assert sn.cummax(sn.zeros(0, 3), 0).values.shape == (0, 3)
    assert sn.cummin(sn.tensor(2.0), 0) == (sn.tensor(2.0), sn.tensor(0))
    assert sn.logcumsumexp(sn.tensor(2.0), -1).item() == 2.0


def test_what_has_no_order_is_refused():
    with pytest.raises(DTypeError, match="complex"):
        sn.cummax(sn.tensor([1j]), 0)
    with pytest.raises(DTypeError, match="int64"):
        sn.logcumsumexp(sn.tensor([1]), 0)
    with pytest.raises(OutOfBoundsError, match="dim 1"):
        sn.cummin(sn.tensor([1.0]), 1)


@pytest.mark.peer
@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_complex_logcumsumexp_has_pytorchs_phase(rng, n):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(3, n)) * 3 + 1j * rng.normal(size=(3, n)) * 5
    found = sn.logcumsumexp(sn.tensor(x), 1).numpy()
    np.testing.assert_allclose(found, torch.logcumsumexp(torch.tensor(x), 1).numpy(), atol=1e-9)
