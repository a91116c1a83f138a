"""Covariance, numeric derivatives and integrals against NumPy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("correction", [0, 1])
def test_cov_is_numpys_with_both_kinds_of_weights(rng, correction):
    x, f, a = rng.normal(size=(3, 6)), rng.integers(1, 4, size=6), rng.uniform(size=6)
    for fw, aw in [(None, None), (f, None), (None, a), (f, a)]:
        weights = {k: None if w is None else sn.tensor(w) for k, w in [("f", fw), ("a", aw)]}
        found = sn.cov(
            sn.tensor(x), correction=correction, fweights=weights["f"], aweights=weights["a"]
        )
        wanted = np.cov(x, ddof=correction, fweights=fw, aweights=aw)
        np.testing.assert_allclose(found.numpy(), wanted)


def test_corrcoef_is_numpys(rng):
    x = rng.normal(size=(3, 6))
    np.testing.assert_allclose(sn.corrcoef(sn.tensor(x)).numpy(), np.corrcoef(x))
    z = x + 1j * rng.normal(size=(3, 6))
    np.testing.assert_allclose(sn.corrcoef(sn.tensor(z)).numpy(), np.corrcoef(z))
    assert sn.corrcoef(sn.tensor(x[0])).item() == 1.0


def test_cov_of_too_few_observations_warns():
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert math.isnan(sn.cov(sn.tensor([1.0])).item())


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient_is_numpys(rng, edge_order):
    x, places = rng.normal(size=(5, 6)), np.sort(rng.normal(size=6))
    found = sn.gradient(sn.tensor(x), spacing=0.5, edge_order=edge_order)
    for a, b in zip(found, np.gradient(x, 0.5, edge_order=edge_order), strict=True):
        np.testing.assert_allclose(a.numpy(), b)
    (found,) = sn.gradient(sn.tensor(x), spacing=[sn.tensor(places)], dim=1, edge_order=edge_order)
    wanted = np.gradient(x, places, axis=1, edge_order=edge_order)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


def test_gradient_of_order_two_is_exact_for_a_parabola(rng):
    places = np.sort(rng.normal(size=7))
    (found,) = sn.gradient(sn.tensor(places**2), spacing=[sn.tensor(places)], dim=0, edge_order=2)
    np.testing.assert_allclose(found.numpy(), 2 * places, atol=1e-9)


def test_trapezoids_are_numpys(rng):
    y, x = rng.normal(size=(4, 5)), rng.normal(size=5)
    np.testing.assert_allclose(sn.trapezoid(sn.tensor(y)).numpy(), np.trapezoid(y))
    found = sn.trapz(sn.tensor(y), sn.tensor(x))
    np.testing.assert_allclose(found.numpy(), np.trapezoid(y, x))
    found = sn.trapezoid(sn.tensor(y), dx=0.1, dim=0)
    np.testing.assert_allclose(found.numpy(), np.trapezoid(y, dx=0.1, axis=0))
    steps = sn.cumulative_trapezoid(sn.tensor(y), sn.tensor(x)).numpy()
    wanted = [[np.trapezoid(row[: i + 1], x[: i + 1]) for i in range(1, 5)] for row in y]
    np.testing.assert_allclose(steps, wanted, atol=1e-12)


def test_renorm_shrinks_what_is_too_long_only(rng):
    x = rng.normal(size=(4, 3, 2))
    found = sn.renorm(sn.tensor(x), 3, 1, 1.2).numpy()
    for i in range(3):
        size = (np.abs(x[:, i]) ** 3).sum() ** (1 / 3)
        wanted = x[:, i] * (1.2 / size if size > 1.2 else 1)
        np.testing.assert_allclose(found[:, i], wanted, rtol=1e-6)


def test_dist_is_the_norm_of_the_difference(rng):
    a, b = rng.normal(size=(3, 4)), rng.normal(size=4)
    for p in (0, 1, 2, 3.5, math.inf):
        wanted = np.linalg.norm((a - b).ravel(), p)
        assert sn.dist(sn.tensor(a), sn.tensor(b), p).item() == pytest.approx(wanted)


def test_norms_have_a_gradient_at_zero():
    for p in (0, 0.5, 1, 1.5, 2, 3, -1, math.inf):
        for x in ([0.0, 0.0], [0.0, 2.0]):
            t = sn.tensor(x, requires_grad=True)
            sn.norm(t, p).backward()
            assert sn.isfinite(t.grad).all(), (p, x)


def test_norm_takes_nuc_and_refuses_other_words(rng):
    x = rng.normal(size=(3, 4))
    wanted = np.linalg.svd(x, compute_uv=False).sum()
    assert sn.norm(sn.tensor(x), "nuc").item() == pytest.approx(wanted)
    with pytest.raises(OptionError, match="'fro' or 'nuc'"):
        sn.norm(sn.tensor(x), "max")
    with pytest.raises(ShapeError, match="no elements"):
        sn.norm(sn.zeros(0), -1)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: sn.cov(x > 0), DTypeError, "bool"),
        (lambda x: sn.cov(x.reshape(1, 1, 3)), ShapeError, "2 dimensions"),
        (lambda x: sn.cov(x, fweights=sn.tensor([1, 2])), ShapeError, "fweights"),
        (lambda x: sn.cov(x, fweights=x), DTypeError, "fweights"),
        (lambda x: sn.cov(x, aweights=-x), ShapeError, "negative"),
        (lambda x: sn.gradient(x, edge_order=3), OptionError, "edge_order"),
        (lambda x: sn.gradient(x[:1]), ShapeError, "at least 2 samples"),
        (lambda x: sn.gradient(x, spacing=[1.0, 2.0]), ShapeError, "2 spacings"),
        (lambda x: sn.trapezoid(x, x, dx=1), OptionError, "x and dx"),
        (lambda x: sn.trapezoid(x, x[:2]), ShapeError, "2 places"),
        (lambda x: sn.renorm(x, 2, 0, 1), ShapeError, "2 dimensions"),
        (lambda x: sn.renorm(x.reshape(1, 3), 0, 0, 1), OptionError, "p > 0"),
        (lambda x: sn.dist(x, 1.0), DTypeError, "tensors"),
    ],
)
def test_errors_name_the_rule(call, error, says):
    with pytest.raises(error, match=says):
        call(sn.tensor([1.0, 2.0, 3.0]))


@pytest.mark.peer
@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, -1, -0.5, math.inf, -math.inf])
def test_gradients_of_norms_at_zeros_are_pytorchs(p):
    torch = pytest.importorskip("torch")
    for x in ([0.0, 0.0, 0.0], [0.0, -2.0, 1.0], [1.0, 1.0, -1.0]):
        a, b = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        sn.norm(a, p).backward()
        (wanted,) = torch.autograd.grad(
            torch.norm(b, p), b, allow_unused=True, materialize_grads=True
        )
        np.testing.assert_allclose(a.grad.numpy(), wanted.numpy(), rtol=1e-6)
