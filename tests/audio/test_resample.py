"""Resampling: aliases and tones in decibels, the sum of the definition, gradients, short signals."""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio import functional as F, transforms as T
from sensorium.audio.functional import _resample
from sensorium.autograd import gradcheck
from sensorium.errors import DTypeError, OptionError, ShapeError

BEST = {
    "lowpass_filter_width": 64,
    "rolloff": 0.9475937167399596,
    "resampling_method": "sinc_interp_kaiser",
    "beta": 14.769656459379492,
}
RATES = [(44100, 16000), (48000, 16000), (16000, 8000), (48000, 44100)]


def tone(freq, rate, seconds=0.25, dtype=np.float32):
    return np.sin(2 * np.pi * freq * np.arange(int(rate * seconds)) / rate).astype(dtype)


def level(x, skip=300):
    """The level of a waveform in dB of a full sine, its ends left out."""
    inner = np.asarray(x, np.float64)[skip:-skip]
    return 20 * math.log10(math.sqrt(2 * (inner**2).mean()) + 1e-300)


# -- figures ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("orig, new", RATES)
def test_aliases_lie_80_db_down_with_the_best_filter(orig, new):
    for freq in np.linspace(new / 2, orig / 2 - 50, 8):
        aliased = F.resample(sn.tensor(tone(freq, orig)), orig, new, **BEST)
        assert level(aliased.numpy()) < -80


@pytest.mark.parametrize("orig, new", [*RATES, (16000, 44100), (8000, 16000)])
def test_a_tone_in_the_passband_stays_itself(orig, new):
    for share in (0.02, 0.3, 0.85):
        freq = share * min(orig, new) / 2
        found = F.resample(sn.tensor(tone(freq, orig)), orig, new, **BEST).numpy()
        off = found - tone(freq, new)[: len(found)]
        assert abs(level(found)) < 0.02
        assert level(off) < -80 if share < 0.5 else level(off) < -50


def test_upsampling_makes_no_images():
    """A tone has one line; what mirrors it about the old Nyquist frequency is 80 dB lower."""
    found = F.resample(sn.tensor(tone(3000, 8000, 1.0)), 8000, 16000, **BEST).numpy()[4000:12000]
    spectrum = np.abs(np.fft.rfft(found * np.blackman(8000)))
    image = spectrum[2500 - 50 : 2500 + 50]  # 5000 Hz in steps of 2 Hz
    assert 20 * math.log10(image.max() / spectrum.max()) < -80


# -- definition ------------------------------------------------------------------------------------
def slow_resample(x, orig, new, width, rolloff):
    """One sum of a windowed sinc for every sample, in time."""
    cutoff = min(orig, new) * rolloff
    y = []
    for i in range(math.ceil(len(x) * new / orig)):
        at = i / new
        total = 0.0
        for n, value in enumerate(x):
            t = cutoff * (n / orig - at)
            if abs(t) < width:
                total += value * np.sinc(t) * math.cos(math.pi * t / width / 2) ** 2 * cutoff / orig
        y.append(total)
    return np.array(y)


@pytest.mark.parametrize("orig, new", [(3, 2), (2, 3), (8, 4), (441, 160)])
def test_every_sample_is_the_sum_of_its_definition(orig, new):
    x = np.random.default_rng(0).normal(size=50)
    found = F.resample(sn.tensor(x), orig, new).numpy()
    np.testing.assert_allclose(found, slow_resample(x, orig, new, 6, 0.99), atol=1e-12)


@pytest.mark.parametrize("orig, new", [(3, 2), (2, 3), (441, 160)])
@pytest.mark.parametrize("method", ["sinc_interp_hann", "sinc_interp_kaiser"])
def test_gathering_and_convolving_give_the_same(orig, new, method, monkeypatch):
    x = sn.tensor(np.random.default_rng(0).normal(size=(2, 900)))
    dense = F.resample(x, orig, new, 7, 0.9, method)
    monkeypatch.setattr(_resample, "_DENSE", 0)
    _resample.sinc_kernel.cache_clear()
    gathered = F.resample(x, orig, new, 7, 0.9, method)
    assert T.Resample(orig, new, dtype=sn.float64).kernel.ndim == 2
    _resample.sinc_kernel.cache_clear()
    np.testing.assert_allclose(gathered.numpy(), dense.numpy(), atol=1e-12)


