"""Orthogonal polynomials: orthogonality, identities, and PyTorch's edges."""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import special
from sensorium.autograd import gradcheck, gradgradcheck

KINDS = [
    *(f"{s}chebyshev_polynomial_{k}" for s in ("", "shifted_") for k in "tuvw"),
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
]  # fmt: skip


def t(values):
    return sn.tensor(values, dtype=sn.float64)


def table(name, x, degrees):
    """p[n](x) with a row a degree."""
    n = sn.arange(degrees).to(sn.float64)[:, None]
    return getattr(special, name)(t(x), n).numpy()


@pytest.mark.parametrize(
    "name, rule, norms",
    [
        ("legendre_polynomial_p", np.polynomial.legendre.leggauss, lambda n: 2 / (2 * n + 1)),
        ("laguerre_polynomial_l", np.polynomial.laguerre.laggauss, lambda n: 1.0 + 0 * n),
        (
            "hermite_polynomial_h", np.polynomial.hermite.hermgauss,
            lambda n: math.sqrt(math.pi) * np.array([2.0**k * math.factorial(k) for k in n]),
        ),
        (
            "hermite_polynomial_he", np.polynomial.hermite_e.hermegauss,
            lambda n: math.sqrt(2 * math.pi) * np.array([math.factorial(k) for k in n]),
        ),
    ],
)  # fmt: skip
def test_orthogonal_under_their_weight(name, rule, norms):
    """Gauss's rule of 20 nodes is exact to degree 39."""
    x, weights = rule(20)
    p = table(name, x, 8)
    norm = norms(np.arange(8))
    gram = (p * weights) @ p.T / np.sqrt(norm[:, None] * norm)
    np.testing.assert_allclose(gram, np.eye(8), atol=1e-11)


def test_chebyshev_kinds_are_sines_and_cosines():
    angle, n = np.linspace(0.1, 3.0, 15), np.arange(40)[:, None]
    x = np.cos(angle)
    near = {"rtol": 1e-9, "atol": 1e-9}
    trig = {
        "t": np.cos(n * angle), "u": np.sin((n + 1) * angle) / np.sin(angle),
        "v": np.cos((n + 0.5) * angle) / np.cos(angle / 2),
        "w": np.sin((n + 0.5) * angle) / np.sin(angle / 2),
    }  # fmt: skip
    for kind, wanted in trig.items():
        np.testing.assert_allclose(table(f"chebyshev_polynomial_{kind}", x, 40), wanted, **near)
        shifted = table(f"shifted_chebyshev_polynomial_{kind}", (x + 1) / 2, 40)
        np.testing.assert_allclose(shifted, wanted, **near)
    far = special.chebyshev_polynomial_t(t([1.5]), 9).item()
    assert far == pytest.approx(math.cosh(9 * math.acosh(1.5)), rel=1e-13)


def test_degrees_below_0_and_too_high():
    x = t([-2.0, 0.3, math.inf, math.nan])
    for name in KINDS:
        function = getattr(special, name)
        assert function(x, -1).tolist() == [0] * 4, name
        assert function(x, 0).tolist() == [1] * 4, name
        assert math.isnan(function(x, 3)[3].item()), name
    assert special.hermite_polynomial_h(x, 513).isnan().all()
    assert special.hermite_polynomial_he(x.float(), 129).isnan().all()


def test_types_and_numbers():
    f = special.legendre_polynomial_p
    assert f(sn.tensor([2, 3]), sn.tensor([1, 2])).tolist() == [2, 13]
    assert f(sn.tensor([2]), 1).dtype == sn.float32
    assert f(sn.ones(2), sn.ones(3, 1)).shape == (3, 2)
    assert f(2.0, sn.tensor([0, 1, 2])).tolist() == [1, 2, 5.5]
    assert f(t([0.5]), sn.tensor([2.7])).item() == -0.125  # whole degrees: cut towards 0
    assert f(sn.ones(2, dtype=sn.float16), 2).dtype == sn.float16
    assert f(sn.ones(0, 2), 2).shape == (0, 2)


def test_slope_of_t_is_u():
    x = t(np.linspace(-0.9, 1.4, 9)).requires_grad_()
    special.chebyshev_polynomial_t(x, 5).sum().backward()
    wanted = 5 * special.chebyshev_polynomial_u(x.detach(), 4)
    np.testing.assert_allclose(x.grad.numpy(), wanted.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_of_any_order(name):
    x = t([-0.7, 0.2, 0.9]).requires_grad_()

    def function(v):
        return getattr(special, name)(v, t([3.0, 4.0, 9.0]))

    assert gradcheck(function, (x,)) and gradgradcheck(function, (x,))


@pytest.mark.peer
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_edges_are_those_of_pytorch(name, dtype):
    torch = pytest.importorskip("torch")
    x = [-1.0, 1.0, 0.0, math.inf, -math.inf, 0.3, -2.5, 30.0, 0.999]
    for n in (-1, 0, 1, 2, 3, 7, 12, 130, 700):
        found = getattr(special, name)(sn.tensor(x, dtype=getattr(sn, dtype)), n)
        wanted = getattr(torch.special, name)(torch.tensor(x, dtype=getattr(torch, dtype)), n)
        relative = 1e-9 if dtype == "float64" else 2e-4
        np.testing.assert_allclose(
            found.numpy(), wanted.numpy(), rtol=relative, atol=relative, err_msg=f"degree {n}"
        )
        assert str(found.dtype) == dtype
