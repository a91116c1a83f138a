"""stft, istft and window functions: against slow sums, closed forms, SciPy and torch."""

import itertools

import numpy as np
import pytest

import sensorium as sn
from sensorium.autograd import gradcheck, gradgradcheck
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.tensor import Tensor

WINDOWS = ["hann", "hamming", "blackman", "bartlett", "kaiser"]


def window_of(name, n, **options):
    return getattr(sn, f"{name}_window")(n, **options)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def slow_stft(x, n, hop, window):
    """The definition: one sum a frame and frequency."""
    frames = 1 + (len(x) - n) // hop
    y = np.empty((n // 2 + 1, frames), complex)
    for f, m in np.ndindex(*y.shape):
        y[f, m] = sum(
            window[k] * x[m * hop + k] * np.exp(-2j * np.pi * f * k / n) for k in range(n)
        )
    return y


# -- windows ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("n", [2, 5, 8])
def test_a_periodic_window_is_the_longer_symmetric_one_without_its_end(name, n):
    longer = window_of(name, n + 1, periodic=False, dtype=sn.float64).numpy()
    np.testing.assert_allclose(
        window_of(name, n, dtype=sn.float64).numpy(), longer[:-1], atol=1e-15
    )
    np.testing.assert_allclose(longer, longer[::-1], atol=1e-15)
    assert (longer >= 0).all() and longer.max() <= 1


def test_windows_of_no_and_one_value():
    for name in WINDOWS:
        assert window_of(name, 0).shape == (0,)
        assert window_of(name, 1).tolist() == [1]


def test_windows_have_their_textbook_values():
    third = np.arange(9) / 8
    hann = sn.hann_window(9, periodic=False, dtype=sn.float64).numpy()
    np.testing.assert_allclose(hann, 0.5 - 0.5 * np.cos(2 * np.pi * third), atol=1e-15)
    black = sn.blackman_window(9, periodic=False, dtype=sn.float64).numpy()
    wanted = 0.42 - 0.5 * np.cos(2 * np.pi * third) + 0.08 * np.cos(4 * np.pi * third)
    np.testing.assert_allclose(black, wanted, atol=1e-15)


def test_windows_refuse():
    with pytest.raises(DTypeError, match=r"hann_window: .*int64"):
        sn.hann_window(4, dtype=sn.int64)
    with pytest.raises(ShapeError, match=r"kaiser_window: .*-1"):
        sn.kaiser_window(-1)


# -- stft ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n, hop", [(8, 2), (7, 3), (4, 6)])
def test_stft_is_the_sum_of_its_definition(n, hop, rng):
    x, window = rng.normal(size=25), rng.normal(size=n)
    y = sn.stft(sn.tensor(x), n, hop, window=sn.tensor(window), center=False)
    np.testing.assert_allclose(y.numpy(), slow_stft(x, n, hop, window), atol=1e-12)


def test_float32_stays_within_its_precision(rng):
    x = rng.normal(size=2000)
    window = sn.hann_window(64, dtype=sn.float64)
    exact = sn.stft(sn.tensor(x), 64, window=window).numpy()
    short = sn.stft(sn.tensor(x, dtype=sn.float32), 64, window=window.float())
    assert short.dtype == sn.complex64
    assert np.abs(short.numpy() - exact).max() < 1e-6 * np.abs(exact).max()


def test_options_mean_what_they_say(rng):
    x, window = sn.tensor(rng.normal(size=(2, 40))), sn.hann_window(6, dtype=sn.float64)
    whole = sn.stft(x, 8, 3, 6, window, onesided=False)
    half = sn.stft(x, 8, 3, 6, window)
    assert whole.shape == (2, 8, 14) and half.shape == (2, 5, 14)
    np.testing.assert_allclose(whole.numpy()[:, :5], half.numpy(), atol=1e-12)
    np.testing.assert_allclose(whole.numpy()[:, 5:], whole.numpy()[:, 3:0:-1].conj(), atol=1e-12)
    full = sn.nn.functional.pad(window, (1, 1))  # a short window lies in the middle
    np.testing.assert_allclose(sn.stft(x, 8, 3, window=full).numpy(), half.numpy(), atol=1e-12)
    scaled = sn.stft(x, 8, 3, 6, window, normalized=True)
    np.testing.assert_allclose(scaled.numpy() * 8**0.5, half.numpy(), atol=1e-12)
    pairs = sn.stft(x, 8, 3, 6, window, return_complex=False)
    assert sn.equal(sn.view_as_complex(pairs), half)
    padded = sn.nn.functional.pad(x[:, None], (4, 4), "reflect")[:, 0]
    np.testing.assert_array_equal(sn.stft(padded, 8, 3, 6, window, center=False), half)


def test_a_tone_peaks_at_its_frequency():
    t = np.arange(16000) / 16000
    spectrum = sn.stft(
        sn.tensor(np.sin(2 * np.pi * 1000 * t)), 400, 160, window=sn.hann_window(400).double()
    )
    assert spectrum.shape == (201, 101)
    assert (spectrum.abs().argmax(0)[2:-2] == 25).all()  # 1000 Hz in steps of 40 Hz
    np.testing.assert_allclose(spectrum.abs()[25, 5:-5].numpy(), 100, rtol=1e-6)  # sum(window) / 2


def test_parseval_energy_is_kept_when_the_squared_windows_add_up(rng):
    """Squares of hann windows a quarter apart add up to 3/2."""
    x = np.zeros(200)
    x[50:150] = rng.normal(size=100)
    spec = sn.stft(sn.tensor(x), 32, 8, window=sn.hann_window(32, dtype=sn.float64), onesided=False)
    assert spec.abs().square().sum().item() / 32 == pytest.approx(1.5 * (x**2).sum(), rel=1e-12)


@pytest.mark.parametrize("length", [0, 1, 4, 5])
def test_short_signals_have_a_documented_shape_or_a_clear_error(length):
    x = sn.zeros(length)
    assert sn.stft(x, 8, pad_mode="constant").shape == (5, 1 + length // 2)
    with pytest.raises(
        ShapeError, match=rf"stft: {length} samples do not fill one frame \(n_fft 8\)"
    ):
        sn.stft(x, 8, center=False)
    if length <= 4:
        with pytest.raises(ShapeError, match=f"stft: {length} samples are too few to reflect 4"):
            sn.stft(x, 8)
    else:
        assert sn.stft(x, 8).shape == (5, 3)


def test_nan_stays_in_the_frames_that_hold_it():
    x = sn.ones(64)
    x[32] = float("nan")
    bad = sn.stft(x, 8, 8, center=False).isnan().any(0)
    assert bad.tolist() == [m == 4 for m in range(8)]


def test_refusals_name_the_rule_and_the_values():
    x = sn.ones(32)
    for options in ({"n_fft": 0}, {"n_fft": 8, "hop_length": 0}, {"n_fft": 8, "win_length": 9}):
        with pytest.raises(OptionError, match="stft: want n_fft >= 1"):
            sn.stft(x, **options)
    with pytest.raises(ShapeError, match=r"window of shape \(8,\).*got \(6,\)"):
        sn.stft(x, 8, window=sn.ones(6))
    with pytest.raises(ShapeError, match=r"\(T\) or \(B, T\), got shape \(1, 1, 32\)"):
        sn.stft(x[None, None], 8)
    with pytest.raises(OptionError, match="no onesided spectrum"):
        sn.stft(x.to(sn.complex64), 8, onesided=True)
    spec = sn.stft(x, 8)
    with pytest.raises(ShapeError, match=r"istft: want \(5, M\)"):
        sn.istft(spec[:4], 8)
    with pytest.raises(OptionError, match="leaves gaps"):
        sn.istft(spec, 8, 9)
    with pytest.raises(OptionError, match="istft: the signal of a onesided spectrum is real"):
        sn.istft(spec, 8, return_complex=True)
    with pytest.raises(
        ShapeError, match="istft: windows 2 samples apart leave a sample with weight 0"
    ):
        sn.istft(spec, 8, window=sn.hann_window(8), center=False)


# -- istft -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("n, hop, length", [(16, 4, 100), (15, 5, 97), (16, 8, 64)])
def test_istft_undoes_stft(name, n, hop, length, rng):
    x = sn.tensor(rng.normal(size=(2, length)))
    window = window_of(name, n, dtype=sn.float64)
    spec = sn.stft(x, n, hop, window=window, normalized=True)
    y = sn.istft(spec, n, hop, window=window, normalized=True, length=length)
    reached = n // 2 + hop * (spec.shape[-1] - 1)  # beyond the last frame's middle is less certain
    assert y.shape == x.shape
    upto = min(length, reached)
    np.testing.assert_allclose(y.numpy()[:, :upto], x.numpy()[:, :upto], atol=1e-9)


def test_istft_undoes_a_two_sided_complex_stft(rng):
    x = sn.tensor(rng.normal(size=40) + 1j * rng.normal(size=40))
    spec = sn.stft(x, 8)
    np.testing.assert_allclose(
        sn.istft(spec, 8, return_complex=True).numpy(), x.numpy(), atol=1e-12
    )


def test_istft_cuts_and_pads_to_length():
    x, w = sn.arange(32) / 32, sn.hann_window(8)
    spec = sn.stft(x, 8, window=w)
    assert sn.istft(spec, 8, window=w).shape == (32,)
    for length in (20, 32, 50):
        y = sn.istft(spec, 8, window=w, length=length)
        wanted = np.pad(x.numpy(), (0, max(length - 32, 0)))[:length]
        np.testing.assert_allclose(y.numpy()[:32], wanted[:32], atol=1e-6)
        assert y.shape == (length,) and (y[36:] == 0).all()


# -- gradients -------------------------------------------------------------------------------------
@pytest.mark.parametrize("onesided", [True, False])
def test_gradients_of_stft_and_istft(onesided, rng):
    x = sn.tensor(rng.normal(size=(2, 12)), requires_grad=True)
    window = sn.tensor(rng.uniform(0.5, 1, 6), requires_grad=True)

    def there(x, window):
        return sn.stft(x, 6, 2, window=window, onesided=onesided)

    def round_trip(x, window):
        return sn.istft(there(x, window) * 2, 6, 3, window=window * window, onesided=onesided)

    assert gradcheck(there, (x, window))
    assert gradcheck(round_trip, (x, window))
    assert gradgradcheck(
        lambda *a: there(*a).abs().square(), (x[0].detach().requires_grad_(), window)
    )


# -- a second array library ------------------------------------------------------------------------
@pytest.mark.parametrize("window", [None, "hann"])
@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_everything_stays_on_the_device(window, pad_mode, rng, fake_cupy):
    x = rng.normal(size=(2, 40))
    w = None if window is None else sn.hann_window(6, dtype=sn.float64)
    spec = sn.stft(sn.tensor(x), 8, 3, 6, w, pad_mode=pad_mode)
    there = Tensor(fake_cupy.to_device(x))
    w_there = None if w is None else Tensor(fake_cupy.to_device(w.array))
    found = sn.stft(there, 8, 3, 6, w_there, pad_mode=pad_mode)
    np.testing.assert_allclose(fake_cupy.to_host(found.array), spec.numpy(), atol=1e-13)
    back = sn.istft(found, 8, 3, 6, w_there, length=40)
    wanted = sn.istft(spec, 8, 3, 6, w, length=40).numpy()
    np.testing.assert_allclose(fake_cupy.to_host(back.array), wanted, atol=1e-13)


# -- peers -----------------------------------------------------------------------------------------
@pytest.mark.peer
def test_stft_is_scipys(rng):
    signal = pytest.importorskip("scipy.signal")
    x = rng.normal(size=1000)
    window = sn.hann_window(64, dtype=sn.float64)
    sft = signal.ShortTimeFFT(window.numpy(), hop=16, fs=1, phase_shift=None)
    wanted = sft.stft(x, 2, 60)  # frames whose middle lies at 32, 48, ...: none over an edge
    ours = sn.stft(sn.tensor(x), 64, 16, window=window, center=False).numpy()
    np.testing.assert_allclose(ours[:, :58], wanted, atol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_are_scipys(name):
    signal = pytest.importorskip("scipy.signal")
    kind = ("kaiser", 12.0) if name == "kaiser" else "hann" if name == "hann" else name
    for n, periodic in itertools.product((8, 9, 400), (True, False)):
        ours = window_of(name, n, periodic=periodic, dtype=sn.float64).numpy()
        np.testing.assert_allclose(ours, signal.get_window(kind, n, fftbins=periodic), atol=1e-12)


CASES = list(
    itertools.product(
        [8, 9], [None, 3], [None, 6], [True, False], ["reflect", "constant"], [None, False]
    )
)


@pytest.mark.peer
@pytest.mark.parametrize("normalized", [False, True])
def test_values_are_torchs(normalized, rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(2, 50))
    for n, hop, win, center, mode, side in CASES:
        window = np.random.default_rng(n).uniform(0.1, 1, win or n)
        args = (n, hop, win)
        there = torch.stft(
            torch.tensor(x),
            *args,
            torch.tensor(window),
            center,
            mode,
            normalized,
            side,
            return_complex=True,
        )
        here = sn.stft(sn.tensor(x), *args, sn.tensor(window), center, mode, normalized, side)
        np.testing.assert_allclose(here.numpy(), there.numpy(), atol=1e-12)
        for length in (None, 30):
            try:
                back = torch.istft(
                    there, *args, torch.tensor(window), center, normalized, side, length
                )
            except RuntimeError as error:
                assert "overlap add" in str(error)
                with pytest.raises(ShapeError, match="weight"):
                    sn.istft(here, *args, sn.tensor(window), center, normalized, side, length)
                continue
            ours = sn.istft(here, *args, sn.tensor(window), center, normalized, side, length)
            np.testing.assert_allclose(ours.numpy(), back.numpy(), atol=1e-11)


@pytest.mark.peer
def test_gradients_are_torchs(rng):
    torch = pytest.importorskip("torch")
    x, window = rng.normal(size=(2, 40)), rng.uniform(0.5, 1, 8)
    grads = []
    for lib in (sn, torch):
        a = lib.tensor(x, requires_grad=True)
        w = lib.tensor(window, requires_grad=True)
        spec = lib.stft(a, 8, 4, window=w, return_complex=True)
        y = lib.istft(spec * spec.abs(), 8, 4, window=w)
        (y**3).sum().backward()
        grads.append((a.grad.numpy(), w.grad.numpy()))
    for ours, theirs in zip(*grads):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
