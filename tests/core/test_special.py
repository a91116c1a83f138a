"""sensorium.special keeps the identities of its functions, at the edges and far out too.

Every op stands against an independent reference in ``test_ops_registry.py``, and against PyTorch,
SciPy and mpmath in ``test_special_peer.py``.
"""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import special
from sensorium.autograd import gradcheck, gradgradcheck
from sensorium.errors import DTypeError, OptionError


def t(*values):
    return sn.tensor(values, dtype=sn.float64)


def near(a, b, relative=1e-13):
    np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=relative, atol=1e-300)


def test_error_functions_far_out():
    near(special.erfc(t(26.0)), [5.663192408856143e-296])
    near(special.erfcx(t(1e10)), [1 / (1e10 * math.sqrt(math.pi))])
    near(special.log_ndtr(t(-1e8)), [-5.000000000000001934e15], 1e-12)
    x = t(-3.0, -0.2, 0.4, 2.5)
    near(special.erfc(x) + special.erfc(-x), [2.0] * 4)
    near(special.erfinv(sn.erf(x)), x.numpy(), 1e-9)
    near(special.ndtri(special.ndtr(x)), x.numpy(), 1e-12)


def test_gamma_function_s_recurrence_and_reflection():
    x = t(0.1, 0.7, 1.0, 1.3, 2.0, 4.4, 9.9, 30.0, -0.4, -3.6)
    near(special.gammaln(x + 1) - special.gammaln(x), x.abs().log().numpy() + 0.0, 1e-11)
    near(special.digamma(x + 1) - special.digamma(x), 1 / x.numpy(), 1e-11)
    near(special.polygamma(1, x) - special.polygamma(1, x + 1), x.numpy() ** -2.0, 1e-10)
    near(special.gammaln(t(1.0, 2.0, 11.0)), [0.0, 0.0, math.log(math.factorial(10))])
    near(special.zeta(t(2.0, 4.0), 1.0), [math.pi**2 / 6, math.pi**4 / 90])
    near(
        special.multigammaln(t(3.0), 2), [math.log(math.pi) / 2 + math.lgamma(3) + math.lgamma(2.5)]
    )


def test_incomplete_gamma_functions_of_a_half_and_one():
    x = t(0.1, 1.0, 3.0, 40.0)
    near(special.gammainc(t(0.5), x), sn.erf(x.sqrt()).numpy())
    near(special.gammaincc(t(1.0), x), np.exp(-x.numpy()))
    near(special.gammainc(t(300.0), t(290.0)) + special.gammaincc(t(300.0), t(290.0)), [1.0])
    assert special.gammainc(t(1.0, 2.0), t(0.0, math.inf)).tolist() == [0, 1]


def test_wronskian_of_the_modified_bessel_functions():
    x = t(0.01, 0.9, 1.1, 7.0, 23.9, 24.1, 100.0)
    i0, i1 = special.i0e(x), special.i1e(x)
    k0, k1 = special.scaled_modified_bessel_k0(x), special.scaled_modified_bessel_k1(x)
    near(i0 * k1 + i1 * k0, 1 / x.numpy())


def test_edges():
    zero = t(0.0, 1.0)
    assert special.entr(t(0.0, -1.0)).tolist() == [0, -math.inf]
    assert special.sinc(zero).tolist() == [1, pytest.approx(0, abs=1e-15)]
    assert special.xlogy(t(0.0), t(0.0)).item() == 0
    assert math.isnan(special.xlogy(t(0.0), t(math.nan)).item())
    assert special.xlog1py(0.0, t(-1.0)).item() == 0
    assert special.logit(zero).tolist() == [-math.inf, math.inf]
    assert special.erfinv(t(-1.0, 1.0)).tolist() == [-math.inf, math.inf]
    assert special.gammaln(t(0.0, -3.0)).tolist() == [math.inf] * 2
    assert special.digamma(t(0.0)).item() == -math.inf
    assert special.i0(sn.tensor([2])).dtype == sn.float32


@pytest.mark.parametrize("name", ["sinc", "erfcx", "log_ndtr", "i0", "i1", "i0e", "gammaln"])
def test_gradients_through_zero_and_beyond(name):
    x = sn.tensor([-3.3, -0.4, 0.3, 2.2], dtype=sn.float64, requires_grad=True)
    assert gradcheck(getattr(special, name), x)
    assert gradgradcheck(getattr(special, name), x)


def test_slope_of_sinc_and_i1_at_zero():
    x = sn.zeros(1, dtype=sn.float64, requires_grad=True)
    (slope,) = sn.autograd.grad(special.sinc(x), x, create_graph=True)
    assert slope.item() == 0
    near(sn.autograd.grad(slope, x)[0], [-(math.pi**2) / 3])
    near(sn.autograd.grad(special.i1(x), x)[0], [0.5])


def test_numbers_stand_for_either_operand():
    x = sn.tensor([0.5, 2.0], dtype=sn.float64, requires_grad=True)
    for call in (lambda v: special.xlogy(v, 3), lambda v: special.xlogy(2, v),
                 lambda v: special.xlog1py(v, 0.5), lambda v: special.zeta(3.0, v)):  # fmt: skip
        assert gradcheck(call, x)


def test_refusals():
    with pytest.raises(OptionError, match=r"polygamma: n .*-1"):
        special.polygamma(-1, t(1.0))
    with pytest.raises(OptionError, match=r"multigammaln: p .*0"):
        special.multigammaln(t(1.0), 0)
    with pytest.raises(DTypeError, match="logit"):
        special.logit(sn.tensor([1j]))


@pytest.mark.parametrize("dtype, places", [(sn.float32, 24), (sn.float16, 11), (sn.bfloat16, 8)])
def test_erfinv_of_narrow_types_is_the_float64s_rounded(dtype, places):
    """Up to the last number below 1, on both sides of where the approximation changes (0.85)."""
    last = 1 - 2.0**-places
    x = sn.tensor([0.0, 1e-6, 0.3, 0.8499, 0.8501, 0.99, last, 1.0, -0.5, -last, -1.0]).to(dtype)
    want = special.erfinv(x.double()).to(dtype).double().numpy()
    got = special.erfinv(x)
    assert got.dtype == dtype
    np.testing.assert_allclose(got.double().numpy(), want, rtol=2.0 ** (1 - places))
    assert special.erfinv(sn.tensor([1.5, -2.0, math.nan], dtype=dtype)).isnan().all()
    assert special.erfinv(sn.tensor(0.5, dtype=dtype)).shape == ()
