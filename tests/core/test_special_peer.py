"""sensorium.special against torch.special (values, types, gradients) and SciPy (accuracy)."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import SensoriumError

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")
scipy = pytest.importorskip("scipy.special")

ANY = np.concatenate([np.linspace(-8, 8, 41) + 0.013, [0.0, 0.5, -0.5, 1.0, 20.0, -20.0]])
POSITIVE = np.concatenate([np.linspace(0.05, 12, 41), [1e-8, 1.0, 2.0, 50.0, 700.0]])
UNIT = np.concatenate([np.linspace(-0.999, 0.999, 40), [1e-9, 0.25, 0.999999]])
SHARE = np.concatenate([np.linspace(0.001, 0.999, 40), [1e-9, 1e-200, 0.5]])
OFF_POLES = np.concatenate([POSITIVE, np.linspace(-9.9, -0.1, 30)])

ONE = {
    "erf": ANY, "erfc": ANY, "erfcx": ANY, "erfinv": UNIT, "ndtr": ANY, "ndtri": SHARE,
    "log_ndtr": ANY * 3, "gammaln": OFF_POLES, "digamma": OFF_POLES, "psi": POSITIVE,
    "i0": ANY, "i0e": ANY * 9, "i1": ANY, "i1e": ANY * 9, "sinc": ANY, "entr": POSITIVE,
    "logit": SHARE, "expit": ANY, "exp2": ANY, "expm1": ANY, "log1p": POSITIVE,
}  # fmt: skip
NO_GRADIENT = {  # in PyTorch
    "modified_bessel_i0": ANY, "modified_bessel_i1": ANY,
    "modified_bessel_k0": POSITIVE, "modified_bessel_k1": POSITIVE,
    "scaled_modified_bessel_k0": POSITIVE, "scaled_modified_bessel_k1": POSITIVE,
}  # fmt: skip
MORE = {
    "polygamma_1": (lambda t, x: t.special.polygamma(1, x), OFF_POLES),
    "polygamma_3": (lambda t, x: t.special.polygamma(3, x), POSITIVE[:40]),
    "multigammaln": (lambda t, x: t.special.multigammaln(x, 3), POSITIVE + 1.5),
    "zeta": (lambda t, x: t.special.zeta(t.tensor(2.5, dtype=t.float64), x), POSITIVE),
    "gammainc": (lambda t, x: t.special.gammainc(t.tensor(2.5, dtype=t.float64), x), POSITIVE),
    "gammaincc": (lambda t, x: t.special.gammaincc(t.tensor(2.5, dtype=t.float64), x), POSITIVE),
    "xlogy": (lambda t, x: t.special.xlogy(x, x + 1), POSITIVE),
    "xlogy_number": (lambda t, x: t.special.xlogy(2.0, x), POSITIVE),
    "xlogy_by_number": (lambda t, x: t.special.xlogy(x, 3.0), ANY),
    "xlog1py": (lambda t, x: t.special.xlog1py(x, x), POSITIVE),
    "logit_eps": (lambda t, x: t.special.logit(x, 0.1), SHARE),
    "lgamma": (lambda t, x: t.lgamma(x) + x.lgamma(), POSITIVE),
    "igamma": (lambda t, x: t.igamma(x.detach(), x), POSITIVE[:40]),
    "mvlgamma": (lambda t, x: t.mvlgamma(x, 2), POSITIVE + 1.5),
    "methods": (lambda t, x: x.digamma() + x.erfc() + x.sinc() + x.xlogy(x), POSITIVE),
}


def both(function, values, gradient=True):
    """The values and slopes of both libraries."""
    found = []
    for library in (sn, torch):
        x = library.tensor(values, requires_grad=gradient)
        y = function(library, x)
        if gradient:
            y.sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy() if gradient else None))
    return found


def same(a, b, x, slack=1e-8):
    """Equal within 1e-8 relative, and where a zero is near within the same of the largest value."""
    scale = np.minimum(1, np.abs(b[np.isfinite(b)]).max())
    np.testing.assert_allclose(a, b, rtol=slack, atol=1e-14 * scale, err_msg=f"at {x}")


@pytest.mark.parametrize("name", [*ONE, *NO_GRADIENT])
def test_functions_of_one_value(name):
    x = {**ONE, **NO_GRADIENT}[name]
    (y, slope), (wanted, other) = both(
        lambda t, v: getattr(t.special, name)(v), x, name not in NO_GRADIENT
    )
    same(y, wanted, x)
    if slope is not None:
        same(slope, other, x)


@pytest.mark.parametrize("name", MORE)
def test_functions_of_more(name):
    function, x = MORE[name]
    (y, slope), (wanted, other) = both(function, x)
    same(y, wanted, x)
    same(slope, other, x)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int64", "bool"])
@pytest.mark.parametrize("name", [*ONE, *NO_GRADIENT])
def test_element_types_are_pytorch_s(name, kind):
    x = np.array([1, 0, 1])
    try:
        wanted = getattr(torch.special, name)(torch.tensor(x).to(getattr(torch, kind)))
    except RuntimeError:
        return
    found = getattr(sn.special, name)(sn.tensor(x).to(getattr(sn, kind)))
    assert str(found.dtype) == str(wanted.dtype).removeprefix("torch.")
    loose = {"float16": 2e-3, "bfloat16": 2e-2}.get(kind, 2e-6)
    np.testing.assert_allclose(
        found.double().numpy(), wanted.double().numpy(), rtol=loose, atol=loose
    )


EDGES = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("name", [*ONE, *NO_GRADIENT])
def test_edges_are_pytorch_s(name):
    y, wanted = ((getattr(t.special, name)(t.tensor(EDGES))).numpy() for t in (sn, torch))
    if name.endswith(("i0", "i1")):  # inf at inf, where PyTorch has nan
        assert np.abs(y[6:8]).tolist() == [np.inf, np.inf]
        y, wanted = (np.delete(v, [6, 7]) for v in (y, wanted))
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-15)


# -- accuracy --------------------------------------------------------------------------------------
ACCURACY = {  # name: (the function in mpmath, arguments, units in the last place)
    "erfc": (lambda m, x: m.erfc(x), np.linspace(-6, 26, 60), 6),
    "erfcx": (lambda m, x: m.exp(x * x) * m.erfc(x), np.linspace(-25, 25, 60), 6),
    "erfinv": (lambda m, x: m.erfinv(x), np.linspace(-0.9999, 0.9999, 60), 6),
    "ndtr": (lambda m, x: m.ncdf(x), np.linspace(-8, 8, 60), 40),  # x / sqrt(2) is rounded
    "ndtri": (lambda m, x: m.sqrt(2) * m.erfinv(2 * x - 1), np.geomspace(1e-30, 0.4, 40), 6),
    "log_ndtr": (lambda m, x: m.log(m.ncdf(x)), np.linspace(-30, 5, 60), 16),
    "gammaln": (lambda m, x: m.loggamma(x), np.geomspace(1e-6, 1e6, 60), 6),
    "digamma": (lambda m, x: m.digamma(x), np.geomspace(2, 1e6, 60), 6),
    "i0": (lambda m, x: m.besseli(0, x), np.linspace(-300, 300, 60), 6),
    "i1": (lambda m, x: m.besseli(1, x), np.linspace(-300, 300, 60), 6),
    "i0e": (lambda m, x: m.besseli(0, x) * m.exp(-x), np.linspace(0, 200, 60), 8),
    "i1e": (lambda m, x: m.besseli(1, x) * m.exp(-x), np.linspace(0.01, 200, 60), 6),
    "modified_bessel_k0": (lambda m, x: m.besselk(0, x), np.geomspace(1e-6, 500, 60), 6),
    "modified_bessel_k1": (lambda m, x: m.besselk(1, x), np.geomspace(1e-6, 500, 60), 8),
}


@pytest.mark.parametrize("name", ACCURACY)
def test_accuracy_in_units_of_the_last_place(name):
    mpmath = pytest.importorskip("mpmath")
    reference, x, units = ACCURACY[name]
    with mpmath.workdps(60):
        wanted = np.array([float(reference(mpmath, mpmath.mpf(float(v)))) for v in x])
    found = getattr(sn.special, name)(sn.tensor(x)).numpy()
    assert (np.abs(found - wanted) / np.spacing(np.abs(wanted))).max() <= units


def test_incomplete_gamma_against_scipy():
    a, x = (
        v.ravel() for v in np.meshgrid(np.geomspace(0.05, 2000, 25), np.geomspace(0.01, 4000, 40))
    )
    for name in ("gammainc", "gammaincc"):
        wanted = getattr(scipy, name)(a, x)
        found = getattr(sn.special, name)(sn.tensor(a), sn.tensor(x)).numpy()
        kept = wanted > 1e-50  # below, SciPy's own error is the larger one
        np.testing.assert_allclose(found[kept], wanted[kept], rtol=5e-12)


def test_hurwitz_zeta_against_scipy():
    s, q = (v.ravel() for v in np.meshgrid(np.linspace(1.1, 20, 20), np.geomspace(0.1, 100, 20)))
    found = sn.special.zeta(sn.tensor(s), sn.tensor(q)).numpy()
    np.testing.assert_allclose(found, scipy.zeta(s, q), rtol=1e-13)


def test_complex_values_are_refused_where_pytorch_refuses():
    for name in ("erfc", "gammaln", "i0", "ndtr", "digamma"):
        with pytest.raises(RuntimeError):
            getattr(torch.special, name)(torch.tensor([1j]))
        with pytest.raises(SensoriumError):
            getattr(sn.special, name)(sn.tensor([1j]))