def test_odd_rates_need_no_huge_filter():
    """10079 and 8000 have no common divisor: a dense kernel would hold 80 million weights."""
    kernel, _ = _resample.sinc_kernel(10079, 8000, 6, 0.99, "sinc_interp_hann", None)
    assert kernel.size < 200_000
    x = sn.tensor(tone(440, 20158))
    found = F.resample(x, 20158, 16000).numpy()
    assert level(found - tone(440, 16000)[: len(found)]) < -50
    short = sn.tensor(tone(440, 20158, 0.0005, np.float64), requires_grad=True)
    assert gradcheck(lambda x: F.resample(x, 20158, 16000), short)


@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_short_signals_keep_the_documented_length(length):
    x = sn.ones(2, length)
    for orig, new in ((3, 2), (2, 3), (48000, 16000)):
        assert F.resample(x, orig, new).shape == (2, math.ceil(length * new / orig))
    assert F.resample(sn.ones(0, 9), 3, 1).shape == (0, 3)


def test_same_rate_is_the_same_waveform():
    x = sn.ones(4)
    assert F.resample(x, 16000, 16000) is x
    assert T.Resample(8000, 8000)(x) is x


def test_leading_dimensions_are_apart():
    x = sn.randn(2, 3, 40)
    y = F.resample(x, 3, 2)
    assert y.shape == (2, 3, 27)
    np.testing.assert_allclose(y[1, 2].numpy(), F.resample(x[1, 2], 3, 2).numpy(), atol=1e-6)


def test_module_and_function_agree_and_the_filter_is_saved():
    x = sn.randn(1, 100)
    module = T.Resample(3, 2, lowpass_filter_width=9, rolloff=0.9)
    np.testing.assert_array_equal(module(x).numpy(), F.resample(x, 3, 2, 9, 0.9).numpy())
    assert list(module.state_dict()) == ["kernel"]
    assert T.Resample(3, 2, dtype=sn.float64).kernel.dtype == sn.float64


def test_gradient():
    x = sn.tensor(np.random.default_rng(0).normal(size=(2, 9)), requires_grad=True)
    assert gradcheck(lambda x: F.resample(x, 3, 2), x)


def test_faster_is_shorter():
    y, lengths = F.speed(sn.ones(2, 100), 1000, 2.0, sn.tensor([100, 51]))
    assert y.shape == (2, 50) and lengths.tolist() == [50, 26]


def test_refusals_name_the_rule_and_the_value():
    x = sn.ones(8)
    with pytest.raises(OptionError, match="positive whole rates, got orig_freq 0"):
        F.resample(x, 0, 8000)
    with pytest.raises(OptionError, match=r"got orig_freq 8000.5"):
        F.resample(x, 8000.5, 8000)
    with pytest.raises(OptionError, match=r"resampling_method must be one of .*'linear'"):
        F.resample(x, 3, 2, resampling_method="linear")
    with pytest.raises(OptionError, match="lowpass_filter_width >= 1"):
        F.resample(x, 3, 2, lowpass_filter_width=0)
    with pytest.raises(DTypeError, match="floating-point waveform, got int64"):
        F.resample(sn.ones(8, dtype=sn.int64), 3, 2)
    with pytest.raises(ShapeError, match=r"\(\.\.\., T\)"):
        F.resample(sn.tensor(1.0), 3, 2)


# -- peers -----------------------------------------------------------------------------------------
@pytest.mark.peer
@pytest.mark.parametrize("orig, new", [(3, 2), (160, 441)])
def test_the_filter_in_scipys_hands_gives_the_same(orig, new):
    """upfirdn with the same taps: zeros put in, one long filter, samples left out."""
    signal = pytest.importorskip("scipy.signal")
    x, width = np.random.default_rng(0).normal(size=400), 6
    cutoff = min(orig, new) * 0.99
    half = math.ceil(width * orig * new / cutoff)
    t = np.clip(np.arange(-half, half + 1) / (orig * new) * cutoff, -width, width)
    taps = np.sinc(t) * np.cos(np.pi * t / width / 2) ** 2 * cutoff / orig
    wanted = signal.upfirdn(taps, np.concatenate([x, np.zeros(orig)]), new, 1)[half:][::orig]
    found = F.resample(sn.tensor(x), orig, new).numpy()
    np.testing.assert_allclose(found, wanted[: len(found)], atol=1e-11)
