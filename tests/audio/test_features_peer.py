"""Features next to SciPy's, transformers' and, where it is installed, torchaudio's."""

import inspect
import warnings

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio import functional as F, transforms as T

pytestmark = pytest.mark.peer


@pytest.fixture
def speech():
    """Something with speech's fall towards high frequencies: (2, 8000)."""
    rng = np.random.default_rng(0)
    return 0.1 * np.cumsum(rng.normal(size=(2, 8000)), axis=1) * np.hanning(8000)


def relative(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    return np.abs(found - wanted).max() / np.abs(wanted).max()


# -- SciPy -----------------------------------------------------------------------------------------
def scipy_power(signal, x):
    """The power spectrogram of 400 samples every 160, reflected at the ends, by SciPy."""
    padded = np.pad(x, ((0, 0), (200, 200)), "reflect")
    _, _, spec = signal.stft(
        padded, window="hann", nperseg=400, noverlap=240, boundary=None, padded=False, scaling="psd"
    )
    window = signal.get_window("hann", 400)
    return np.abs(spec) ** 2 * (window**2).sum()  # fs = 1: SciPy divides by the window's energy


def test_spectrogram_is_scipys(speech):
    signal = pytest.importorskip("scipy.signal")
    wanted = scipy_power(signal, speech)
    found = T.Spectrogram(hop_length=160)(sn.tensor(speech, dtype=sn.float32))
    assert relative(found.numpy(), wanted) < 1e-5
    exact = T.Spectrogram(hop_length=160, wkwargs={"dtype": sn.float64})(sn.tensor(speech))
    assert relative(exact.numpy(), wanted) < 1e-13


def test_mfcc_is_made_of_scipys_parts(speech):
    signal, fft = pytest.importorskip("scipy.signal"), pytest.importorskip("scipy.fft")
    power = scipy_power(signal, speech)
    bank = F.melscale_fbanks(201, 0.0, 8000.0, 40, 16000).double().numpy()
    decibels = 10 * np.log10(np.maximum(np.einsum("nfm,fk->nkm", power, bank), 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    wanted = fft.dct(decibels, type=2, norm="ortho", axis=1)[:, :13]
    module = T.MFCC(16000, 13, melkwargs={"n_mels": 40, "hop_length": 160})
    assert relative(module(sn.tensor(speech, dtype=sn.float32)).numpy(), wanted) < 1e-5


@pytest.mark.parametrize("norm", [None, "ortho"])
def test_dct_is_scipys(norm):
    fft = pytest.importorskip("scipy.fft")
    x = np.random.default_rng(0).normal(size=(5, 40))
    found = x @ F.create_dct(20, 40, norm).double().numpy()
    assert relative(found, fft.dct(x, 2, norm=norm)[:, :20]) < 1e-6


def test_filters_are_scipys(speech):
    signal = pytest.importorskip("scipy.signal")
    x = speech / np.abs(speech).max() / 100
    found = F.deemphasis(sn.tensor(x), 0.97).numpy()
    np.testing.assert_allclose(found, signal.lfilter([1], [1, -0.97], x), atol=1e-13)
    found = F.preemphasis(sn.tensor(x), 0.97).numpy()
    np.testing.assert_allclose(found, signal.lfilter([1, -0.97], [1], x), atol=1e-15)
    y = np.random.default_rng(1).normal(size=(2, 300))
    for mode in ("full", "same", "valid"):
        wanted = signal.fftconvolve(x, y, mode, axes=1)
        assert relative(F.fftconvolve(sn.tensor(x), sn.tensor(y), mode).numpy(), wanted) < 1e-12


# -- transformers ----------------------------------------------------------------------------------
def test_whispers_features_can_be_made_of_these(speech):
    transformers = pytest.importorskip("transformers")
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    x = sn.tensor(speech[0], dtype=sn.float32)
    bank = F.melscale_fbanks(201, 0.0, 8000.0, 80, 16000, norm="slaney", mel_scale="slaney")
    assert relative(bank.numpy(), extractor.mel_filters) < 1e-6
    spec = sn.stft(
        sn.nn.functional.pad(x, (0, 480000 - 8000)), 400, 160, window=sn.hann_window(400)
    )
    log = sn.log10((bank.T @ sn.ops.abs_squared(spec[:, :-1])).clamp(min=1e-10))
    found = (sn.maximum(log, log.max() - 8) + 4) / 4
    wanted = extractor(speech[0], sampling_rate=16000).input_features[0]
    assert np.abs(found.numpy() - wanted).max() < 1e-4


# -- torch -----------------------------------------------------------------------------------------
def test_griffin_lim_steps_as_its_published_formula(speech):
    """c = project(x), angles = c - momentum c_before: written with torch's transforms."""
    torch = pytest.importorskip("torch")
    spec = T.Spectrogram(n_fft=128, wkwargs={"dtype": sn.float64})(sn.tensor(speech))
    window = torch.hann_window(128, dtype=torch.float64)
    size, alpha = torch.tensor(spec.numpy()).sqrt(), 0.9 / 1.9
    phases, before = torch.ones_like(size, dtype=torch.complex128), 0.0
    for _ in range(5):
        wave = torch.istft(size * phases, 128, 64, 128, window)
        now = torch.stft(wave, 128, 64, 128, window, return_complex=True)
        phases, before = now - alpha * before, now
        phases = phases / (phases.abs() + 1e-16)
    wanted = torch.istft(size * phases, 128, 64, 128, window)
    options = {"n_iter": 5, "momentum": 0.9, "rand_init": False, "wkwargs": {"dtype": sn.float64}}
    assert relative(T.GriffinLim(128, **options)(spec).numpy(), wanted.numpy()) < 1e-6


# -- torchaudio ------------------------------------------------------------------------------------
@pytest.fixture
def torchaudio():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torchaudio", exc_type=ImportError)


def parameters(function):
    """Names and defaults; functions as defaults by their names."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, getattr(p.default, "__name__", p.default)) for p in found]


def test_signatures_are_torchaudios(torchaudio):
    for ours, theirs in ((F, torchaudio.functional), (T, torchaudio.transforms)):
        for name in vars(ours):
            if not name.startswith("_") and callable(getattr(ours, name)):
                assert parameters(getattr(ours, name)) == parameters(getattr(theirs, name)), name


MEL = {"n_mels": 40}
CASES = [
    ("Spectrogram", {}),
    ("Spectrogram", {"n_fft": 64, "hop_length": 20, "win_length": 50, "power": 1.0, "pad": 3}),
    ("Spectrogram", {"power": None, "normalized": "frame_length", "pad_mode": "constant"}),
    ("MelSpectrogram", MEL),
    ("MelSpectrogram", {"norm": "slaney", "mel_scale": "slaney", "normalized": True, **MEL}),
    ("MFCC", {"n_mfcc": 13, "melkwargs": MEL}),
    ("MFCC", {"n_mfcc": 13, "log_mels": True, "norm": None, "melkwargs": MEL}),
    ("LFCC", {"n_filter": 40, "n_lfcc": 13}),
    ("SpectralCentroid", {"sample_rate": 16000}),
    ("AmplitudeToDB", {"stype": "magnitude", "top_db": 30.0}),
    ("Resample", {"orig_freq": 3, "new_freq": 2}),
    ("Resample", {"orig_freq": 8, "new_freq": 9, "resampling_method": "sinc_interp_kaiser"}),
    ("ComputeDeltas", {"win_length": 7}),
    ("Preemphasis", {}),
    ("Deemphasis", {}),
    ("MuLawEncoding", {}),
    ("Vol", {"gain": -6.0, "gain_type": "db"}),
    *[
        ("Fade", {"fade_in_len": 100, "fade_out_len": 200, "fade_shape": shape})
        for shape in ("linear", "exponential", "logarithmic", "quarter_sine", "half_sine")
    ],
]


@pytest.mark.parametrize("name, options", CASES)
def test_transforms_are_torchaudios(name, options, speech, torchaudio):
    torch = pytest.importorskip("torch")
    theirs, ours = getattr(torchaudio.transforms, name)(**options), getattr(T, name)(**options)
    x = (speech / np.abs(speech).max() * 0.5).astype(np.float32)[:, None]
    wanted = theirs(torch.tensor(x))
    assert relative(ours(sn.tensor(x)).numpy(), wanted.numpy()) < 1e-5
    assert set(ours.state_dict()) == set(theirs.state_dict())


@pytest.mark.parametrize("rate", [0.8, 1.3])
def test_stretching_is_torchaudios(rate, speech, torchaudio):
    torch = pytest.importorskip("torch")
    spec = sn.stft(
        sn.tensor(speech), 400, 200, window=sn.hann_window(400, dtype=sn.float64)
    ).numpy()
    theirs, ours = torchaudio.transforms.TimeStretch(200).double(), T.TimeStretch(200).double()
    wanted = theirs(torch.tensor(spec), rate).numpy()
    assert relative(ours(sn.tensor(spec), rate).numpy(), wanted) < 1e-9


def test_pitch_shift_is_torchaudios(speech, torchaudio):
    torch = pytest.importorskip("torch")
    for steps in (12, -12):
        wanted = torchaudio.functional.pitch_shift(torch.tensor(speech), 8000, steps).numpy()
        found = F.pitch_shift(sn.tensor(speech), 8000, steps).numpy()
        assert relative(found, wanted) < 1e-5
