"""Values by rank against Python's sorted lists and ``statistics``, and against PyTorch."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, OutOfBoundsError, ShapeError

NAN = math.nan


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_kthvalue_is_the_kth_of_the_sorted_list(rng, k):
    x = rng.permutation(18).reshape(3, 6)
    values, indices = sn.kthvalue(sn.tensor(x), k, dim=1)
    assert values.tolist() == [sorted(row)[k - 1] for row in x.tolist()]
    assert [row[i] for row, i in zip(x.tolist(), indices.tolist())] == values.tolist()


@pytest.mark.parametrize("n", [1, 4, 7])
def test_median_is_the_lower_middle(rng, n):
    x = rng.normal(size=(3, n))
    wanted = [statistics.median_low(row) for row in x.tolist()]
    assert sn.median(sn.tensor(x), 1).values.tolist() == wanted
    assert sn.median(sn.tensor(x)).item() == statistics.median_low(x.ravel().tolist())


def test_nan_decides_a_median_unless_it_is_ignored():
    x = sn.tensor([[3.0, NAN, 1.0], [NAN, NAN, NAN], [2.0, 0.0, 1.0]])
    values, indices = x.median(1)
    np.testing.assert_array_equal(values.numpy(), [NAN, NAN, 1.0])
    assert indices.tolist() == [1, 0, 2]
    np.testing.assert_array_equal(x.nanmedian(1).values.numpy(), [1.0, NAN, 1.0])
    assert math.isnan(x.median().item()) and x.nanmedian().item() == 1.0


def test_median_of_all_shares_its_gradient_among_equals():
    x = sn.tensor([1.0, 2.0, 2.0, 5.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == [0.0, 0.5, 0.5, 0.0]


def test_median_along_a_dimension_gives_its_gradient_to_the_chosen():
    x = sn.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    x.median(1).values.sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0, 1.0]]


def test_mode_is_the_smallest_of_the_most_frequent(rng):
    x = rng.integers(0, 4, size=(6, 9))
    values, indices = sn.mode(sn.tensor(x), 1)
    wanted = [min(statistics.multimode(row)) for row in x.tolist()]
    assert values.tolist() == wanted
    assert np.take_along_axis(x, indices.numpy()[:, None], 1)[:, 0].tolist() == wanted


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantile_is_numpys(rng, method):
    x, q = rng.normal(size=(4, 7)), np.array([0.0, 0.3, 0.5, 1.0])
    found = sn.quantile(sn.tensor(x), sn.tensor(q), dim=1, interpolation=method)
    np.testing.assert_allclose(found.numpy(), np.quantile(x, q, axis=1, method=method))
    whole = sn.quantile(sn.tensor(x), 0.3, interpolation=method)
    np.testing.assert_allclose(whole.numpy(), np.quantile(x, 0.3, method=method))


def test_nanquantile_leaves_nan_out(rng):
    x = rng.normal(size=(4, 7))
    x[1, 2], x[3] = NAN, NAN
    found = sn.nanquantile(sn.tensor(x), 0.4, dim=1, keepdim=True)
    wanted = [[np.quantile(row[~np.isnan(row)], 0.4)] for row in x[:3]]
    np.testing.assert_allclose(found.numpy(), [*wanted, [NAN]])
    assert np.isnan(sn.quantile(sn.tensor(x), 0.4, dim=1).numpy()).tolist() == [0, 1, 0, 1]


def test_quantile_weighs_the_gradient_of_its_two_neighbours():
    x = sn.tensor([4.0, 1.0, 3.0], requires_grad=True)
    sn.quantile(x, 0.25).backward()  # half way from 1 to 3
    assert x.grad.tolist() == [0.0, 0.5, 0.5]


def test_sorting_puts_nan_last_in_every_float_type():
    for dtype in (sn.bfloat16, sn.float16, sn.float32, sn.float64):
        x = sn.tensor([4.0, NAN, 1.0, -2.0], dtype=dtype)
        found = sn.msort(x)
        assert found.dtype == dtype and found[:3].tolist() == [-2.0, 1.0, 4.0]
        assert math.isnan(found[3].item())
        assert sn.kthvalue(x, 3).values.item() == 4.0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: sn.kthvalue(x, 4), ShapeError, "k must lie in 1..3"),
        (lambda x: sn.mode(x[:0]), OutOfBoundsError, "empty"),
        (lambda x: sn.median(x > 0), DTypeError, "bool"),
        (lambda x: sn.quantile(x, 1.5), ShapeError, "0..1"),
        (lambda x: sn.quantile(x.long(), 0.5), DTypeError, "int64"),
        (lambda x: sn.quantile(x, 0.5, interpolation="cubic"), OptionError, "cubic"),
        (lambda x: sn.quantile(x, sn.ones(1, dtype=sn.float64)), DTypeError, "float64"),
        (lambda x: sn.quantile(x[:0], 0.5), ShapeError, "no elements"),
    ],
)
def test_errors_name_the_rule(call, error, says):
    with pytest.raises(error, match=says):
        call(sn.tensor([1.0, 2.0, 3.0]))


@pytest.mark.peer
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
def test_ranks_are_pytorchs(rng, shape, dtype):
    torch = pytest.importorskip("torch")
    x = rng.integers(0, 5, size=shape).astype(dtype)
    a, b = sn.tensor(x), torch.tensor(x)
    for name, args in [("median", (-1, True)), ("nanmedian", (0,)), ("mode", (-1,))]:
        found, wanted = getattr(sn, name)(a, *args), getattr(torch, name)(b, *args)
        np.testing.assert_array_equal(found.values.numpy(), wanted.values.numpy())
        assert found.values.dtype == wanted.values.numpy().dtype
    np.testing.assert_array_equal(sn.median(a).numpy(), torch.median(b).numpy())
    if dtype.startswith("float"):
        found, wanted = sn.quantile(a, 0.7, -1, True), torch.quantile(b, 0.7, -1, True)
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)
