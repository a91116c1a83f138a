"""Norms of gradients in rows: exact enough, whatever the range of the numbers; clipping in place."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn


def parameters(values, sizes=(100_003, 8192, 37, 1, 0)):
    ps = [nn.Parameter(sn.zeros(n)) for n in sizes]
    for p, n in zip(ps, sizes):
        p.grad = sn.Tensor(values(n).astype(np.float32))
    return ps


def exact(ps):
    whole = np.concatenate([p.grad.numpy() for p in ps]).astype(np.float64)
    return math.sqrt(math.fsum(whole * whole))


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-22, 1e-40, 3e19, 0.0])
def test_the_norm_is_right_to_float32_at_every_scale(scale):
    rng = np.random.default_rng(0)
    ps = parameters(lambda n: rng.normal(size=n) * scale)
    total = nn.utils.clip_grad_norm_(ps, math.inf)
    assert float(total) == pytest.approx(exact(ps), rel=2e-6, abs=1e-45)


def test_equal_numbers_are_added_up_without_drift():
    ps = parameters(lambda n: np.full(n, 0.3), sizes=(3_000_001,))
    assert float(nn.utils.get_total_norm([p.grad for p in ps])) == pytest.approx(
        exact(ps), rel=3e-6
    )


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_shows_without_a_warning(bad):
    ps = parameters(lambda n: np.ones(n))
    ps[0].grad.numpy()[5] = bad
    assert not math.isfinite(float(nn.utils.get_total_norm([p.grad for p in ps])))
    with pytest.raises(RuntimeError, match=r"2\.0-norm of the gradients is"):
        nn.utils.clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)


def test_every_gradient_is_scaled_by_the_same_number():
    rng = np.random.default_rng(1)
    ps = parameters(lambda n: rng.normal(size=n), sizes=((1 << 19) + 70_001, 5000, 3, 1))
    ps[1].grad = ps[1].grad.reshape(50, 100).t().reshape(5000)
    before, versions = [p.grad.numpy().copy() for p in ps], [p.grad._version for p in ps]
    total = float(nn.utils.clip_grad_norm_(ps, 2.0))
    for p, g, version in zip(ps, before, versions):
        want = g.astype(np.float64) * 2 / (total + 1e-6)
        np.testing.assert_allclose(p.grad.numpy(), want, rtol=3e-7)
        assert p.grad._version > version
