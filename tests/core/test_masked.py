"""sensorium.masked: every function is the plain one of the values that the mask keeps."""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import masked
from sensorium.errors import SensoriumError

X = np.array([[4.0, -1.5, 2.0, 8.0], [3.0, 3.0, -2.0, 0.5], [1.0, 2.0, 7.0, -6.0]])
MASK = np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 1, 1]], bool)


def rows(function):
    """function of the kept values of every row."""
    return np.array([function(x[m]) for x, m in zip(X, MASK)])


def given():
    return sn.tensor(X), sn.tensor(MASK)


REDUCTIONS = {
    "sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min,
    "var": lambda v: np.var(v, ddof=1), "std": lambda v: np.std(v, ddof=1),
    "logsumexp": lambda v: math.log(np.exp(v).sum()),
    "median": lambda v: np.sort(v)[(len(v) - 1) // 2],
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_what_is_kept(name):
    x, mask = given()
    found = getattr(masked, name)(x, 1, mask=mask)
    np.testing.assert_allclose(found.numpy(), rows(REDUCTIONS[name]), rtol=1e-13)
    kept = getattr(masked, name)(x, 1, keepdim=True, mask=mask)
    assert kept.shape == (3, 1)
    if name != "median":
        whole = getattr(masked, name)(x, mask=mask)
        np.testing.assert_allclose(whole.item(), REDUCTIONS[name](X[MASK]), rtol=1e-13)
        both = getattr(masked, name)(x, (0, 1))
        np.testing.assert_allclose(both.item(), REDUCTIONS[name](X.ravel()), rtol=1e-13)


def test_positions_count_the_left_out():
    x, mask = given()
    for name, pick in (("argmax", np.argmax), ("argmin", np.argmin)):
        wanted = [np.flatnonzero(m)[pick(v[m])] for v, m in zip(X, MASK)]
        assert getattr(masked, name)(x, 1, mask=mask, dtype=sn.int64).tolist() == wanted


@pytest.mark.parametrize("order", [0, 1, 2, 3.5, math.inf, -math.inf])
def test_norms(order):
    x, mask = given()
    wanted = rows(lambda v: np.linalg.norm(v, order))
    np.testing.assert_allclose(masked.norm(x, order, 1, mask=mask).numpy(), wanted, rtol=1e-13)


def test_normalisations_are_0_where_the_mask_is_false():
    x, mask = given()
    for name, sign in (("softmax", 1), ("softmin", -1)):
        found = getattr(masked, name)(x, 1, mask=mask).numpy()
        powers = np.where(MASK, np.exp(sign * X), 0)
        np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), rtol=1e-13)
    logs = masked.log_softmax(x, 1, mask=mask).exp().numpy()
    np.testing.assert_allclose(logs, masked.softmax(x, 1, mask=mask).numpy(), rtol=1e-13)
    unit = masked.normalize(x, 2.0, 1, mask=mask).numpy()
    np.testing.assert_allclose((unit**2).sum(1), 1)
    assert (unit[~MASK] == 0).all()


def test_running_sums_and_products_pass_over_holes():
    x, mask = given()
    sums = masked.cumsum(x, 1, mask=mask).numpy()
    np.testing.assert_allclose(sums, np.where(MASK, X, 0).cumsum(1))
    products = masked.cumprod(x, 1, mask=mask).numpy()
    np.testing.assert_allclose(products, np.where(MASK, X, 1).cumprod(1))
    assert masked.cumsum(sn.tensor([1, 2], dtype=sn.int32), 0).dtype == sn.int32


def test_logaddexp_of_two_masks():
    a, b = sn.tensor([1.0, 2.0, 3.0]), sn.tensor([1.0, 5.0, 6.0])
    first, second = sn.tensor([True, True, False]), sn.tensor([True, False, False])
    found = masked.logaddexp(a, b, input_mask=first, other_mask=second).tolist()
    assert found == [pytest.approx(1 + math.log(2)), 2.0, -math.inf]


def test_nothing_kept():
    x, none = sn.tensor([[1.0, 2.0]]), sn.tensor([[False, False]])
    assert masked.sum(x, 1, mask=none).item() == 0 and masked.prod(x, 1, mask=none).item() == 1
    assert masked.amax(x, 1, mask=none).item() == -math.inf
    for name in ("mean", "var", "median"):
        assert math.isnan(getattr(masked, name)(x, 1, mask=none).item()), name
    assert masked.amax(sn.tensor([3], dtype=sn.int8), mask=sn.tensor([False])).item() == -128


def test_mask_broadcasts_and_gradients_stay_inside():
    x = sn.tensor(X, requires_grad=True)
    masked.mean(x, 1, mask=sn.tensor([True, False, True, False])).sum().backward()
    assert x.grad.tolist() == [[0.5, 0, 0.5, 0]] * 3


def test_misuse():
    x = sn.ones(2)
    for call in (
        lambda: masked.sum(x, mask=sn.ones(2, 2).bool()),
        lambda: masked.mean(sn.tensor([1, 2])),
        lambda: masked.sum(x, 3),
        lambda: masked.var(x, 0, True, correction=1),
        lambda: masked.amax(sn.tensor([True]), mask=sn.tensor([True])),
        lambda: masked.median(sn.tensor([1]), mask=sn.tensor([False])),
    ):
        with pytest.raises(SensoriumError):
            call()
