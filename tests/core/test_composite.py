"""Ops that are a line of others: against NumPy's functions of the same meaning, and by their laws."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "arrays", "wanted"),
    [
        ("hstack", [(2, 3), (2, 1)], np.hstack),
        ("hstack", [(3,), (2,)], np.hstack),
        ("vstack", [(3,), (2, 3)], np.vstack),
        ("dstack", [(2, 3), (2, 3)], np.dstack),
        ("column_stack", [(3,), (3, 2)], np.column_stack),
    ],
)
def test_stacks_are_numpys(rng, name, arrays, wanted):
    given = [rng.normal(size=shape) for shape in arrays]
    found = getattr(sn, name)([sn.tensor(x) for x in given])
    np.testing.assert_array_equal(found.numpy(), wanted(given))


@pytest.mark.parametrize("sections", [1, 3, 7, 9, [2, 5], [0, 3, 3]])
def test_tensor_split_is_numpys_array_split(rng, sections):
    x = rng.normal(size=(7, 2))
    for part, wanted in zip(
        sn.tensor_split(sn.tensor(x), sections), np.array_split(x, sections), strict=True
    ):
        np.testing.assert_array_equal(part.numpy(), wanted)


@pytest.mark.parametrize("k", [-1, 0, 1, 2, 3, 5])
def test_rot90_is_numpys(rng, k):
    x = rng.normal(size=(2, 3, 4))
    np.testing.assert_array_equal(sn.rot90(sn.tensor(x), k, (0, 2)).numpy(), np.rot90(x, k, (0, 2)))


@pytest.mark.parametrize("indexing", ["ij", "xy"])
def test_meshgrid_is_numpys(indexing):
    given = [np.arange(2.0), np.arange(3.0), np.arange(4.0)]
    found = sn.meshgrid(*map(sn.tensor, given), indexing=indexing)
    for a, b in zip(found, np.meshgrid(*given, indexing=indexing), strict=True):
        np.testing.assert_array_equal(a.numpy(), b)


def test_differences_products_and_places_are_numpys(rng):
    x, y = rng.normal(size=(4, 5)), rng.normal(size=(3, 5))
    a, b = sn.tensor(x), sn.tensor(y)
    np.testing.assert_allclose(sn.diff(a, 2, 0).numpy(), np.diff(x, 2, 0))
    np.testing.assert_allclose(sn.inner(a, b).numpy(), np.inner(x, y))
    np.testing.assert_allclose(sn.kron(a, b).numpy(), np.kron(x, y))
    order = x.argsort(1)
    np.testing.assert_array_equal(sn.take_along_dim(a, sn.tensor(order), 1).numpy(), np.sort(x, 1))
    np.testing.assert_array_equal(sn.take(a, sn.tensor([0, 19, -1])).numpy(), x.take([0, 19, -1]))
    assert [float(v) for v in sn.aminmax(a)] == [x.min(), x.max()]


def test_logaddexp_keeps_infinities():
    inf = float("inf")
    found = sn.logaddexp(sn.tensor([inf, -inf, 0.0, -inf]), sn.tensor([inf, -inf, -inf, 1.0]))
    assert found.tolist() == [inf, -inf, 0.0, 1.0]


def test_lerp_is_exact_at_both_ends(rng):
    a, b = sn.tensor(rng.normal(size=50) * 1e8), sn.tensor(rng.normal(size=50))
    assert sn.equal(sn.lerp(a, b, 0.0), a) and sn.equal(sn.lerp(a, b, 1.0), b)
    assert sn.equal(sn.lerp(a, b, sn.ones(50, dtype=sn.float64)), b)


def test_gradients_reach_the_operands():
    x = sn.tensor([0.3, 0.6], dtype=sn.float64, requires_grad=True)
    for function in (
        sn.asin,
        sn.acos,
        sn.sinh,
        sn.cosh,
        sn.asinh,
        sn.atanh,
        lambda v: sn.acosh(1 + v),
    ):
        assert sn.autograd.gradcheck(function, (x,))
    assert sn.autograd.gradcheck(lambda v: sn.atan2(v, v * v), (x,))


def test_what_is_wrong_is_named():
    with pytest.raises(ShapeError, match="rot90: the two dims must differ"):
        sn.rot90(sn.ones(2, 2), 1, (0, -2))
    with pytest.raises(OptionError, match="indexing is 'ij' or 'xy', got 'yx'"):
        sn.meshgrid(sn.ones(2), indexing="yx")
    with pytest.raises(
        ShapeError, match=r"hsplit: 3 sections do not divide dimension 1 of \(2, 4\)"
    ):
        sn.hsplit(sn.ones(2, 4), 3)
    with pytest.raises(DTypeError, match="lerp: input is float32 but end float64"):
        sn.lerp(sn.ones(1), sn.ones(1, dtype=sn.float64), 0.5)
    with pytest.raises(DTypeError, match="logaddexp: wants a tensor, got int"):
        sn.logaddexp(sn.ones(1), 2)
