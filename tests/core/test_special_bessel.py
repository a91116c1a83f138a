"""Bessel and Airy functions: their integrals, Wronskians and zeros, and the edges PyTorch has.

Each also stands against an independent integral in ``test_ops_registry.py``; here the ways of computing
meet, far out and at the joints, and SciPy and mpmath are the peers.
"""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import special
from sensorium.autograd import gradcheck, gradgradcheck

JOINTS = [1e-8, 0.5, 1.999999, 2.0, 2.000001, 7.0, 24.999999, 25.0, 25.000001, 60.0, 1000.0]
BESSEL = ("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1")


def t(values):
    return sn.tensor(values, dtype=sn.float64)


@pytest.mark.parametrize("order", [0, 1])
def test_j_is_the_mean_over_a_circle(order):
    x = np.concatenate([np.linspace(-60, 60, 61), JOINTS[:-1]])
    turn = np.arange(400) * (2 * math.pi / 400)
    wanted = np.cos(order * turn - x[:, None] * np.sin(turn)).mean(1)
    found = getattr(special, f"bessel_j{order}")(t(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-15)


def test_wronskian_of_j_and_y():
    x = np.array(JOINTS)
    j0, j1, y0, y1 = (getattr(special, name)(t(x)).numpy() for name in BESSEL)
    np.testing.assert_allclose((j1 * y0 - j0 * y1) * x, 2 / math.pi, rtol=4e-15)


def test_zeros_are_found_absolutely():
    """Zeros from DLMF table 10.21(vi)."""
    assert special.bessel_j0(t([2.404825557695773, 5.520078110286311])).abs().max() < 1e-15
    assert special.bessel_j1(t([3.831705970207512, 7.015586669815619])).abs().max() < 1e-15
    assert special.bessel_y0(t([0.893576966279168, 3.957678419314858])).abs().max() < 1e-15
    assert special.bessel_y1(t([2.197141326031017])).abs().max() < 1e-15
    assert special.airy_ai(t([-2.338107410459767, -4.087949444130971])).abs().max() < 1e-15


def test_edges_are_those_of_pytorch():
    edges = t([math.inf, -math.inf, math.nan])
    for name in (*BESSEL, "airy_ai"):
        assert getattr(special, name)(edges).isnan().all(), name
    assert special.spherical_bessel_j0(edges).tolist()[:2] == [0, 0]
    assert special.bessel_y0(t([0.0, -0.0])).tolist() == [-math.inf] * 2
    assert special.bessel_y1(t([-1.0])).isnan().all()
    assert math.copysign(1, special.bessel_j1(t([-0.0])).item()) == -1
    assert special.bessel_j0(sn.tensor([0, 1])).dtype == sn.float32
    assert special.bessel_j0(sn.ones(2, 0)).shape == (2, 0)


def test_integral_of_airy_ai_is_a_third():
    nodes, weights = np.polynomial.legendre.leggauss(80)
    x = (nodes + 1) * 15  # DLMF 9.10.11
    total = (special.airy_ai(t(x)).numpy() * weights).sum() * 15
    assert abs(total - 1 / 3) < 1e-14


def test_airy_ai_at_its_joints_and_its_equation():
    h, x = 1e-3, np.array([-9.0, -2.0, 0.3, 2.0, 6.0])
    shifts = np.array([-2, -1, 0, 1, 2]) * h
    values = special.airy_ai(t(x[:, None] + shifts)).numpy()
    second = values @ np.array([-1, 16, -30, 16, -1]) / (12 * h * h)
    np.testing.assert_allclose(second, x * values[:, 2], atol=2e-8)


def test_gradients_of_any_order():
    x = t([0.3, 1.5, 3.0, 30.0]).requires_grad_()
    for name in (*BESSEL, "spherical_bessel_j0"):
        function = getattr(special, name)
        assert gradcheck(function, (x,)) and gradgradcheck(function, (x,)), name
    x = t([-7.0, -0.4, 1.2, 3.0]).requires_grad_()
    assert gradcheck(special.airy_ai, (x,)) and gradgradcheck(special.airy_ai, (x,))


@pytest.mark.peer
def test_as_precise_as_mpmath():
    mpmath = pytest.importorskip("mpmath")
    x = np.concatenate([np.linspace(0.01, 60, 90), JOINTS])
    exact = {
        "bessel_j0": lambda v: mpmath.besselj(0, v), "bessel_j1": lambda v: mpmath.besselj(1, v),
        "bessel_y0": lambda v: mpmath.bessely(0, v), "bessel_y1": lambda v: mpmath.bessely(1, v),
    }  # fmt: skip
    envelope = np.sqrt(2 / math.pi / np.maximum(x, 1))  # near zeros: absolutely
    with mpmath.workdps(40):
        for name, function in exact.items():
            wanted = np.array([float(function(mpmath.mpf(float(v)))) for v in x])
            error = np.abs(getattr(special, name)(t(x)).numpy() - wanted)
            assert (error / np.maximum(envelope, np.abs(wanted))).max() < 2e-15, name
        x = np.concatenate([np.linspace(-40, 20, 121), [-1000.0, 100.0]])
        wanted = np.array([float(mpmath.airyai(mpmath.mpf(float(v)))) for v in x])
    envelope = np.where(x < 0, np.maximum(np.abs(x), 1e-9) ** -0.25 / math.sqrt(math.pi), 0)
    error = np.abs(special.airy_ai(t(x)).numpy() - wanted)
    assert (error / np.maximum(envelope, np.abs(wanted))).max() < 2e-14


@pytest.mark.peer
def test_scipy_agrees():
    scipy = pytest.importorskip("scipy.special")
    x = np.linspace(0.05, 40, 200)
    for name in BESSEL:
        wanted = getattr(scipy, name[-2:])(x)
        found = getattr(special, name)(t(x)).numpy()
        np.testing.assert_allclose(
            found, wanted, rtol=1e-13, atol=1e-13 / np.sqrt(x).max(), err_msg=name
        )
    x = np.linspace(-20, 20, 201)
    found = special.airy_ai(t(x)).numpy()
    np.testing.assert_allclose(
        found, scipy.airy(x)[0], rtol=1e-13, atol=1e-14 * (1 + (x < 0)).max()
    )
