"""sn.fft: the transform's laws, its gradients, and what it refuses.

The ops themselves are checked against the slow sum of the definition in ``test_ops_registry.py``.
"""

import inspect

import numpy as np
import pytest

import sensorium as sn
from sensorium.autograd import gradcheck, gradgradcheck
from sensorium.errors import DTypeError, OptionError, OutOfBoundsError, ShapeError

NORMS = [None, "backward", "ortho", "forward"]
PAIRS = [("fft", "ifft"), ("rfft", "irfft"), ("ihfft", "hfft")]


def slow_dft(x, sign=-1):
    n = len(x)
    return np.array(
        [sum(x[t] * np.exp(sign * 2j * np.pi * k * t / n) for t in range(n)) for k in range(n)]
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def complex_normal(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


# -- values ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 5, 8, 12])
def test_fft_is_the_sum_of_its_definition(n, rng):
    x = complex_normal(rng, n)
    np.testing.assert_allclose(sn.fft.fft(sn.tensor(x)).numpy(), slow_dft(x), atol=1e-12)
    np.testing.assert_allclose(sn.fft.ifft(sn.tensor(x)).numpy(), slow_dft(x, 1) / n, atol=1e-12)
    real = sn.tensor(x.real)
    np.testing.assert_allclose(
        sn.fft.rfft(real).numpy(), slow_dft(x.real)[: n // 2 + 1], atol=1e-12
    )


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("there, back", PAIRS)
@pytest.mark.parametrize("n", [7, 8])
def test_inverse_undoes_the_transform(there, back, norm, n, rng):
    x = sn.tensor(rng.normal(size=(2, n, 3)))
    y = getattr(sn.fft, there)(x, dim=1, norm=norm)
    again = getattr(sn.fft, back)(y, n, dim=1, norm=norm)
    np.testing.assert_allclose(again.numpy(), x.numpy(), atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_parseval_the_energy_of_a_spectrum_is_that_of_the_signal(norm, rng):
    x = sn.tensor(complex_normal(rng, 20))
    share = {None: 1 / 20, "backward": 1 / 20, "ortho": 1, "forward": 20}[norm]
    spectrum = sn.fft.fft(x, norm=norm).abs().square().sum().item()
    assert spectrum * share == pytest.approx(x.abs().square().sum().item(), rel=1e-12)


def test_a_tone_has_one_line():
    t = np.arange(64)
    spectrum = sn.fft.rfft(sn.tensor(np.cos(2 * np.pi * 5 * t / 64))).abs().numpy()
    assert spectrum[5] == pytest.approx(32)
    assert np.delete(spectrum, 5).max() < 1e-12


def test_n_cuts_or_pads_with_zeros(rng):
    x = rng.normal(size=6)
    for n in (4, 9):
        wanted = slow_dft(np.pad(x, (0, max(n - 6, 0)))[:n])
        np.testing.assert_allclose(sn.fft.fft(sn.tensor(x), n).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize(
    "dtype, result",
    [
        ("float32", "complex64"),
        ("float64", "complex128"),
        ("float16", "complex64"),
        ("bfloat16", "complex64"),
        ("int64", "complex64"),
    ],
)
def test_element_types(dtype, result):
    x = sn.ones(8, dtype=getattr(sn, dtype))
    for function in (sn.fft.fft, sn.fft.ifft, sn.fft.rfft):
        assert function(x).dtype == getattr(sn, result)
    single = result == "complex64"
    assert sn.fft.irfft(x).dtype == (sn.float32 if single else sn.float64)


def test_several_dimensions_are_one_after_another(rng):
    x = rng.normal(size=(3, 4, 5))
    wanted = np.fft.fftn(x)
    np.testing.assert_allclose(sn.fft.fftn(sn.tensor(x)).numpy(), wanted, atol=1e-11)
    np.testing.assert_allclose(sn.fft.rfftn(sn.tensor(x)).numpy(), wanted[..., :3], atol=1e-11)
    half = sn.fft.rfft2(sn.tensor(x))
    np.testing.assert_allclose(sn.fft.irfft2(half, s=(4, 5)).numpy(), x, atol=1e-12)
    np.testing.assert_allclose(sn.fft.ifftn(sn.tensor(wanted)).numpy(), x, atol=1e-12)
    padded = sn.fft.fft2(sn.tensor(x), s=(-1, 8)).numpy()
    np.testing.assert_allclose(padded, np.fft.fft2(x, s=(4, 8)), atol=1e-11)


@pytest.mark.parametrize("n", [1, 4, 5])
def test_frequencies_and_shifts(n):
    freqs = sn.fft.fftfreq(n, 0.5).numpy()
    wanted = np.array([k if k < (n + 1) // 2 else k - n for k in range(n)]) / (n * 0.5)
    np.testing.assert_allclose(freqs, wanted, atol=1e-7)
    assert sn.fft.rfftfreq(n, 0.5).tolist() == pytest.approx(
        [k / (n * 0.5) for k in range(n // 2 + 1)]
    )
    shifted = sn.fft.fftshift(sn.tensor(freqs))
    assert (np.diff(shifted.numpy()) > 0).all()
    assert sn.equal(sn.fft.ifftshift(shifted), sn.tensor(freqs))


def test_empty_batches_keep_their_shape():
    assert sn.fft.rfft(sn.ones(0, 8)).shape == (0, 5)
    assert sn.fft.irfft(sn.ones(0, 5)).shape == (0, 8)


# -- gradients -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft"])
@pytest.mark.parametrize("n", [None, 3, 7])
def test_gradient_and_second_gradient_of_complex_input(name, n, rng):
    x = sn.tensor(complex_normal(rng, 2, 5), requires_grad=True)
    f = getattr(sn.fft, name)
    assert gradcheck(lambda x: f(x, n, norm="ortho"), x)
    assert gradgradcheck(lambda x: f(x, n).abs().square(), x)


@pytest.mark.parametrize("name", ["fft", "rfft", "ihfft"])
@pytest.mark.parametrize("n", [4, 5])
def test_gradient_and_second_gradient_of_real_input(name, n, rng):
    x = sn.tensor(rng.normal(size=(n, 2)), requires_grad=True)
    f = getattr(sn.fft, name)
    assert gradcheck(lambda x: f(x, dim=0), x)
    assert gradgradcheck(lambda x: f(x, dim=0).abs().square(), x)


# -- refusals --------------------------------------------------------------------------------------
def test_refusals_name_the_function_and_the_value():
    x = sn.ones(4)
    with pytest.raises(OptionError, match=r"fft: norm .* got 'unitary'"):
        sn.fft.fft(x, norm="unitary")
    with pytest.raises(ShapeError, match=r"fft: .*got 0"):
        sn.fft.fft(sn.ones(2, 0))
    with pytest.raises(ShapeError, match=r"irfft: .*0 values"):
        sn.fft.irfft(sn.ones(1))
    with pytest.raises(DTypeError, match="rfft: want a real tensor, got complex64"):
        sn.fft.rfft(sn.ones(4, dtype=sn.complex64))
    with pytest.raises(OutOfBoundsError, match="fft: dim 2"):
        sn.fft.fft(x, dim=2)
    with pytest.raises(ShapeError, match="fft: want at least 1 dimension"):
        sn.fft.fft(sn.tensor(1.0))
    with pytest.raises(ShapeError, match="fftn: 2 lengths"):
        sn.fft.fftn(x, s=(2, 2), dim=0)
    with pytest.raises(ShapeError, match=r"fftfreq: .*n = 0"):
        sn.fft.fftfreq(0)


# -- parts of complex values -----------------------------------------------------------------------
def test_complex_values_and_pairs_of_reals_share_memory():
    pairs = sn.tensor([[1.0, 2.0], [3.0, 4.0]])
    z = sn.view_as_complex(pairs)
    pairs[0, 1] = 7.0
    assert z.tolist() == [1 + 7j, 3 + 4j]
    assert sn.equal(sn.view_as_real(z), pairs)
    assert sn.view_as_complex(sn.ones(2, 3).T[:, :2]).shape == (3,)
    with pytest.raises(ShapeError, match="view_as_complex"):
        sn.view_as_complex(sn.ones(3))


def test_polar_is_the_inverse_of_abs_and_angle(rng):
    z = sn.tensor(complex_normal(rng, 5), requires_grad=True)
    np.testing.assert_allclose(sn.polar(z.abs(), z.angle()).detach().numpy(), z.detach().numpy())
    assert gradcheck(lambda z: sn.polar(z.abs(), z.angle()), z)
    assert sn.angle(sn.tensor([-1.0, 0.0, 2.0])).tolist() == pytest.approx([np.pi, 0, 0])
    zero = sn.zeros(1, dtype=sn.complex128, requires_grad=True)
    zero.angle().sum().backward()
    assert zero.grad.tolist() == [0]


# -- torch -----------------------------------------------------------------------------------------
@pytest.mark.peer
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 4, 9])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_values_and_gradients_are_torchs(name, n, norm, rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(3, 6)) if name in ("rfft", "ihfft") else complex_normal(rng, 3, 6)
    ours, theirs = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = getattr(sn.fft, name)(ours, n, norm=norm)
    wanted = getattr(torch.fft, name)(theirs, n, norm=norm).resolve_conj()
    np.testing.assert_allclose(y.detach().numpy(), wanted.detach().numpy(), atol=1e-12)
    w = np.random.default_rng(1).normal(size=y.shape)
    (y * sn.tensor(w)).abs().sum().backward()
    (wanted * torch.tensor(w)).abs().sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.resolve_conj().numpy(), atol=1e-12)


@pytest.mark.peer
def test_signatures_begin_as_torchs():
    torch = pytest.importorskip("torch")
    first = {"fft": ["n", "dim", "norm", "out"], "fftn": ["s", "dim", "norm", "out"]}
    for name in sn.fft.__all__:
        assert hasattr(torch.fft, name)
        wanted = first["fftn" if name.endswith(("n", "2")) else "fft"]
        if "freq" not in name and "shift" not in name:
            assert list(inspect.signature(getattr(sn.fft, name)).parameters)[1:] == wanted
